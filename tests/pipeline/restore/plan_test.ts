import assert from "node:assert/strict";
import { join } from "node:path";
import type { Manifest } from "../../../pipeline/manifest.ts";
import { chooseEntries, placeRoots, planEntries } from "../../../pipeline/restore/plan.ts";
import type { Entry } from "../../../stages/contract.ts";
import { Folder } from "../../platform/probe.ts";

const BASE = { mode: 0o644, mtime: 0 };
const directory = (path: string): Entry => ({ ...BASE, kind: "directory", path });
const symlink = (path: string, link: string): Entry => ({ ...BASE, kind: "symlink", path, link });
const hardlink = (path: string, link: string): Entry => ({ ...BASE, kind: "hardlink", path, link });
const file = (path: string, sha256 = EMPTY, size = 0): Entry => ({
  ...BASE,
  kind: "file",
  path,
  sha256,
  size,
});
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ENTRIES = [
  directory("a"),
  directory("a/b"),
  file("a/b/x.md"),
  file("a/b/y.jsonl"),
  hardlink("a/c.md", "a/b/y.jsonl"),
  symlink("a/z", "b/x.md"),
];
const CHOSEN = ENTRIES.map((entry) => ({ entry }));
const NOW = new Date("2026-05-04T03:02:01Z");

Deno.test("chooseEntries() adds what leads to a match, and nothing else", () => {
  const paths = (matches: (path: string) => boolean) =>
    chooseEntries(ENTRIES, matches).map(({ entry }) => entry.path);
  assert.deepEqual(paths((path) => path === "a/b/x.md"), ["a", "a/b", "a/b/x.md"]);
  assert.deepEqual(paths((path) => path === "a/c.md"), ["a", "a/c.md"]);
  assert.deepEqual(paths((path) => path === "a/b"), ["a", "a/b", "a/b/x.md", "a/b/y.jsonl"]);
  assert.deepEqual(paths(() => false), []);
});

Deno.test("chooseEntries() makes a file of a name whose file is not among them", () => {
  const more = [...ENTRIES, hardlink("a/d.md", "a/b/y.jsonl")];
  const matches = (path: string) => /^a\/[cd]/.test(path);
  assert.deepEqual(chooseEntries(more, matches), [
    { entry: directory("a") },
    { entry: file("a/c.md"), content: "a/b/y.jsonl" },
    { entry: hardlink("a/d.md", "a/c.md") },
  ]);
});

Deno.test("placeRoots() puts roots below a directory or back where they came from", () => {
  const roots = [{ name: "x/conf", path: "/a/x/conf" }, {
    name: ".claude",
    path: "/home/me/.claude",
  }];
  const manifest = { roots } as unknown as Manifest;
  assert.deepEqual(placeRoots(manifest, { directory: "/out" }).map(({ target }) => target), [
    "/out/x/conf",
    "/out/.claude",
  ]);
  assert.deepEqual(placeRoots(manifest, "in-place").map(({ target }) => target), [
    "/a/x/conf",
    "/home/me/.claude",
  ]);
});

Deno.test("placeRoots() refuses a place that is no path of this system", () => {
  const manifest = { roots: [{ name: "a", path: "a/b" }] } as unknown as Manifest;
  assert.throws(() => placeRoots(manifest, "in-place"), { code: "target-refused" });
});

async function actions(folder: Folder, overwrite: "never" | "changed" | "always") {
  const placement = { root: "a", base: folder.path, target: join(folder.path, "a") };
  const planned = await planEntries(CHOSEN, [placement], overwrite, NOW);
  return Object.fromEntries(planned.map(({ entry, action }) => [entry.path, action]));
}

Deno.test("planEntries() creates everything where nothing is", async () => {
  using folder = new Folder();
  assert.deepEqual(new Set(Object.values(await actions(folder, "never"))), new Set(["create"]));
});

Deno.test("planEntries() keeps or replaces what is there, as it was told", async () => {
  using folder = new Folder();
  await Deno.mkdir(join(folder.path, "a/b"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, "a/b/x.md"), "");
  await Deno.writeTextFile(join(folder.path, "a/b/y.jsonl"), "other");
  const there = ["a/b/x.md", "a/b/y.jsonl"];
  const of = async (overwrite: "never" | "changed" | "always") => {
    const all = await actions(folder, overwrite);
    return there.map((path) => all[path]);
  };
  assert.deepEqual(await of("never"), ["keep", "keep"]);
  assert.deepEqual(await of("changed"), ["keep", "replace"]);
  assert.deepEqual(await of("always"), ["replace", "replace"]);
  assert.equal((await actions(folder, "always"))["a/b"], "keep");
});

Deno.test("planEntries() refuses a link or a file where a directory has to be", async () => {
  for (const link of [true, false]) {
    using folder = new Folder();
    await Deno.mkdir(join(folder.path, "a"));
    const target = join(folder.path, "a/b");
    if (link) await Deno.symlink(folder.path, target);
    else await Deno.writeTextFile(target, "");
    const state = link ? /a link is there/ : /a file is there/;
    await assert.rejects(actions(folder, "always"), { code: "target-refused", message: state });
  }
});

Deno.test("planEntries() refuses a link on the way that a root's own name adds", async () => {
  using folder = new Folder();
  await Deno.symlink("/", join(folder.path, "x"));
  const placement = { root: "x/a", base: folder.path, target: join(folder.path, "x/a") };
  await assert.rejects(
    planEntries([{ entry: directory("x/a") }], [placement], "always", NOW),
    /a link is there/,
  );
});

Deno.test("planEntries() refuses an entry of no root", async () => {
  const placement = { root: "b", base: "/nowhere", target: "/nowhere/b" };
  await assert.rejects(planEntries(CHOSEN, [placement], "never", NOW), {
    code: "snapshot-damaged",
  });
});

Deno.test("planEntries() hears of an abort while it compares", async () => {
  const path = await Deno.makeTempDir({ prefix: "keepsake-" });
  try {
    const target = join(path, "large");
    await Deno.writeTextFile(target, "");
    await Deno.truncate(target, 2 ** 36); // Nothing on the disk, and half a minute to read.
    const sha256 = "0".repeat(64);
    const entry = {
      path: "large",
      kind: "file",
      size: 2 ** 36,
      mode: 0o644,
      mtime: 0,
      sha256,
    } as const;
    await Deno.chmod(target, 0o644);
    const stop = new AbortController();
    const placement = { root: "large", base: path, target };
    const planning = planEntries([{ entry }], [placement], "changed", NOW, undefined, stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(planning, /enough/);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
