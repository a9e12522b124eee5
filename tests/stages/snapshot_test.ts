import assert from "node:assert/strict";
import * as v from "valibot";
import type { ScanResult, SourceResult, UnpackResult } from "../../stages/contract.ts";
import snapshot from "../../stages/snapshot.ts";
import { sourceOf } from "./formats/byte_streams.ts";
import { describeTree, SourceTree } from "./formats/snapshot/source_tree.ts";
import type { Swapping } from "./formats/snapshot/swap_worker.ts";
import { runStage, type StageOutcome } from "./harness.ts";

const onPosix = Deno.build.os !== "windows";
const onLinux = Deno.build.os === "linux";

type Changes = Readonly<Record<string, unknown>>;

function run(paths: readonly string[], changes: Changes = {}): Promise<StageOutcome<SourceResult>> {
  const options = { paths, ...changes };
  return runStage({ use: "snapshot", operation: "run", options, output: true });
}

/** Scans with one worker or two. */
async function scan(
  paths: readonly string[],
  { signature, workers = 1 }: { signature?: string; workers?: 1 | 2 } = {},
): Promise<ScanResult> {
  const job = {
    use: "snapshot",
    operation: "scan",
    options: { paths },
    context: { signature },
  } as const;
  const { port1, port2 } = new MessageChannel();
  try {
    const port = workers === 2 ? port1 : undefined;
    const walker = runStage<ScanResult>({ ...job, team: { role: "leader", port } });
    const helper = workers === 2 &&
      runStage<ScanResult>({ ...job, team: { role: "helper", port: port2 } });
    const [walked, helped] = await Promise.allSettled([walker, helper]);
    if (helped.status === "rejected") throw helped.reason;
    if (helped.value) assert.deepEqual(helped.value.result, { signature: "", unreadable: [] });
    if (walked.status === "rejected") throw walked.reason;
    return walked.value.result;
  } finally {
    port1.close();
    port2.close();
  }
}

/** A tree with something of everything. */
function sample(): SourceTree {
  const tree = new SourceTree({ "root/one": "1", "root/sub/two": "22", "root/\u{1f511} ü\n": "" });
  for (let index = 0; index < 700; index++) tree.write(`root/many/${index}`, `file ${index}`);
  for (const name of ["big", "bigger"]) {
    tree.write(`root/${name}`, name.repeat(name === "big" ? 1e6 : 2e6));
  }
  Deno.chmodSync(tree.at("root/one"), 0o750);
  if (onPosix) {
    tree.link("root/way", "sub/two");
    Deno.linkSync(tree.at("root/one"), tree.at("root/sub/one"));
    Deno.linkSync(tree.at("root/one"), tree.at("root/uno"));
  }
  return tree;
}

Deno.test("snapshot asks to read its paths, and for nothing to restore", () => {
  const options = v.parse(snapshot.options, { paths: ["/a", "/b"] });
  for (const operation of ["scan", "run"] as const) {
    assert.deepEqual(snapshot.permissions(options, operation), { read: ["/a", "/b"] });
  }
  assert.deepEqual(snapshot.permissions(options, "restore"), {});
});

Deno.test("snapshot compresses with zstd unless told otherwise, and encrypts secrets", () => {
  const options = v.parse(snapshot.options, { paths: ["/a"] });
  assert.equal(snapshot.codec(options), "zstd");
  assert.equal(snapshot.codec({ ...options, compress: "none" }), "none");
  assert.equal(snapshot.needsEncryption?.(options), undefined);
  assert.match(snapshot.needsEncryption?.({ ...options, include_secrets: true }) ?? "", /secrets/);
});

Deno.test("snapshot brings a tree back as it was, from worker to worker", async () => {
  using tree = sample();
  const { output: archive, result } = await run([tree.at("root")]);
  assert.deepEqual([result.unreadable, result.skipped, result.notes], [[], [], []]);
  const to = tree.at("restored");
  const { result: restored } = await runStage<UnpackResult>({
    use: "snapshot",
    operation: "restore",
    options: { paths: [tree.at("root")] },
    context: { entries: result.entries, into: { root: to }, wanted: undefined },
    grants: { read: [tree.path], write: [tree.path] },
    input: sourceOf(archive),
  });
  assert.equal(restored.files, result.entries.filter(({ kind }) => kind === "file").length);
  // Links and the bits of directories are left to the runner.
  const files = (root: string) =>
    Object.entries(describeTree(root)).filter(([, text]) => text.startsWith("file "));
  assert.equal(files(to).length, 705);
  assert.deepEqual(files(to), files(tree.at("root")));
});

Deno.test("snapshot scans what it would write", async () => {
  using tree = sample();
  const { result } = await run([tree.at("root")]);
  for (const workers of [1, 2] as const) {
    const scanned = await scan([tree.at("root")], { workers });
    assert.equal(scanned.fingerprint, result.fingerprint);
    assert.equal(scanned.signature, result.signature);
    assert.deepEqual(scanned.unreadable, []);
  }
});

Deno.test("snapshot hashes nothing when its signature tells that something changed", async () => {
  using tree = sample();
  const paths = [tree.at("root")];
  const { signature, fingerprint } = await scan(paths);
  for (const workers of [1, 2] as const) {
    const same = await scan(paths, { signature, workers });
    assert.equal(same.fingerprint, fingerprint);
    const other = await scan(paths, { signature: "0".repeat(64), workers });
    assert.deepEqual(other, { signature, unreadable: [] });
  }
});

Deno.test("snapshot's signature tells names, kinds, modes, sizes, times and links apart", async () => {
  using tree = new SourceTree({ "root/a": "a", "root/b": "b" });
  if (onPosix) tree.link("root/way", "a");
  const signatures = [(await scan([tree.at("root")])).signature];
  const after = async (change: () => void) => {
    change();
    signatures.push((await scan([tree.at("root")])).signature);
  };
  await after(() => tree.write("root/a", "aa"));
  await after(() => Deno.utimeSync(tree.at("root/a"), 1, 2));
  await after(() => Deno.renameSync(tree.at("root/a"), tree.at("root/c")));
  if (onPosix) {
    await after(() => Deno.chmodSync(tree.at("root/b"), 0o600));
    await after(() => {
      Deno.removeSync(tree.at("root/way"));
      tree.link("root/way", "b");
    });
  }
  assert.equal(new Set(signatures).size, signatures.length);
});

Deno.test("snapshot's fingerprint tells names, kinds, modes, links and contents apart, and no times", async () => {
  using tree = new SourceTree({ "root/a": "a".repeat(3 * 2 ** 20), "root/b": "b", "root/c": "b" });
  if (onPosix) tree.link("root/way", "a");
  const paths = [tree.at("root")];
  const look = async () => {
    const { fingerprint } = (await run(paths)).result;
    assert.equal((await scan(paths)).fingerprint, fingerprint);
    return fingerprint;
  };
  const seen = [await look()];
  await Deno.utime(tree.at("root/a"), 1, 2);
  assert.equal(await look(), seen[0]);
  const after = async (change: () => void) => {
    change();
    seen.push(await look());
  };
  const flip = (path: string, at: number) => {
    const bytes = Deno.readFileSync(tree.at(path));
    bytes[at]! ^= 1;
    Deno.writeFileSync(tree.at(path), bytes);
  };
  for (const at of [0, 2 ** 18 - 1, 2 ** 18, 2 ** 21, 3 * 2 ** 20 - 1]) {
    await after(() => flip("root/a", at));
  }
  await after(() => flip("root/b", 0));
  await after(() => Deno.renameSync(tree.at("root/b"), tree.at("root/bb")));
  await after(() => {
    Deno.removeSync(tree.at("root/c"));
    Deno.linkSync(tree.at("root/bb"), tree.at("root/c"));
  });
  if (onPosix) {
    await after(() => Deno.chmodSync(tree.at("root/bb"), 0o600));
    await after(() => Deno.chmodSync(tree.at("root"), 0o700));
    await after(() => {
      Deno.removeSync(tree.at("root/way"));
      tree.link("root/way", "bb");
    });
  }
  assert.equal(new Set(seen).size, seen.length);
});

Deno.test("snapshot says what is missing, to both workers' end", async () => {
  using tree = new SourceTree();
  const failure = {
    code: "source-missing",
    message: `Cannot back up "${tree.at(".claude")}": it does not exist`,
    hint:
      'Start Claude Code once, or set CLAUDE_CONFIG_DIR, or change "paths" in the pipeline file',
  };
  await assert.rejects(run([tree.at(".claude")]), failure);
  await assert.rejects(scan([tree.at(".claude")], { workers: 2 }), failure);
});

Deno.test("snapshot goes on without a path that is missing, and names it", async () => {
  using tree = new SourceTree({ "root/a": "a" });
  const paths = [tree.at("gone"), tree.at("root")];
  const unreadable = [{ path: tree.at("gone"), reason: "it does not exist" }];
  const { result } = await run(paths);
  assert.deepEqual(result.unreadable, unreadable);
  assert.deepEqual(result.roots, [{ name: "root", path: tree.at("root") }]);
  assert.deepEqual((await scan(paths)).unreadable, unreadable);
});

Deno.test({
  name: "snapshot reads a path that is, or lies below, a link",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "dotfiles/claude/CLAUDE.md": "hello" });
    tree.link("home", "dotfiles");
    tree.link(".claude", "dotfiles/claude");
    for (const path of [tree.at(".claude"), tree.at("home/claude")]) {
      const { result } = await run([path]);
      assert.deepEqual(result.unreadable, []);
      assert.equal(result.entries.length, 2);
      assert.equal(result.fingerprint, (await scan([path])).fingerprint);
    }
  },
});

Deno.test("snapshot leaves credentials out, byte for byte, unless it is told to take them", async () => {
  using tree = new SourceTree({
    ".claude/.credentials.json": "canary-one",
    ".claude/session-env/1/env": "canary-two",
    ".claude/projects/p/1.jsonl": "{}",
    ".claude/cache/x": "canary-three",
  });
  const paths = [tree.at(".claude")];
  const canaries = (archive: Uint8Array) =>
    new TextDecoder().decode(archive).match(/canary-\w+/g) ?? [];
  const { output: archive, result } = await run(paths);
  assert.deepEqual(canaries(archive), []);
  assert.equal(result.skipped.length, 3);
  const all = await run(paths, { include_secrets: true });
  assert.deepEqual(canaries(all.output), ["canary-one", "canary-two"]);
  const caches = await run(paths, { include_caches: true });
  assert.deepEqual(canaries(caches.output), ["canary-three"]);
});

Deno.test("snapshot leaves out what is excluded, with no more permissions than before", async () => {
  using tree = new SourceTree({ "root/a.swp": "", "root/.git/HEAD": "", "root/kept": "" });
  const { result } = await run([tree.at("root")], { exclude: ["*.swp", ".git/"] });
  assert.deepEqual(result.entries.map(({ path }) => path), ["root", "root/kept"]);
});

Deno.test({
  name: "snapshot never lets a link's target in while links and files change places (C1 to C3)",
  ignore: !onLinux,
  async fn() {
    using tree = new SourceTree({ "outside/secret": "canary" });
    for (let index = 0; index < 200; index++) tree.write(`root/${index}`, "own");
    const url = import.meta.resolve("./formats/snapshot/swap_worker.ts");
    const racer = new Worker(url, { type: "module" });
    const said = () => new Promise((resolve) => racer.onmessage = resolve);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const swapping: Swapping = {
      directory: tree.at("root"),
      target: tree.at("outside/secret"),
      stop,
    };
    racer.postMessage(swapping);
    await said();
    try {
      for (let round = 0; round < 3; round++) {
        const { output: archive, result } = await run([tree.at("root")]);
        assert.ok(!new TextDecoder().decode(archive).includes("canary"));
        const { entries: [_root, ...inside], unreadable } = result;
        assert.equal(inside.length + unreadable.length, 200);
      }
    } finally {
      Atomics.store(stop, 0, 1);
      await said();
      racer.terminate();
    }
  },
});
