import assert from "node:assert/strict";
import type { Remark } from "../../../../stages/contract.ts";
import {
  type Found,
  type Remarks,
  type Selection,
  Walk,
} from "../../../../stages/formats/snapshot/walk.ts";
import { compareBytes, output, selectionOf, SourceTree } from "./source_tree.ts";

const onPosix = Deno.build.os !== "windows";
const onLinux = Deno.build.os === "linux";

interface Walked extends Remarks {
  readonly found: readonly Found[];
  readonly paths: readonly string[];
}

async function walk(
  paths: readonly string[],
  changes: Partial<Selection> = {},
  onFound: (found: Found) => void = () => {},
): Promise<Walked> {
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [] };
  const found: Found[] = [];
  for (const one of await Walk.open(selectionOf(paths, changes), remarks)) {
    found.push(one);
    onFound(one);
  }
  return { found, paths: found.map(({ path }) => path), ...remarks };
}

function filesOf(found: readonly Found[]): Found[] {
  return found.filter(({ kind }) => kind === "file");
}

/** What is remarked, with paths as they are in the tree. */
function sayIn(tree: SourceTree, remarks: readonly Remark[]): string[] {
  return remarks.map(({ path, reason }) => `${path.slice(tree.path.length)}: ${reason}`);
}

Deno.test("the walk meets everything in archive order, over all roots", async () => {
  using tree = new SourceTree();
  for (
    const name of ["b/c/d", "b.d/e", "b0", "\u{1f511}/x", "\uf8ff", "B/ä", "B/z", "b/c-d", "a"]
  ) {
    tree.write(`one/${name}`);
    tree.write(`two/${name}`);
  }
  tree.write("one.txt");
  const { found } = await walk([tree.at("two"), tree.at("one.txt"), tree.at("one")]);
  const names = found.map(({ path, kind }) => kind === "directory" ? `${path}/` : path);
  assert.deepEqual(names, names.toSorted(compareBytes));
  assert.equal(names.length, 2 * 15 + 1);
  assert.equal(names[0], "one.txt");
});

Deno.test("the walk takes a database that is listed, whatever is excluded", async () => {
  using tree = new SourceTree({ "root/a.db": "a", "root/b.db": "b" });
  const { paths } = await walk([tree.at("root")], {
    exclude: ["*.db"],
    databases: [tree.at("root/a.db")],
  });
  assert.deepEqual(paths, ["root", "root/a.db"]);
});

Deno.test("the walk leaves out what is avoided, also where a link that is named leads there", async () => {
  using tree = new SourceTree({ "root/a": "", "root/kept/x": "", "kept/m/x": "" });
  tree.link("alias", "kept");
  const avoid = [tree.at("kept"), tree.at("root/kept")];
  const { paths, skipped } = await walk([tree.at("root"), tree.at("alias")], { avoid });
  assert.deepEqual(paths, ["root", "root/a"]);
  const reason = "keepsake's own: backups, or what it needs to make them";
  assert.deepEqual(sayIn(tree, skipped).toSorted(), [`/alias: ${reason}`, `/root/kept: ${reason}`]);
});

Deno.test("the walk tells what lstat says, and where to read it", async () => {
  using tree = new SourceTree();
  tree.write("root/tool", "12345", 0o4751);
  if (onPosix) tree.link("root/way", "tool");
  const { found } = await walk([tree.at("root")]);
  const [root, tool, way] = found;
  assert.equal(root?.kind, "directory");
  assert.equal(tool?.kind, "file");
  assert.equal(tool.source, tree.at("root/tool"));
  assert.equal(tool.shown, tree.at("root/tool"));
  assert.equal(tool.size, 5);
  assert.equal(tool.mtime, Date.parse("2026-01-02T03:04:05.678Z"));
  if (!onPosix) return;
  assert.equal(tool.mode, 0o4751);
  assert.equal(way?.kind, "symlink");
  assert.equal(way.link, "tool");
  assert.equal(way.mode, 0o777);
});

Deno.test({
  name: "the walk follows no link but the one that a root is",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "dotfiles/claude/a": "a", "other/b": "b" });
    tree.link("root", "dotfiles/claude");
    tree.link("dotfiles/claude/round", ".");
    tree.link("dotfiles/claude/other", "../../other");
    const { found, notes } = await walk([tree.at("root")]);
    assert.deepEqual(found.map(({ path, kind }) => `${kind} ${path}`), [
      "directory root",
      "file root/a",
      "symlink root/other",
      "symlink root/round",
    ]);
    assert.equal(found[1]?.source, tree.at("dotfiles/claude/a"));
    assert.equal(found[1]?.shown, tree.at("root/a"));
    assert.deepEqual(notes.map(({ path }) => path), [tree.at("root/other")]);
  },
});

Deno.test({
  name: "the walk notes every link that leads out of the roots, and no other",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "one/deep/a": "a", "two/b": "b", "onetwo/c": "c" });
    const links: Record<string, string> = {
      "one/1-inside": "deep/a",
      "one/2-absolute": tree.at("one/deep"),
      "one/3-dangling": "nothing/here",
      "one/4-other-root": "../two/b",
      "one/deep/5-up": "..",
      "one/6-out": "/etc/passwd",
      "one/7-above": "../..",
      "one/8-similar": "../onetwo/c",
      "one/deep/9-out": "../../onetwo",
    };
    for (const [name, target] of Object.entries(links)) tree.link(name, target);
    const { notes } = await walk([tree.at("one"), tree.at("two")]);
    assert.deepEqual(
      notes,
      ["one/6-out", "one/7-above", "one/8-similar", "one/deep/9-out"].map(
        (name) => ({
          path: tree.at(name),
          reason: `a link to "${links[name]}", outside of the backup`,
        }),
      ),
    );
  },
});

Deno.test("the walk leaves out what is excluded, and does not look into it", async () => {
  using tree = new SourceTree({
    "root/.git/HEAD": "",
    "root/a.swp": "",
    "root/A.SWP": "",
    "root/keep/.git/HEAD": "",
    "root/keep/important.swp": "",
    "root/build/x": "",
    "root/src/build/x": "",
    "root/..odd": "",
    "root.swp": "",
  });
  const { paths, skipped } = await walk([tree.at("root"), tree.at("root.swp")], {
    exclude: ["*.swp", "!important.swp", ".git/", "/build", "# nothing"],
  });
  assert.deepEqual(paths, [
    "root.swp", // Patterns are about what is inside of a root.
    "root",
    "root/..odd",
    "root/A.SWP",
    "root/keep",
    "root/keep/important.swp",
    "root/src",
    "root/src/build",
    "root/src/build/x",
  ]);
  const excluded = [".git", "a.swp", "build", "keep/.git"];
  assert.deepEqual(
    skipped,
    excluded.map((name) => ({ path: tree.at(`root/${name}`), reason: "excluded" })),
  );
});

const HOME = {
  "me/.claude/.credentials.json": "secret",
  "me/.claude/ide/1.lock": "secret",
  "me/.claude/logs/a": "",
  "me/.claude/logs/b": "",
  "me/.claude/projects/p/1.jsonl": "{}",
  "me/.claude/session-env/s/x": "secret",
  "me/work/claude-two/.credentials.json": "secret",
  "me/work/claude-two/cache/x": "",
  "me/work/claude-two/projects/-p/2.jsonl": "{}",
  "me/work/app/.claude/logs/kept": "",
  "me/work/app/.claude/.credentials.json": "secret",
};

Deno.test("the walk leaves out what Claude Code's folders have to hide, wherever they are", async () => {
  using tree = new SourceTree(HOME);
  const { found, skipped } = await walk([tree.at("me")]);
  assert.deepEqual(filesOf(found).map(({ path }) => path), [
    "me/.claude/projects/p/1.jsonl",
    "me/work/app/.claude/logs/kept",
    "me/work/claude-two/projects/-p/2.jsonl",
  ]);
  assert.deepEqual(
    sayIn(tree, skipped),
    [
      "/me/.claude/.credentials.json: holds credentials",
      "/me/.claude/logs: a cache or state of this machine",
      "/me/.claude/session-env: may hold credentials",
      "/me/.claude/ide/1.lock: holds an access token",
      "/me/work/app/.claude/.credentials.json: holds credentials",
      "/me/work/claude-two/.credentials.json: holds credentials",
      "/me/work/claude-two/cache: a cache or state of this machine",
    ],
  );
});

Deno.test("the walk leaves nothing out of another program's folder with projects in it", async () => {
  const files = ["backups/1", "jobs/1", "local/1", "logs/1", "sessions/1", "todos/1"];
  using tree = new SourceTree(
    Object.fromEntries(
      [...files, "projects/alpha/1.jsonl", "settings.json"].map((path) => [`planner/${path}`, "x"]),
    ),
  );
  const { found, skipped } = await walk([tree.at("planner")]);
  assert.equal(filesOf(found).length, files.length + 2);
  assert.deepEqual(skipped, []);
});

Deno.test("the walk takes secrets and caches when they are asked for", async () => {
  using tree = new SourceTree(HOME);
  const { found, skipped } = await walk([tree.at("me")], {
    include_secrets: true,
    include_caches: true,
  });
  assert.equal(filesOf(found).length, Object.keys(HOME).length);
  assert.deepEqual(skipped, []);
});

Deno.test("the walk leaves secrets out that a path names itself, not caches", async () => {
  using tree = new SourceTree(HOME);
  const names = [".credentials.json", "ide", "logs", "session-env"];
  const { found, skipped } = await walk(names.map((name) => tree.at(`me/.claude/${name}`)));
  assert.deepEqual(found.map(({ path }) => path), ["ide", "logs", "logs/a", "logs/b"]);
  assert.deepEqual(skipped.map(({ path }) => path.slice(tree.path.length)), [
    "/me/.claude/.credentials.json",
    "/me/.claude/session-env",
    "/me/.claude/ide/1.lock",
  ]);
});

Deno.test("the walk tells of a path that is named, lies in another one, and is not met there", async () => {
  using tree = new SourceTree({
    ...HOME,
    "x/a": "a",
    "x/build/keep/b": "b",
    "x/build/c": "c",
    "x/deep/d": "d",
    "x/e": "e",
  });
  const x = ["x", "x/build/keep", "x/deep/d", "x/e", "x/gone"];
  const claude = ["me/.claude", "me/.claude/logs", "me/.claude/.credentials.json"];
  const named = [...x, ...claude].map((name) => tree.at(name));
  const { paths, unreadable, skipped } = await walk(named, { named, exclude: ["build/", "/e"] });
  const below = (path: string) => path.slice(tree.path.length + 1);
  assert.deepEqual(unreadable.map(({ path, reason }) => `${below(path)}: ${reason}`), [
    "x/build/keep: it lies in what is left out, or cannot be listed",
    "x/e: it lies in what is left out, or cannot be listed",
    "x/gone: it does not exist",
  ]);
  assert.equal(paths.includes("x/deep/d"), true);
  assert.equal(paths.includes(".claude/logs/a"), true);
  const secret = skipped.map(({ path }) => below(path)).filter((path) => /credentials/.test(path));
  assert.deepEqual(secret, ["me/.claude/.credentials.json"]);
  const { unreadable: none } = await walk(named, { exclude: ["build/", "/e"] });
  assert.deepEqual(none, []);
});

Deno.test({
  name: "the walk leaves secrets out that a path leads to by another name, or in another folder",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({
      ...HOME,
      "moved/.credentials.json": "secret",
      ".claude.json.backup": "secret",
      "new/.claude/session-env/x": "secret",
    });
    tree.link("token", "me/.claude/.credentials.json");
    tree.link("way", "me/.claude");
    tree.link("link", "new/.claude");
    const named = ["token", "way/session-env", "moved/.credentials.json", ".claude.json.backup"];
    const { found, skipped } = await walk(named.map((name) => tree.at(name)));
    assert.deepEqual(found, []);
    const { found: below } = await walk([tree.at("link")]);
    assert.deepEqual(below.map(({ path }) => path), ["link"]);
    assert.deepEqual(skipped.map(({ path }) => path.slice(tree.path.length + 1)), named);
  },
});

Deno.test("the file of Claude Code's state is cut wherever it is, and its copies are left out", async () => {
  using tree = new SourceTree({
    "me/.claude.json": "{}",
    "me/.claude.json.backup": "{}",
    "me/code/app/.claude.json": "{}",
    "me/code/app/claude.json": "{}",
  });
  const { found, skipped } = await walk([tree.at("me")]);
  const files = filesOf(found);
  assert.deepEqual(files.map(({ path, standIn }) => [path, standIn]), [
    ["me/.claude.json", "cut"],
    ["me/code/app/.claude.json", "cut"],
    ["me/code/app/claude.json", undefined],
  ]);
  const reasons = sayIn(tree, skipped);
  assert.ok(reasons.includes("/me/.claude.json.backup: may hold credentials"), reasons.join());
});

Deno.test("the walk leaves out what a folder of Claude Code's has to hide where a link has it lie", async () => {
  using tree = new SourceTree({
    "ch/telegram/.env": "TOKEN",
    "ch/telegram/notes.md": "",
    "locks/1.lock": "TOKEN",
    "locks/1.txt": "",
  });
  const places = [
    { path: tree.at("ch"), way: "channels" },
    { path: tree.at("locks"), way: "ide" },
  ];
  const { found, skipped } = await walk([tree.at("ch"), tree.at("locks")], { places });
  assert.deepEqual(filesOf(found).map(({ path }) => path), [
    "ch/telegram/notes.md",
    "locks/1.txt",
  ]);
  assert.deepEqual(
    sayIn(tree, skipped),
    [
      "/ch/telegram/.env: holds credentials",
      "/locks/1.lock: holds an access token",
    ],
  );
});

Deno.test({
  name: "the file of Claude Code's state is cut under whatever name a link gives it",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ ".claude.json": "{}", "dotfiles/state": "{}", "me/": "" });
    tree.link("other", ".claude.json");
    tree.link("me/.claude.json", "../dotfiles/state");
    const { found } = await walk([tree.at("other"), tree.at("me/.claude.json")]);
    assert.deepEqual(found.map(({ standIn }) => standIn), ["cut", "cut"]);
  },
});

Deno.test({
  name: "the file of Claude Code's state is cut under its older name, in a folder of Claude Code's",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "moved/settings.json": "{}", "dotfiles/state": "{}" });
    for (const folder of [".claude", "moved"]) {
      tree.write(`${folder}/projects/`);
      tree.link(`${folder}/.config.json`, "../dotfiles/state");
    }
    tree.write("other/.config.json", "{}");
    const paths = [".claude/.config.json", "moved/.config.json", "other/.config.json"];
    const homes = [tree.at("moved")];
    const { found } = await walk(paths.map((name) => tree.at(name)), { homes });
    const cut = found.filter(({ standIn }) => standIn === "cut").map(({ shown }) => shown);
    assert.deepEqual(cut, paths.slice(0, 2).map((name) => tree.at(name)));
  },
});

Deno.test("a folder of Claude Code's own name that is backed up alone counts as its home", async () => {
  using tree = new SourceTree({ ".claude/cache/x": "", ".claude/CLAUDE.md": "" });
  const { paths, skipped } = await walk([tree.at(".claude")]);
  assert.deepEqual(paths, [".claude", ".claude/CLAUDE.md"]);
  assert.equal(skipped.length, 1);
});

Deno.test({
  name: "the walk skips what is no file, directory or link, and never waits for it",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/a": "a" });
    await output("mkfifo", [tree.at("root/pipe")]);
    using _socket = Deno.listen({ transport: "unix", path: tree.at("root/socket") });
    const reasons = ["a named pipe", "a socket"];
    if (onLinux && Deno.uid() === 0) {
      await output("mknod", [tree.at("root/terminal"), "c", "5", "0"]);
      reasons.push("a device");
    }
    const { paths, skipped } = await walk([tree.at("root")]);
    assert.deepEqual(paths, ["root", "root/a"]);
    assert.deepEqual(skipped.map(({ reason }) => reason), reasons);
  },
});

Deno.test({
  name: "a root that is no file, directory or link is said to be unreadable",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/a": "a" });
    await output("mkfifo", [tree.at("pipe")]);
    const { unreadable } = await walk([tree.at("root"), tree.at("pipe")]);
    assert.deepEqual(unreadable, [{ path: tree.at("pipe"), reason: "it is a named pipe" }]);
  },
});

Deno.test({
  name: "names that are not UTF-8 are told of, each of them (C13)",
  ignore: !onLinux,
  async fn() {
    using tree = new SourceTree({ "root/fine": "", "root/real \ufffd": "", "root/also\ufffd": "" });
    await output("python3", ["-c", PYTHON_NAMES, tree.at("root")]);
    const { paths, unreadable } = await walk([tree.at("root")]);
    assert.deepEqual(paths, ["root", "root/also\ufffd", "root/fine", "root/real \ufffd"]);
    const reason = "its name is not UTF-8";
    assert.deepEqual(unreadable, [
      { path: tree.at("root/also\ufffd"), reason },
      { path: tree.at("root/bad\ufffdname"), reason },
      { path: tree.at("root/bad\ufffdname"), reason },
      { path: tree.at("root/directory\ufffd"), reason },
      { path: tree.at("root/link"), reason: "its link text is not UTF-8" },
    ]);
  },
});

Deno.test({
  name: "names that are not UTF-8 are excluded as they are shown",
  ignore: !onLinux,
  async fn() {
    using tree = new SourceTree({ "root/fine": "", "root/ok": "", "root/also\ufffd/a": "" });
    await output("python3", ["-c", PYTHON_NAMES, tree.at("root")]);
    const bad = [tree.at("root/bad\ufffdname"), tree.at("root/bad\ufffdname")];
    const [also, directory] = [tree.at("root/also\ufffd"), tree.at("root/directory\ufffd")];
    const link = tree.at("root/link");
    const expected: readonly (readonly [exclude: string[], skipped: string[], unread: string[]])[] =
      [
        [["bad*"], bad, [also, directory, link]],
        [["*name"], bad, [also, directory, link]],
        [["/bad?name", "/link"], [...bad, link], [also, directory]],
        [["*/"], [directory, also], [also, ...bad, link]],
        [["bad*/", "dir*/"], [directory], [also, ...bad, link]],
        [["*", "!ok"], [also, ...bad, directory, also, tree.at("root/fine"), link], []],
        [
          ["*", "!bad*"],
          [also, directory, also, tree.at("root/fine"), link, tree.at("root/ok")],
          bad,
        ],
        [["bad", "!directory*"], [], [also, ...bad, directory, link]],
      ];
    for (const [exclude, left, unread] of expected) {
      const { skipped, unreadable } = await walk([tree.at("root")], { exclude });
      assert.deepEqual(skipped, left.map((path) => ({ path, reason: "excluded" })), `${exclude}`);
      assert.deepEqual(unreadable.map(({ path }) => path), unread, `${exclude}`);
    }
  },
});

const PYTHON_NAMES = `import os, sys
os.chdir(sys.argv[1])
for name in b"bad\\xffname", b"bad\\xfename", b"also\\xff":
    open(name, "w").close()
os.mkdir(b"directory\\xff")
os.symlink(b"to\\xff", "link")`;

Deno.test({
  name: "the walk lists nothing of a directory that a link was put in the place of",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/a/own": "", "root/z": "", "outside/secret": "" });
    const { paths, unreadable } = await walk([tree.at("root")], {}, ({ path }) => {
      if (path !== "root/a") return;
      Deno.renameSync(tree.at("root/a"), tree.at("moved"));
      tree.link("root/a", tree.at("outside"));
    });
    assert.deepEqual(paths, ["root", "root/a", "root/z"]);
    const reason = "something else was put in its place";
    assert.deepEqual(unreadable, [{ path: tree.at("root/a"), reason }]);
  },
});

Deno.test("the walk goes a thousand levels deep", async () => {
  using tree = new SourceTree();
  const name = `root${"/d".repeat(1000)}`;
  tree.write(`${name}/`);
  const { paths, unreadable } = await walk([tree.at("root")]);
  assert.equal(paths.at(-1), name);
  assert.deepEqual(unreadable, []);
});

Deno.test({
  name: "the walk tells of a path that is too long for the system",
  ignore: !onLinux,
  async fn() {
    using tree = new SourceTree();
    await output("python3", ["-c", PYTHON_DEPTH, tree.at("root")]);
    const { unreadable } = await walk([tree.at("root")]);
    assert.deepEqual(unreadable.map(({ reason }) => reason), [
      "its name or its path is too long for this system",
    ]);
    await output("rm", ["-r", tree.at("root")]);
  },
});

const PYTHON_DEPTH = `import os, sys
os.mkdir(sys.argv[1]); os.chdir(sys.argv[1])
for level in range(20):
    os.mkdir("n" * 250); os.chdir("n" * 250)`;
