import assert from "node:assert/strict";
import { resolve } from "node:path";
import fc from "fast-check";
import { StageError } from "../../../stages/errors.ts";
import { archivePaths, findRoots, rootsOf } from "../../../stages/formats/roots.ts";
import { SourceTree } from "./snapshot/source_tree.ts";

const POSIX = Deno.build.os !== "windows";

/** Names alone, in the order of the paths. */
function namesOf(...paths: readonly string[]): string[] {
  return rootsOf(paths).map(({ name }) => name);
}

Deno.test({
  name: "roots stand under the last name of their path",
  ignore: !POSIX,
  fn() {
    assert.deepEqual(rootsOf(["/home/me/.claude", "/srv/notes/"]), [
      { name: ".claude", path: "/home/me/.claude" },
      { name: "notes", path: "/srv/notes" },
    ]);
  },
});

Deno.test({
  name: "roots that share a name stand under as many names as tell them apart",
  ignore: !POSIX,
  fn() {
    assert.deepEqual(namesOf("/a/.claude", "/b/.claude"), ["a/.claude", "b/.claude"]);
    assert.deepEqual(namesOf("/a/x/.claude", "/b/x/.claude", "/c"), [
      "a/x/.claude",
      "b/x/.claude",
      "c",
    ]);
    assert.deepEqual(namesOf("/a/c", "/b/c", "/b/d/c"), ["a/c", "b/c", "d/c"]);
    assert.deepEqual(namesOf("/u", "/root/u"), ["u", "root/u"]);
  },
});

Deno.test({
  name: "a root's name never leads into another root",
  ignore: !POSIX,
  fn() {
    assert.deepEqual(namesOf("/p/a", "/a/c", "/b/c"), ["p/a", "a/c", "b/c"]);
    assert.deepEqual(namesOf("/a", "/z/a/c", "/y/c"), ["a", "z/a/c", "y/c"]);
  },
});

Deno.test({
  name: "roots fold a path into another one that it lies in",
  ignore: !POSIX,
  fn() {
    assert.deepEqual(namesOf("/home/me/x", "/home/me", "/home/me/x/y", "/home/me/"), ["me"]);
    assert.deepEqual(namesOf("/home/me", "/home/me-too", "/home/m"), ["me", "me-too", "m"]);
  },
});

Deno.test({
  name: "roots keep a path apart that only a link leads to",
  ignore: !POSIX,
  fn() {
    const real = (path: string) => path.replace("/home/me/.claude", "/dotfiles/claude");
    const paths = ["/home/me", "/home/me/.claude", "/home/me/.claude/projects"];
    assert.deepEqual(rootsOf(paths, real).map(({ path }) => path), [
      "/home/me",
      "/home/me/.claude",
    ]);
    // However little room their paths leave for names.
    const tight = rootsOf(["/u", "/u/.claude", "/x/.claude"], (path) => `/elsewhere${path}!`);
    assert.deepEqual(tight.map(({ name }) => name), ["u", "link-1/u/.claude", "x/.claude"]);
  },
});

Deno.test({
  name: "the whole file system has a name too",
  ignore: !POSIX,
  fn: () => assert.deepEqual(rootsOf(["/", "/etc"]), [{ name: "root", path: "/" }]),
});

Deno.test({
  name: "roots hold every path once, under names that are apart, whatever the paths",
  ignore: !POSIX,
  fn() {
    const name = fc.constantFrom("a", "b", "c", "root", "a.b");
    const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) =>
      `/${names.join("/")}`
    );
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 8 }), (paths) => {
        const roots = rootsOf(paths);
        for (const path of paths) {
          const holding = roots.filter((root) => `${path}/`.startsWith(`${root.path}/`));
          assert.equal(holding.length, 1, path);
        }
        for (const { name, path } of roots) {
          assert.ok(path.endsWith(`/${name}`), `${name} of ${path}`);
          assert.ok(paths.includes(path));
          const shared = roots.filter((other) => `${other.name}/`.startsWith(`${name}/`));
          assert.equal(shared.length, 1, name);
        }
      }),
      { numRuns: 2000 },
    );
  },
});

Deno.test({
  name: "roots are kept apart whatever links lead where",
  ignore: !POSIX,
  fn() {
    const name = fc.constantFrom("u", "root", "c");
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) =>
      `/${names.join("/")}`
    );
    fc.assert(fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), (paths) => {
      const roots = rootsOf(paths, (path) => `${path}${paths.indexOf(path)}`);
      assert.equal(roots.length, paths.length);
      const names = roots.map(({ name }) => `${name}/`);
      for (const name of names) {
        assert.equal(names.filter((other) => other.startsWith(name)).length, 1, names.join(" "));
      }
    }));
  },
});

Deno.test("a root that is a link is read where it leads, under its own name", () => {
  using tree = new SourceTree({ "dotfiles/claude/CLAUDE.md": "hello" });
  tree.link(".claude", "dotfiles/claude");
  const [root] = findRoots([tree.at(".claude")], []);
  assert.equal(root?.name, ".claude");
  assert.equal(root?.path, tree.at(".claude"));
  assert.equal(root?.real, tree.at("dotfiles/claude"));
  assert.ok(root?.info.isDirectory);
});

Deno.test("a root that is missing is told of when another one is there", () => {
  using tree = new SourceTree({ "here/a": "a" });
  const unreadable: { path: string; reason: string }[] = [];
  const roots = findRoots([tree.at("gone"), tree.at("here")], unreadable);
  assert.deepEqual(roots.map(({ name }) => name), ["here"]);
  assert.deepEqual(unreadable, [{ path: tree.at("gone"), reason: "it does not exist" }]);
});

Deno.test("roots that are missing, all of them, fail with what to do", () => {
  using tree = new SourceTree();
  tree.link("dangling", "nowhere");
  const missing = (name: string) => {
    try {
      findRoots([tree.at(name)], []);
    } catch (error) {
      assert.ok(error instanceof StageError);
      assert.equal(error.code, "source-missing");
      assert.equal(error.message, `Cannot back up "${tree.at(name)}": it does not exist`);
      return error.hint;
    }
    assert.fail("it did not fail");
  };
  assert.equal(
    missing(".claude"),
    'Start Claude Code once, or set CLAUDE_CONFIG_DIR, or change "paths" in the pipeline file',
  );
  const other = 'Change "paths" in the pipeline file, or make the directory';
  assert.equal(missing("notes"), other);
  assert.equal(missing("dangling"), other);
});

Deno.test("a path of this machine is found in an archive under each root that it lies in", () => {
  const at = (...names: string[]) => resolve("/", ...names);
  const roots = [{ name: ".claude", path: at("me", ".claude") }, { name: "all", path: at("me") }];
  assert.deepEqual(archivePaths(roots, at("me", ".claude", "a", "b c")), [
    ".claude/a/b c",
    "all/.claude/a/b c",
  ]);
  assert.deepEqual(archivePaths(roots, at("me")), ["all"]);
  assert.deepEqual(archivePaths(roots, at("me", ".claudette")), ["all/.claudette"]);
  assert.deepEqual(archivePaths(roots, at("you")), []);
});
