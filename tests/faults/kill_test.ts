/** Runs that are killed: whatever was stored stays, nothing torn is listed, and the next run succeeds. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ending, works } from "../platform/probe.ts";
import {
  assertTidy,
  CANARY,
  encrypted,
  filesIn,
  type Look,
  Sandbox,
  SLOW,
  together,
} from "./harness.ts";
import { killAt, type Killed } from "./killing.ts";

const posix = Deno.build.os !== "windows";

/** How many moments of a run, over all lanes. */
const MOMENTS = SLOW ? 200 : 8;
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
  using witness = await Witness.of(sandbox);
  await sandbox.keepsake(["run"]); // A first one to warm up.
  sandbox.change();
  const started = performance.now();
  assert.equal((await sandbox.keepsake(["run"])).code, 0);
  const duration = performance.now() - started;
  await witness.expectSound("before");
  const moments = MOMENTS / LANES.length;
  let killed = 0;
  for (let index = 0; index < moments; index++) {
    const after = (index + Math.random()) / moments * duration;
    const when = `killed after ${after.toFixed(1)} of ${duration.toFixed(1)} ms`;
    sandbox.change();
    const child = sandbox.start(["run"]);
    const timer = setTimeout(() => killIfThere(child), after);
    const { code, stderr } = await ending(child);
    clearTimeout(timer);
    assert.ok(code === 137 || code === 0, `${when}: ${code} ${stderr}`);
    if (code === 137) killed++;
    await witness.expectSound(when);
    await witness.expectRecovery(when);
    if (index % 6 === 0) assert.deepEqual(await sandbox.restore(), sandbox.contents(), when);
  }
  assert.ok(await sandbox.verifyAll() >= moments);
  // A run that has the machine to itself is over sooner than the one that was measured.
  assert.ok(killed >= moments / 4, `${killed} of ${moments} were killed`);
}

function killIfThere(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It was quicker this time.
    if (!(error instanceof TypeError)) throw error;
  }
}

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

Deno.test({
  name: `a run killed at a call that changes the disk loses nothing${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { "a.txt": CANARY });
    using witness = await Witness.of(sandbox);
    await sandbox.backUp();
    await witness.expectSound("before");
    sandbox.change();
    const { seen: all, code } = await killedRun(sandbox, Infinity);
    assert.equal(code, 0);
    assert.ok(all.length > 20, `${all.length} calls`);
    const step = SLOW ? 1 : all.length / 3;
    let killed = 0;
    for (let at = 1 + Math.random() * (step - 1); at <= all.length; at += step) {
      sandbox.change();
      const { seen, code } = await killedRun(sandbox, Math.floor(at));
      const where = `killed after ${seen.at(-1)}, call ${seen.length} of ${all.length}`;
      assert.ok(code === 137 || code === 0, where);
      if (code === 137) killed++;
      await witness.expectSound(where);
      await witness.expectRecovery(where);
    }
    // A run that has less to do than the first may be over before the last of them.
    assert.ok(killed > all.length / step / 2, `${killed} were killed`);
    await sandbox.verifyAll();
    assert.deepEqual(await sandbox.restore(), sandbox.contents());
  },
});

const CALLS = "rename,link,mkdir,fsync,fdatasync,unlink,rmdir,ftruncate";

/** Kills a run after so many calls that change the disk. */
function killedRun(sandbox: Sandbox, after: number): Promise<Killed> {
  return killAt(sandbox, ["run"], { calls: CALLS, delay: 10_000, after });
}

/** Knows what a destination holds, byte by byte, and that it was sound. */
class Witness implements Disposable {
  readonly #sandbox: Sandbox;
  readonly #look: Look;
  #known: ReadonlyMap<string, string> = new Map();

  private constructor(sandbox: Sandbox, look: Look) {
    this.#sandbox = sandbox;
    this.#look = look;
  }

  static async of(sandbox: Sandbox): Promise<Witness> {
    return new Witness(sandbox, await sandbox.look());
  }

  /**
   * Expects that every snapshot there was is as it was, that every one that came can be read to its
   * last byte, and that no plaintext lies anywhere but in the tree.
   */
  async expectSound(when: string): Promise<void> {
    const now = filesIn(this.#sandbox.destination());
    for (const [file, hash] of this.#known) assert.equal(now.get(file), hash, `${when}: ${file}`);
    const listed = await this.#look.list();
    const manifests = [...now.keys()].filter((file) => /^[^.]+\.json/.test(file));
    assert.deepEqual(listed.map(({ manifest }) => manifest.key), manifests.toSorted(), when);
    const { reader } = this.#look;
    for (const held of listed.filter(({ manifest }) => !this.#known.has(manifest.key))) {
      const nowhere = { into: undefined, wanted: undefined };
      await reader.unpack(held, await reader.manifest(held), nowhere);
    }
    // What is no snapshot yet, the next run may tidy away.
    const whole = listed.flatMap(({ archives, manifest }) => [...archives, manifest]);
    this.#known = new Map(whole.map(({ key }) => [key, now.get(key)!]));
    for (const directory of [this.#sandbox.state, this.#sandbox.destination()]) {
      for (const path of filesIn(directory).keys()) {
        const text = new TextDecoder("latin1").decode(await Deno.readFile(join(directory, path)));
        assert.ok(!text.includes(CANARY), `${when}: plaintext in ${path}`);
        assert.ok(!text.includes(this.#sandbox.identity), `${when}: identity in ${path}`);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#look[Symbol.dispose]();
  }

  /** Expects that the next run succeeds and leaves nothing but snapshots. */
  async expectRecovery(when: string): Promise<void> {
    const { status, stages } = await this.#sandbox.run();
    assert.equal(status, 0, `${when}: ${stages.map(({ message }) => message).join()}`);
    await this.#expectNoLeftovers();
    await this.expectSound(`${when}, and after the next run`);
  }

  /** Who was killed right after its manifest got its name may leave it the other one, too. */
  async #expectNoLeftovers(): Promise<void> {
    const destination = this.#sandbox.destination();
    const leftover = [...filesIn(destination).keys()].filter((path) => path.endsWith(".part"));
    for (const path of leftover) {
      assert.match(path, /\.json\./);
      assert.equal(Deno.statSync(join(destination, path)).nlink, 2, path);
    }
    if (leftover.length > 0) {
      this.#sandbox.change();
      await this.#sandbox.run();
    }
    assertTidy({ state: this.#sandbox.state, destination });
  }
}

function compressed(compress: string): (sandbox: Sandbox) => string {
  return (sandbox) => encrypted(sandbox).replace('id = "m"', `id = "m"\ncompress = "${compress}"`);
}
