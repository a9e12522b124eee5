/** Several at once on one pipeline: one run at a time, and whoever only reads is in nobody's way. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { acquireLock } from "../../pipeline/lock.ts";
import { prunePipeline } from "../../pipeline/prune.ts";
import { rekeyPipeline } from "../../pipeline/rekey.ts";
import { BackupError } from "../../stages/errors.ts";
import { within } from "../platform/probe.ts";
import { assertTidy, encrypted, rejection, Sandbox, SLOW } from "./harness.ts";

const FEW = { "a.txt": "one", "folder/b.txt": "two" };

const UNDER_WAY = /^Cannot start: another run of this pipeline is under way/;

Deno.test("of several runs at once one goes on and the others say why they do not", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  for (let round = 0; round < (SLOW ? 50 : 2); round++) {
    sandbox.change();
    const runs = await Promise.allSettled(Array.from({ length: 3 }, () => sandbox.run()));
    const reports = runs.flatMap((run) => run.status === "fulfilled" ? [run.value] : []);
    assert.ok(reports.length > 0);
    for (const { status } of reports) assert.equal(status, 0);
    for (const run of runs) {
      if (run.status === "fulfilled") continue;
      assert.ok(run.reason instanceof BackupError, String(run.reason));
      assert.equal(run.reason.code, "run-in-progress");
    }
    assertTidy({ state: sandbox.state, destination: sandbox.destination() });
  }
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("a second run ends at once with status 11 and says which process has the lock", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  await Deno.mkdir(sandbox.state, { recursive: true });
  const lock = await acquireLock(join(sandbox.state, "lock"));
  const { code, stdout, stderr } = await sandbox.keepsake(["run"]);
  assert.equal(code, 11);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    new RegExp(`another run of this pipeline is under way \\(process ${Deno.pid}\\)`),
  );
  lock[Symbol.dispose]();
  assert.equal((await sandbox.keepsake(["run"])).code, 0);
});

Deno.test("a lock file that is deleted or replaced while it is held lets nobody in", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  await Deno.mkdir(sandbox.state, { recursive: true });
  const path = join(sandbox.state, "lock");
  const lock = await acquireLock(path);
  await Deno.remove(path);
  assert.match((await rejection(sandbox.run())).message, UNDER_WAY);
  await Deno.writeTextFile(path, "process 1\n");
  assert.match((await rejection(acquireLock(path))).message, UNDER_WAY);
  lock[Symbol.dispose]();
  await sandbox.backUp();
});

Deno.test("a lock is free as soon as it is released, also while programs are being started", async () => {
  const directory = await Deno.makeTempDir({ prefix: "keepsake-faults-" });
  // A program has all that we have open until it begins to run.
  let ended = false;
  const starting = (async () => {
    const start = () => new Deno.Command("true", { stdout: "null" }).output();
    while (!ended) await Promise.all([start(), start(), start()]);
  })();
  try {
    for (let round = 0; round < 100; round++) {
      (await acquireLock(join(directory, "lock")))[Symbol.dispose]();
    }
  } finally {
    ended = true;
    await starting;
  }
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a lock is free again where the catalog did not open", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  const { pipeline } = sandbox;
  await Deno.mkdir(join(sandbox.state, "catalog.db"), { recursive: true });
  const rekeying = { planOnly: true };
  for (
    const attempt of [
      () => sandbox.run(),
      () => prunePipeline(pipeline),
      () => rekeyPipeline(pipeline, rekeying),
    ]
  ) {
    assert.match((await rejection(attempt())).message, /catalog\.db": it is a directory$/);
    (await acquireLock(join(sandbox.state, "lock")))[Symbol.dispose]();
  }
});

Deno.test("a lock is free as soon as its holder is killed, whatever its file says", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  await Deno.mkdir(sandbox.state, { recursive: true });
  const path = join(sandbox.state, "lock");
  for (let round = 0; round < (SLOW ? 20 : 1); round++) {
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", fileURLToPath(new URL("hold_lock.ts", import.meta.url)), path],
      stdout: "piped",
      stdin: "null",
    }).spawn();
    const reader = holder.stdout.getReader();
    await within(reader.read(), () => holder.kill("SIGKILL"));
    assert.match((await rejection(acquireLock(path))).message, new RegExp(`process ${holder.pid}`));
    holder.kill("SIGKILL");
    await holder.status;
    await reader.cancel();
    assert.equal(await Deno.readTextFile(path), `process ${holder.pid}\n`);
    (await acquireLock(path))[Symbol.dispose]();
  }
  await sandbox.backUp();
});

Deno.test("runs, lists, verifications and restores at once are in nobody's way", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  await sandbox.backUp();
  const before = sandbox.contents();
  const [first] = await sandbox.held();
  for (let round = 0; round < (SLOW ? 20 : 1); round++) {
    sandbox.change();
    const [run, outside] = await Promise.all([
      sandbox.run(),
      sandbox.keepsake(["verify", "--all", "--json"]),
      sandbox.verifyAll(),
      sandbox.list(),
      sandbox.restore(first!.name).then((contents) => assert.deepEqual(contents, before)),
    ]);
    assert.equal(run.status, 0);
    assert.equal(outside.code, 0, outside.stderr);
  }
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});
