import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareTrees, describeTree, readTree } from "../../tools/demo/trees.ts";

Deno.test("two trees with the same kinds, modes, contents and links do not differ", () => {
  const same = { missing: [], extra: [], changed: [] };
  assert.deepEqual(difference(() => {}), same);
});

Deno.test("a lost and an additional path are found", () => {
  const { missing, extra, changed } = difference((directory) => {
    rmSync(join(directory, "a/one"));
    mkdirSync(join(directory, "b"));
  });
  assert.deepEqual([missing, extra, changed], [["a/one"], ["b"], []]);
});

Deno.test("another content of the same size is found", () => {
  const { changed } = difference((directory) => writeFileSync(join(directory, "a/one"), "2"));
  assert.deepEqual(changed, ["a/one"]);
});

Deno.test({
  name: "another mode, link text or kind is found",
  ignore: Deno.build.os === "windows",
  fn() {
    const { changed } = difference((directory) => {
      chmodSync(join(directory, "a"), 0o700);
      chmodSync(join(directory, "a/one"), 0o600);
      rmSync(join(directory, "link"));
      symlinkSync("a/two", join(directory, "link"));
      rmSync(join(directory, "file"));
      mkdirSync(join(directory, "file"));
    });
    assert.deepEqual(changed, ["a", "a/one", "file", "link"]);
  },
});

Deno.test("a hard link that became a file of its own is found", () => {
  withTree((directory) => {
    linkSync(join(directory, "file"), join(directory, "a/two"));
    const before = readTree(directory, ["a", "file"]);
    rmSync(join(directory, "file"));
    writeFileSync(join(directory, "file"), "");
    assert.deepEqual(compareTrees(before, readTree(directory, ["a", "file"])).changed, ["file"]);
  });
});

Deno.test("a tree is described by how many there are of each kind", () => {
  withTree((directory) => {
    linkSync(join(directory, "file"), join(directory, "a/two"));
    const tree = readTree(directory, ["a", "file"]);
    assert.equal(describeTree(tree), "2 files, 1 folder, 1 hard link");
  });
});

/** What `change` makes of a small tree. */
function difference(change: (directory: string) => void): ReturnType<typeof compareTrees> {
  return withTree((directory) => {
    const before = readTree(directory, ["a", "file", "link"].slice(0, parts()));
    change(directory);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    return compareTrees(before, readTree(directory, names));
  });
}

function withTree<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "keepsake-trees-"));
  try {
    mkdirSync(join(directory, "a"));
    writeFileSync(join(directory, "a/one"), "1");
    writeFileSync(join(directory, "file"), "");
    if (parts() === 3) symlinkSync("a/one", join(directory, "link"));
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** How many of the tree's three parts this system can make. */
function parts(): number {
  return Deno.build.os === "windows" ? 2 : 3;
}
