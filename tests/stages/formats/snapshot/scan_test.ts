import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { scan } from "../../../../stages/formats/snapshot/scan.ts";
import { output, selectionOf, SourceTree } from "./source_tree.ts";

const onPosix = Deno.build.os !== "windows";

const ALONE = {
  signature: undefined,
  team: { role: "leader", port: undefined },
  signal: new AbortController().signal,
  log: () => {},
  progress: () => {},
} as const;

/** What a user finds who is not root. */
async function asNobody(path: string) {
  const child = fileURLToPath(import.meta.resolve("./nobody_child.ts"));
  const printed = await output(Deno.execPath(), ["run", "-A", "--no-check", "-q", child, path]);
  return JSON.parse(new TextDecoder().decode(printed));
}

Deno.test({
  name: "what may not be read is told of, the rest goes on",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/a": "a", "root/closed/x": "x", "root/z": "z" });
    Deno.chmodSync(tree.path, 0o755);
    tree.write("root/locked", "locked", 0);
    Deno.chmodSync(tree.at("root/closed"), 0o700);
    if (Deno.uid() !== 0) Deno.chmodSync(tree.at("root/closed"), 0);
    const { paths, unreadable, fingerprint, scanned } = await asNobody(tree.at("root"));
    Deno.chmodSync(tree.at("root/closed"), 0o700);
    assert.deepEqual(paths, ["root", "root/a", "root/closed", "root/z"]);
    const reason = "permission denied";
    assert.deepEqual(unreadable, [
      { path: tree.at("root/closed"), reason },
      { path: tree.at("root/locked"), reason },
    ]);
    assert.deepEqual(scanned.unreadable, unreadable);
    assert.equal(scanned.fingerprint, fingerprint);
  },
});

Deno.test({
  name: "sources of which none can be reached fail, and say why",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "closed/root/a": "a" });
    Deno.chmodSync(tree.path, 0o755);
    Deno.chmodSync(tree.at("closed"), Deno.uid() === 0 ? 0o700 : 0);
    const { failure } = await asNobody(tree.at("closed/root"));
    Deno.chmodSync(tree.at("closed"), 0o700);
    assert.deepEqual(failure, {
      code: "source-unreadable",
      message: `Cannot back up "${tree.at("closed/root")}": permission denied`,
      hint: "Run keepsake as a user who may read it",
    });
  },
});

Deno.test({
  name: "sources of which nothing at all can be read are no empty backup",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "empty/deep/": "" });
    Deno.chmodSync(tree.path, 0o755);
    for (const path of ["locked", "empty/deep/a", "empty/deep/b"]) tree.write(path, "locked", 0);
    const reasons = {
      "locked": "permission denied",
      "empty": `nothing of it can be read: "${
        tree.at("empty/deep/a")
      }": permission denied, and 1 more`,
    };
    for (const [root, reason] of Object.entries(reasons)) {
      const { failure, scanFailure } = await asNobody(tree.at(root));
      assert.deepEqual(failure, {
        code: "source-unreadable",
        message: `Cannot back up "${tree.at(root)}": ${reason}`,
        hint: "Run keepsake as a user who may read it",
      });
      assert.deepEqual(scanFailure, failure);
    }
    // A link among them is something, and so is a directory that is empty.
    tree.link("empty/link", "deep");
    assert.equal((await asNobody(tree.at("empty"))).unreadable.length, 2);
    const { unreadable } = await asNobody(tree.write("bare/"));
    assert.deepEqual(unreadable, []);
  },
});

Deno.test({
  name: "a scan gives a further name of a file that could not be hashed a try of its own",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/0": "x".repeat(2 ** 24), "root/a": "a" });
    Deno.linkSync(tree.at("root/a"), tree.at("root/b"));
    // Told when the large file is done, and the others have been met and are to come.
    const progress = () => {
      Deno.removeSync(tree.at("root/a"));
      tree.link("root/a", "0");
    };
    const paths = [tree.at("root")];
    const { fingerprint, unreadable } = await scan(selectionOf(paths), { ...ALONE, progress });
    const reason = "something else was put in its place";
    assert.deepEqual(unreadable, [{ path: tree.at("root/a"), reason }]);
    Deno.removeSync(tree.at("root/a"));
    assert.equal(fingerprint, (await scan(selectionOf(paths), ALONE)).fingerprint);
  },
});

Deno.test("a scan knows a further name of a file when another file comes in the place of the first", async () => {
  using tree = new SourceTree();
  for (let index = 0; index < 20; index++) tree.write(`root/${index}`, "x".repeat(2 ** 21));
  await Deno.link(tree.write("root/b", "old"), tree.at("root/c"));
  const progress = () => Deno.renameSync(tree.write("new", "new"), tree.at("root/b"));
  const paths = [tree.at("root")];
  const { fingerprint } = await scan(selectionOf(paths), { ...ALONE, progress });
  assert.equal(fingerprint, (await scan(selectionOf(paths), ALONE)).fingerprint);
});

Deno.test("a scan tells how far it has come, of how much", async () => {
  using tree = new SourceTree();
  for (let index = 0; index < 20; index++) tree.write(`root/${index}`, "x".repeat(2 ** 21));
  const seen: (readonly [number, number | undefined])[] = [];
  const progress = (done: number, total?: number) => void seen.push([done, total]);
  await scan(selectionOf([tree.at("root")]), { ...ALONE, progress });
  assert.deepEqual(seen, [[16 * 2 ** 20, 40 * 2 ** 20], [32 * 2 ** 20, 40 * 2 ** 20]]);
});

Deno.test("a scan of a helper without a port has nothing to do", async () => {
  const team = { role: "helper", port: undefined } as const;
  const result = await scan(selectionOf(["/"]), { ...ALONE, team });
  assert.deepEqual(result, { signature: "", unreadable: [] });
});
