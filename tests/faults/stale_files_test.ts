/** Databases that are put back where another generation of them, and its logs, lie. */
import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Overwrite, restoreSnapshot } from "../../pipeline/restore.ts";
import { planEntries } from "../../pipeline/restore/plan.ts";
import { makeStaging, publish } from "../../pipeline/restore/publish.ts";
import { rejection, Sandbox } from "./harness.ts";

const NOTES = 200;

/** A database, left as its program left it when it was killed: its newest rows are in the log alone. */
function leaveDatabase(path: string, text: string, journal: "wal" | "delete"): void {
  const work = `${path}.work`;
  for (const ending of ["", "-wal", "-shm", "-journal"]) rmSync(path + ending, { force: true });
  const database = new DatabaseSync(work);
  database.exec(
    `PRAGMA journal_mode = ${journal}; PRAGMA cache_size = 2; PRAGMA wal_autocheckpoint = 0`,
  );
  database.exec("CREATE TABLE note(text TEXT)");
  const insert = database.prepare("INSERT INTO note VALUES(?)");
  const fill = () => {
    for (let i = 0; i < NOTES; i++) insert.run(`${text} ${i} ${"x".repeat(500)}`);
  };
  database.exec("BEGIN");
  fill();
  database.exec("COMMIT");
  // A transaction that is under way: the small cache has its pages written, and the old ones logged.
  if (journal === "delete") {
    database.exec("BEGIN");
    fill();
  }
  for (const ending of ["", "-wal", "-shm", "-journal"]) {
    if (existsSync(work + ending)) copyFileSync(work + ending, path + ending);
  }
  database.close();
  for (const ending of ["", "-wal", "-shm", "-journal"]) rmSync(work + ending, { force: true });
}

/** What a program finds that opens it. */
function look(path: string): { readonly check: unknown; readonly notes: readonly string[] } {
  using database = new DatabaseSync(path);
  const check = database.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
  const rows = database.prepare("SELECT DISTINCT substr(text, 1, 3) AS word FROM note").all();
  return { check, notes: rows.map(({ word }) => String(word)) };
}

const plain = (sandbox: Sandbox) =>
  sandbox.stage("snapshot", { paths: [sandbox.tree], sqlite: [join(sandbox.tree, "app.db")] }) +
  sandbox.stage("local", { path: sandbox.destination("there"), plaintext: true });

async function sandboxWith(journal: "wal" | "delete"): Promise<[Sandbox, string]> {
  const sandbox = await Sandbox.make(plain, { "a.txt": "a", "notes-journal": "no log" });
  const path = join(sandbox.tree, "app.db");
  leaveDatabase(path, "old", "wal");
  look(path); // Its program ended well.
  await sandbox.run();
  leaveDatabase(path, "new", journal);
  return [sandbox, path];
}

const NOW = new Date("2026-05-04T03:02:01Z");

function restoring({ pipeline }: Sandbox, overwrite: Overwrite, dryRun = false) {
  const wanted = { snapshot: "latest", target: "in-place", clock: () => NOW } as const;
  return restoreSnapshot({ pipeline, ...wanted, overwrite, dryRun });
}

for (const journal of ["wal", "delete"] as const) {
  Deno.test(`a database comes back as it was where one with journal ${journal} was killed`, async () => {
    const [made, path] = await sandboxWith(journal);
    using sandbox = made;
    const before = readdirSync(sandbox.tree);
    assert.deepEqual((await restoring(sandbox, "changed", true)).setAside.length, 1);
    assert.deepEqual(readdirSync(sandbox.tree), before);
    const { setAside } = await restoring(sandbox, "changed");
    assert.deepEqual(look(path), { check: "ok", notes: ["old"] });
    const { as } = setAside[0]!;
    assert.equal(as, `${path}.before-restore-20260504T030201Z`);
    assert.deepEqual(look(as), { check: "ok", notes: ["new"] });
    assert.equal(readFileSync(join(sandbox.tree, "notes-journal"), "utf8"), "no log");
    assert.deepEqual((await restoring(sandbox, "changed")).setAside, []);
  });
}

Deno.test("a log that is left of a database that is gone is not taken for the restored one's", async () => {
  const [made, path] = await sandboxWith("wal");
  using sandbox = made;
  rmSync(path);
  const { setAside } = await restoring(sandbox, "never");
  assert.deepEqual(look(path), { check: "ok", notes: ["old"] });
  assert.ok(existsSync(`${setAside[0]!.as}-wal`) && !existsSync(setAside[0]!.as));
});

Deno.test("the same file is replaced where changes lie beside it, and kept where none do", async () => {
  const [made, path] = await sandboxWith("wal");
  using sandbox = made;
  await restoring(sandbox, "changed");
  const work = new DatabaseSync(path);
  work.exec(
    "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; UPDATE note SET text = 'new'",
  );
  for (const ending of ["", "-wal"]) copyFileSync(path + ending, `${path}.copy${ending}`);
  work.close();
  for (const ending of ["", "-wal"]) renameSync(`${path}.copy${ending}`, path + ending);
  const kept = await restoring(sandbox, "never");
  assert.deepEqual(kept.setAside, []);
  assert.equal((await restoring(sandbox, "changed")).setAside.length, 1);
  assert.deepEqual(look(path), { check: "ok", notes: ["old"] });
});

Deno.test("what was set aside is back when the restore cannot be finished", async () => {
  const [made, path] = await sandboxWith("wal");
  using sandbox = made;
  const placements = [{ root: "tree", base: sandbox.folder, target: sandbox.tree }];
  const file = {
    path: "tree/app.db",
    kind: "file",
    mode: 0o600,
    mtime: 0,
    size: 3,
    sha256: "",
  } as const;
  const entries = await planEntries(
    [{ entry: { path: "tree", kind: "directory", mode: 0o700, mtime: 0 } }, { entry: file }],
    placements,
    "always",
    NOW,
  );
  assert.equal(entries[1]!.stale?.endings.length, 3);
  const before = readdirSync(sandbox.tree);
  const staging = await makeStaging(placements, () => {});
  // Nothing was unpacked: there is nothing to put there.
  await rejection(publish({ placements, entries }, staging, false, () => {}));
  await staging.remove();
  assert.deepEqual(readdirSync(sandbox.tree), before);
  assert.deepEqual(look(path), { check: "ok", notes: ["new"] });
});

Deno.test("files that only are called as if they belonged to a database stay", async () => {
  using sandbox = await Sandbox.make(
    (sandbox) =>
      sandbox.stage("snapshot", { paths: [sandbox.tree] }) +
      sandbox.stage("local", { path: sandbox.destination("there"), plaintext: true }),
    { "notes": "first" },
  );
  await sandbox.run();
  writeFileSync(join(sandbox.tree, "notes"), "second");
  writeFileSync(join(sandbox.tree, "notes-journal"), "mine");
  writeFileSync(join(sandbox.tree, "notes-wal"), "mine, too");
  assert.deepEqual((await restoring(sandbox, "always")).setAside, []);
  const texts = readdirSync(sandbox.tree).map((name) =>
    Deno.readTextFileSync(join(sandbox.tree, name))
  );
  assert.deepEqual(texts, ["first", "mine", "mine, too"]);
});
