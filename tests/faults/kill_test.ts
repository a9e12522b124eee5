/** Runs that are killed: whatever was stored stays, nothing torn is listed, and the next run succeeds. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { ending, works } from "../platform/probe.ts";
import { assertTidy, CANARY, encrypted, filesIn, Sandbox, SLOW, together } from "./harness.ts";

const posix = Deno.build.os !== "windows";

/** How many moments of a run, over all lanes. */
const MOMENTS = SLOW ? 200 : 24;
const LANES = ["zstd", "none"];

if (posix) {
  together(
    `a run killed at any of ${MOMENTS} moments loses nothing, and the next one succeeds`,
    Object.fromEntries(
      LANES.map((compress) => [`with compress = "${compress}"`, () => killAtRandom(compress)]),
    ),
  );
}

async function killAtRandom(compress: string): Promise<void> {
  using sandbox = await Sandbox.make(compressed(compress));
  const witness = new Witness(sandbox);
  await sandbox.keepsake(["run"]); // A first one to warm up.
  sandbox.change();
  const started = performance.now();
  assert.equal((await sandbox.keepsake(["run"])).code, 0);
  const duration = performance.now() - started;
  await witness.expectSound("before");
  const moments = MOMENTS / LANES.length;
  for (let index = 0; index < moments; index++) {
    const after = (index + Math.random()) / moments * duration;
    const when = `killed after ${after.toFixed(1)} of ${duration.toFixed(1)} ms`;
    sandbox.change();
    const child = sandbox.start(["run"]);
    const timer = setTimeout(() => child.kill("SIGKILL"), after);
    const { code, stderr } = await ending(child);
    clearTimeout(timer);
    assert.ok(code === 137 || code === 0, `${when}: ${code} ${stderr}`);
    await witness.expectSound(when);
    await witness.expectRecovery(when);
    if (index % 6 === 0) assert.deepEqual(await sandbox.restore(), sandbox.contents(), when);
  }
  assert.ok(await sandbox.verifyAll() >= moments);
}

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

/** Calls that change a disk, with how many of each in a run are worth a try. */
const CALLS = { rename: 6, link: 4, mkdir: 8, fsync: 12, fdatasync: 20, unlink: 8, pwrite64: 40 };
const SAMPLE = [["rename", 1], ["rename", 2], ["rename", 3], ["rename", 4], ["fsync", 2], [
  "link",
  2,
]];

Deno.test({
  name: `a run killed at a call that changes the disk loses nothing${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { "a.txt": CANARY });
    const witness = new Witness(sandbox);
    await sandbox.backUp();
    await witness.expectSound("before");
    const all = Object.entries(CALLS).flatMap(([call, count]) =>
      Array.from({ length: count }, (_, index) => [call, index + 1] as const)
    );
    let killed = 0;
    for (const [call, when] of SLOW ? all : SAMPLE) {
      sandbox.change();
      const strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
      const faults = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${when}`];
      const { code, stderr } = await sandbox.keepsake(["run"], [...strace, ...faults]);
      const where = `${call} ${when}`;
      assert.ok(code === 137 || code === 0, `${where}: ${code} ${stderr}`);
      if (code === 137) killed++;
      await witness.expectSound(where);
      await witness.expectRecovery(where);
    }
    assert.ok(killed > 3, `${killed} were killed`);
    await sandbox.verifyAll();
    assert.deepEqual(await sandbox.restore(), sandbox.contents());
  },
});

/** Knows what a destination holds, byte by byte, and that it was sound. */
class Witness {
  readonly #sandbox: Sandbox;
  #known: ReadonlyMap<string, string> = new Map();

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /**
   * Expects that every snapshot there was is as it was, that every one that came can be read to its
   * last byte, and that no plaintext lies anywhere but in the tree.
   */
  async expectSound(when: string): Promise<void> {
    const { pipeline } = this.#sandbox;
    const now = filesIn(this.#sandbox.destination());
    for (const [file, hash] of this.#known) assert.equal(now.get(file), hash, `${when}: ${file}`);
    const manifests = [...now.keys()].filter((file) => /^[^.]+\.json/.test(file));
    const listed = (await this.#sandbox.names()).toSorted();
    assert.deepEqual(listed, manifests.map((file) => file.replace(/\..*/, "")).toSorted(), when);
    for (const file of manifests) {
      if (this.#known.has(file)) continue;
      const snapshot = file.replace(/\..*/, "");
      const { verifications } = await verifySnapshots({ pipeline, snapshot });
      assert.deepEqual(verifications.map(({ status }) => status), ["ok"], `${when}: ${file}`);
    }
    this.#known = now;
    for (const directory of [this.#sandbox.state, this.#sandbox.destination()]) {
      for (const path of filesIn(directory).keys()) {
        const text = new TextDecoder("latin1").decode(await Deno.readFile(join(directory, path)));
        assert.ok(!text.includes(CANARY), `${when}: plaintext in ${path}`);
        assert.ok(!text.includes(this.#sandbox.identity), `${when}: identity in ${path}`);
      }
    }
  }

  /** Expects that the next run succeeds and leaves nothing but snapshots. */
  async expectRecovery(when: string): Promise<void> {
    const { status, stages } = await this.#sandbox.run();
    assert.equal(status, 0, `${when}: ${stages.map(({ message }) => message).join()}`);
    assertTidy({ state: this.#sandbox.state, destination: this.#sandbox.destination() });
    await this.expectSound(`${when}, and after the next run`);
  }
}

function compressed(compress: string): (sandbox: Sandbox) => string {
  return (sandbox) => encrypted(sandbox).replace('id = "m"', `id = "m"\ncompress = "${compress}"`);
}
