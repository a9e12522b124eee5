/** Live databases through whole runs: what is stored, what is left behind, and by a killed run too. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { planOf } from "../../pipeline/plan.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { StageWorker } from "../../pipeline/worker/host.ts";
import type { ScanResult } from "../../stages/contract.ts";
import { ending } from "../platform/probe.ts";
import { brokenPromise, BusyWriter, makeDatabase } from "../stages/formats/sqlite/busy_database.ts";
import { encrypted, Sandbox, SLOW } from "./harness.ts";

/** A sandbox with a database that the pipeline lists. */
async function withDatabase(): Promise<Sandbox> {
  const stages = (sandbox: Sandbox) => {
    const sqlite = JSON.stringify([join(sandbox.tree, "app.db")]);
    return encrypted(sandbox).replace('id = "m"', `id = "m"\nsqlite = ${sqlite}`);
  };
  const sandbox = await Sandbox.make(stages, { "a.txt": "a" });
  makeDatabase(join(sandbox.tree, "app.db"));
  return sandbox;
}

Deno.test("a database whose check takes longer than a worker may be silent is looked at to its end", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-faults-" }));
  try {
    const [path, directory] = [join(folder, "slow.db"), join(folder, "copies")];
    await Deno.mkdir(directory);
    using database = new DatabaseSync(path);
    // Each value of the index is made anew to be compared, which takes some 40 ms.
    database.exec(`
      CREATE TABLE slow(a INTEGER);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
        INSERT INTO slow SELECT 1000000 FROM n;
      CREATE INDEX made ON slow(length(replace(hex(zeroblob(a)), '0', '11')));
    `);
    const grants = { read: [path, directory], write: [directory] };
    using worker = new StageWorker("snapshot", grants, { operation: "scan", patience: 3000 });
    const { result } = await worker.call<ScanResult>({
      operation: "scan",
      context: { options: { exclude: [], sqlite: [path] }, directory },
      team: { role: "leader", port: undefined },
    });
    assert.deepEqual(result.unreadable, []);
    assert.ok(result.fingerprint);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What lies in the folder for finished files, and for copies of databases. */
function spooled(sandbox: Sandbox): string[] {
  try {
    return Array.from(Deno.readDirSync(join(sandbox.state, "spool")), ({ name }) => name);
  } catch {
    return [];
  }
}

async function restored(sandbox: Sandbox): Promise<string | undefined> {
  const directory = join(sandbox.folder, "restored");
  try {
    await restoreSnapshot({
      pipeline: sandbox.pipeline,
      snapshot: "latest",
      target: { directory },
    });
    return brokenPromise(join(directory, "tree/app.db"));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a run stores a live database only when something was committed to it, and leaves no copy", async () => {
  using sandbox = await withDatabase();
  const path = join(sandbox.tree, "app.db");
  using database = new DatabaseSync(path); // Open all the time, as its program has it.
  const [source] = planOf(sandbox.pipeline).stages;
  const copies = join(sandbox.state, "spool", "of-m");
  assert.deepEqual(source?.permissions.write, [copies]);
  assert.deepEqual(source?.permissions.read, [sandbox.tree, path, copies]);

  await sandbox.backUp();
  assert.equal(await restored(sandbox), undefined);
  for (const _ of [1, 2]) {
    const { snapshots } = await sandbox.backUp();
    assert.equal(snapshots[0]?.destinations[0]?.status, "unchanged");
  }
  database.exec("UPDATE account SET note = 'new' WHERE id = 1");
  const { snapshots } = await sandbox.backUp();
  assert.equal(snapshots[0]?.destinations[0]?.status, "ok");
  assert.deepEqual(snapshots[0].changes, { added: 0, changed: 1, removed: 0 });
  assert.deepEqual(spooled(sandbox), []);
  assert.equal(await sandbox.verifyAll(), 2);
});

Deno.test("a database that its program keeps locked is named, never copied as it is, and stored when it is free", async () => {
  using sandbox = await withDatabase();
  const path = join(sandbox.tree, "app.db");
  {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = delete");
    database.exec("BEGIN EXCLUSIVE");
    const { status, snapshots: [snapshot] } = await sandbox.run();
    assert.equal(status, 2);
    assert.deepEqual(snapshot?.unreadable, [
      { path, reason: "another program keeps it locked" },
    ]);
    const names = (await sandbox.restore()).map((line) => line.split(" ")[0]);
    assert.deepEqual(names, [".", "a.txt"]);
    database.exec("ROLLBACK");
  }
  await sandbox.backUp();
  assert.equal(await restored(sandbox), undefined);
});

Deno.test("a run that is killed leaves a copy of a database for its owner alone, and the next removes it", async () => {
  using sandbox = await withDatabase();
  const path = join(sandbox.tree, "app.db");
  await sandbox.backUp();
  let caught = 0;
  {
    await using _writer = await BusyWriter.start(path);
    for (let round = 0; round < (SLOW ? 30 : 1); round++) {
      const child = sandbox.start(["run"]);
      await killOnceCopying(sandbox, child);
      for (const name of spooled(sandbox).filter((name) => name.startsWith("of-"))) {
        caught++;
        const directory = join(sandbox.state, "spool", name);
        assert.equal((await Deno.stat(directory)).mode! & 0o777, 0o700);
        for await (const { name } of Deno.readDir(directory)) {
          assert.equal((await Deno.stat(join(directory, name))).mode! & 0o777, 0o600);
        }
      }
      await sandbox.backUp();
      assert.deepEqual(spooled(sandbox), []);
    }
  }
  if (SLOW) assert.ok(caught > 0);
  assert.equal(await restored(sandbox), undefined);
});

/** Kills a run at the moment at which a copy is there; a run that is quicker is none the worse. */
async function killOnceCopying(sandbox: Sandbox, child: Deno.ChildProcess): Promise<void> {
  const ended = ending(child);
  using watcher = Deno.watchFs(sandbox.state);
  void ended.then(() => watcher.close(), () => {});
  try {
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.includes("/of-m/"))) {
        child.kill("SIGKILL");
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // It has ended by itself.
  }
  await ended;
}
