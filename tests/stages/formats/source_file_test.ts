import assert from "node:assert/strict";
import { openPatiently, ReadFault, SourceFile } from "../../../stages/formats/source_file.ts";
import { output, SourceTree } from "./snapshot/source_tree.ts";

const onPosix = Deno.build.os !== "windows";
const never = () => assert.fail("it paused");

/** Opens a file after something was done to its path, as in a race. */
function openAfter(path: string, change: () => void): string {
  const before = Deno.lstatSync(path);
  change();
  return textOf(() => SourceFile.open(path, before));
}

/** What is in a file, or why it was not read. */
function textOf(open: () => SourceFile): string {
  try {
    using file = open();
    const room = new Uint8Array(100);
    return new TextDecoder().decode(room.subarray(0, file.fill(room)));
  } catch (error) {
    assert.ok(error instanceof ReadFault);
    return `${error.kind}: ${error.reason}`;
  }
}

Deno.test("a source file is read when it is what lstat had said", () => {
  using tree = new SourceTree({ file: "content" });
  assert.equal(openAfter(tree.at("file"), () => {}), "content");
});

Deno.test("a source file is not read when another was put in its place (C3)", () => {
  using tree = new SourceTree({ file: "content", other: "secret" });
  const change = () => Deno.renameSync(tree.at("other"), tree.at("file"));
  const refusal = "replaced: something else was put in its place";
  assert.equal(openAfter(tree.at("file"), change), refusal);
});

Deno.test({
  name: "a source file is not read when a link was put in its place (C1, C3)",
  ignore: !onPosix,
  fn() {
    using tree = new SourceTree({ file: "content", other: "secret" });
    const change = () => {
      Deno.removeSync(tree.at("file"));
      tree.link("file", "other");
    };
    const refusal = "replaced: something else was put in its place";
    assert.equal(openAfter(tree.at("file"), change), refusal);
    // Nor when it is asked for anew.
    assert.equal(textOf(() => SourceFile.open(tree.at("file"))), refusal);
  },
});

Deno.test({
  name: "a source file is not read when a link was put in the place of its directory (C1, C3)",
  ignore: !onPosix,
  fn() {
    using tree = new SourceTree({ "inside/file": "content", "outside/file": "secret" });
    const change = () => {
      Deno.renameSync(tree.at("inside"), tree.at("moved"));
      tree.link("inside", "outside");
    };
    const refusal = "replaced: something else was put in its place";
    assert.equal(openAfter(tree.at("inside/file"), change), refusal);
  },
});

Deno.test("a source file that is a directory by now is not read", () => {
  using tree = new SourceTree({ file: "content" });
  const change = () => {
    Deno.removeSync(tree.at("file"));
    Deno.mkdirSync(tree.at("file"));
  };
  assert.match(openAfter(tree.at("file"), change), /^replaced: /);
});

Deno.test({
  name: "a named pipe is not even opened, whatever stood there before: that would never end",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ file: "content" });
    const before = await Deno.lstat(tree.at("file"));
    await Deno.remove(tree.at("file"));
    await output("mkfifo", [tree.at("file")]);
    for (const expected of [undefined, before]) {
      assert.match(textOf(() => SourceFile.open(tree.at("file"), expected)), /^replaced: /);
    }
  },
});

Deno.test("a source file that is gone is told apart from one that cannot be read", () => {
  using tree = new SourceTree({ file: "content" });
  const change = () => Deno.removeSync(tree.at("file"));
  assert.equal(openAfter(tree.at("file"), change), "removed: it does not exist");
});

Deno.test("a source file that was replaced by another one is opened at the second try", async () => {
  using tree = new SourceTree({ file: "old", other: "new content" });
  const before = await Deno.lstat(tree.at("file"));
  await Deno.rename(tree.at("other"), tree.at("file"));
  const pauses: number[] = [];
  using file = await openPatiently(tree.at("file"), before, (tries) => {
    pauses.push(tries);
    return Promise.resolve();
  });
  assert.equal(file.info.size, 11);
  assert.deepEqual(pauses, [1]);
});

Deno.test({
  name: "a source file that stays a link is given up after five tries",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ other: "secret" });
    tree.link("file", "other");
    const pauses: number[] = [];
    const opening = openPatiently(tree.at("file"), undefined, (tries) => {
      pauses.push(tries);
      return Promise.resolve();
    });
    await assert.rejects(opening, { kind: "replaced" });
    assert.deepEqual(pauses, [1, 2, 3, 4]);
  },
});

Deno.test("a source file that is gone is not tried again", async () => {
  using tree = new SourceTree();
  const opening = openPatiently(tree.at("none"), undefined, never);
  await assert.rejects(opening, { kind: "removed" });
});
