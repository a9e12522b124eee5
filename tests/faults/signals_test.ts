/** Ctrl-C, the system's wish that we end, and streams that nobody reads: everything is put in order. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Ending, ending, within } from "../platform/probe.ts";
import { assertTidy, encrypted, exists, filesIn, namesIn, Sandbox } from "./harness.ts";

const posix = Deno.build.os !== "windows";
const unlessPosix = posix ? "" : " (ignored: Windows has no such signals)";

/** Enough to be met in the middle: it is neither compressed nor read in no time. */
const BULK = 48 << 20;

const STATUSES = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const;

/** Whoever runs the tests may have said `nohup`, which is inherited. */
const HEARING = ["env", "--default-signal=HUP"];

for (const [signal, status] of STATUSES) {
  Deno.test({
    name: `a run that gets ${signal} ends with status ${status} and leaves nothing${unlessPosix}`,
    ignore: !posix || (signal === "SIGHUP" && Deno.build.os !== "linux"),
    async fn() {
      using sandbox = await bulky();
      const all = {
        "as soon as it has the lock": [sandbox.state, /catalog\.db-wal$/],
        "while it spools": [sandbox.state, /spool\/\d$/],
        "while it hands over": [sandbox.state, /spool\/to-/],
        "while it stores": [sandbox.destination(), /\.part$/],
      } as const;
      const moments = Object.entries(all);
      // How it goes on from there is the same for both.
      const tried = signal === "SIGINT" ? moments : moments.slice(1, 2);
      for (const [moment, [directory, path]] of tried) {
        const stored = filesIn(sandbox.destination());
        sandbox.change();
        const { code, stderr, seconds } = await interrupt(
          sandbox,
          ["run"],
          signal,
          directory,
          path,
        );
        assert.equal(code, status, `${moment}: ${stderr}`);
        assert.match(stderr, /Stopping/, `${moment}: ${stderr}`);
        assert.match(stderr, new RegExp(`Stopped by ${signal}`), `${moment}: ${stderr}`);
        assert.ok(seconds < 8, `${moment}: ${seconds} s`);
        assertTidy({ state: sandbox.state, destination: sandbox.destination() });
        assert.ok(!exists(join(sandbox.state, "spool")), moment);
        for (const [file, hash] of stored) {
          assert.equal(filesIn(sandbox.destination()).get(file), hash, moment);
        }
        assert.equal((await sandbox.list()).length, 1, moment);
      }
      await sandbox.backUp();
      assert.equal(await sandbox.verifyAll(), 2);
    },
  });
}

Deno.test({
  name:
    "a run goes on when its terminal is closed, if nohup said so, and puts things in order if not",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using sandbox = await bulky();
    for (const [prefix, status] of [[["nohup"], 0], [HEARING, 129]] as const) {
      sandbox.change();
      using seen = new Sight(sandbox.state, /spool\/\d$/);
      const child = sandbox.start(["run"], prefix);
      await seen.wait(child);
      // Once from the system, and once from the shell.
      child.kill("SIGHUP");
      child.kill("SIGHUP");
      const { code, stderr } = await ending(child);
      assert.equal(code, status, stderr);
      assertTidy({ state: sandbox.state, destination: sandbox.destination() });
    }
    assert.equal(await sandbox.verifyAll(), 2);
  },
});

Deno.test({
  name: `a run that gets a second signal ends at once, and the next one tidies up${unlessPosix}`,
  ignore: !posix,
  async fn() {
    using sandbox = await bulky();
    sandbox.change();
    using seen = new Sight(sandbox.state, /spool\/\d$/);
    const child = sandbox.start(["run"]);
    await seen.wait(child);
    child.kill("SIGINT");
    child.kill("SIGTERM");
    const { code } = await ending(child);
    assert.ok(code === 130 || code === 143, String(code));
    assert.equal(await sandbox.verifyAll(), 1);
    await sandbox.backUp();
    assertTidy({ state: sandbox.state, destination: sandbox.destination() });
  },
});

Deno.test({
  name: `a restore that is interrupted or killed publishes nothing${unlessPosix}`,
  ignore: !posix,
  async fn() {
    using sandbox = await bulky();
    const target = join(sandbox.folder, "target");
    await Deno.mkdir(target);
    const words = ["restore", "--to", target];
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const staging = /\.keepsake-restore-/;
      const { code } = await interrupt(sandbox, words, signal, sandbox.folder, staging);
      assert.equal(code, signal === "SIGINT" ? 130 : 137);
      assert.deepEqual(namesIn(target), [], signal);
      if (signal === "SIGINT") {
        assert.deepEqual(namesIn(sandbox.folder).filter((name) => staging.test(name)), []);
      }
    }
    const { code, stderr } = await sandbox.keepsake(words);
    assert.equal(code, 0, stderr);
  },
});

Deno.test({
  name: `a run goes on when nobody reads what it says${unlessPosix}`,
  ignore: !posix || !exists("/dev/full"),
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
    const cases = [
      [">&- 2>&-", ["run"], 0],
      ["> /dev/full 2> /dev/full", ["run"], 0],
      ["> /dev/full", ["run", "--json"], 2], // What was asked for did not get out.
      ["2>&1 | head -c 0", ["run"], 0],
    ] as const;
    for (const [count, [redirection, words, status]] of cases.entries()) {
      sandbox.change();
      const shell = ["sh", "-c", `"$0" "$@" ${redirection}`];
      const { code, stderr } = await sandbox.keepsake(words, shell);
      assert.equal(code, status, `${redirection}: ${stderr}`);
      assert.equal((await sandbox.list()).length, count + 1, redirection);
    }
    await sandbox.verifyAll();
  },
});

/** A sandbox with one snapshot, of which the next takes a moment. */
async function bulky(): Promise<Sandbox> {
  const stages = (it: Sandbox) => encrypted(it).replace('id = "m"', 'id = "m"\ncompress = "none"');
  const sandbox = await Sandbox.make(stages, { "a.txt": "one" });
  await sandbox.backUp();
  const block = crypto.getRandomValues(new Uint8Array(1 << 16));
  using file = await Deno.open(join(sandbox.tree, "bulk"), { write: true, create: true });
  for (let size = 0; size < BULK; size += block.length) await file.write(block);
  return sandbox;
}

/** Runs the program and sends it a signal as soon as something happens to such a path. */
async function interrupt(
  sandbox: Sandbox,
  words: readonly string[],
  signal: Deno.Signal,
  directory: string,
  path: RegExp,
): Promise<Ending & { readonly seconds: number }> {
  using seen = new Sight(directory, path);
  const child = sandbox.start(words, signal === "SIGHUP" ? HEARING : []);
  await seen.wait(child);
  const started = performance.now();
  child.kill(signal);
  const outcome = await ending(child);
  return { ...outcome, seconds: (performance.now() - started) / 1000 };
}

/** Waits until something happens to a path below a directory. */
class Sight implements Disposable {
  readonly #watcher: Deno.FsWatcher;
  readonly #path: RegExp;

  constructor(directory: string, path: RegExp) {
    this.#watcher = Deno.watchFs(directory);
    this.#path = path;
  }

  async wait(child: Deno.ChildProcess): Promise<void> {
    const seen = async () => {
      for await (const { paths } of this.#watcher) {
        if (paths.some((path) => this.#path.test(path))) return;
      }
    };
    await within(seen(), () => child.kill("SIGKILL"));
  }

  [Symbol.dispose](): void {
    try {
      this.#watcher.close();
    } catch {
      // Closed already, with the loop over it.
    }
  }
}
