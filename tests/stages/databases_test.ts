/** Live databases in snapshots. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Entry, ScanResult, SourceResult } from "../../stages/contract.ts";
import { contentHash } from "../../stages/formats/snapshot/entries.ts";
import { scan as scanAll } from "../../stages/formats/snapshot/scan.ts";
import type { Selection } from "../../stages/formats/snapshot/walk.ts";
import { SLOW } from "../faults/harness.ts";
import { archiveOf, selectionOf, SourceTree } from "./formats/snapshot/source_tree.ts";
import {
  brokenPromise,
  BusyWriter,
  commitsIn,
  makeDatabase,
} from "./formats/sqlite/busy_database.ts";
import { runStage } from "./harness.ts";

const onPosix = Deno.build.os !== "windows";

/** A tree with a database in `root/app.db`, and a directory for copies. */
function treeWithDatabase(journal: "wal" | "delete" = "wal"): SourceTree {
  const tree = new SourceTree({ "root/a.txt": "a", "copies/": "" });
  makeDatabase(tree.at("root/app.db"), journal);
  return tree;
}

interface Reading {
  readonly result: SourceResult;
  readonly archive: Uint8Array<ArrayBuffer>;
}

type Changes = Partial<Selection>;

function selection(tree: SourceTree, changes: Changes): Selection {
  const databases = [tree.at("root/app.db")];
  return selectionOf([tree.at("root")], { databases, ...changes });
}

async function read(tree: SourceTree, changes: Changes = {}): Promise<Reading> {
  const directory = tree.at("copies");
  const { archive, ...result } = await archiveOf(selection(tree, changes), { directory });
  return { result, archive };
}

function scan(tree: SourceTree, changes: Changes = {}): Promise<ScanResult> {
  return scanAll(selection(tree, changes), {
    signal: new AbortController().signal,
    log: () => {},
    progress: () => {},
    signature: undefined,
    team: { role: "leader", port: undefined },
    directory: tree.at("copies"),
  });
}

/** Runs the stage with what it and its directory are granted. */
async function readInWorker(tree: SourceTree): Promise<Reading> {
  const copies = [tree.at("copies")];
  const { result, output } = await runStage<SourceResult>({
    use: "snapshot",
    operation: "run",
    options: { paths: [tree.at("root")], sqlite: [tree.at("root/app.db")] },
    context: { directory: tree.at("copies") },
    grants: { read: copies, write: copies },
    output: true,
  });
  return { result, archive: output };
}

/** Writes a file of an archive of short names to disk. */
function unpack({ result, archive }: Reading, path: string, to: string): void {
  let at = 0;
  for (const entry of result.entries) {
    at += 512;
    const size = entry.kind === "file" ? entry.size : 0;
    if (entry.path === path) return Deno.writeFileSync(to, archive.subarray(at, at + size));
    at += Math.ceil(size / 512) * 512;
  }
  assert.fail(`${path} is not in the archive`);
}

function pathsOf({ entries }: { readonly entries?: readonly Entry[] }): string[] {
  return (entries ?? []).map(({ path }) => path);
}

Deno.test("a listed database goes into its place as a copy that is one, and what lies beside it does not", async () => {
  using tree = treeWithDatabase();
  using open = new DatabaseSync(tree.at("root/app.db"));
  open.exec("UPDATE account SET note = 'new' WHERE id = 1"); // In the -wal alone, so far.
  const reading = await readInWorker(tree);
  const { result } = reading;
  assert.deepEqual(pathsOf(result), ["root", "root/a.txt", "root/app.db"]);
  assert.deepEqual(result.unreadable, []);
  assert.deepEqual(result.skipped.map(({ path, reason }) => [path, reason]), [
    [tree.at("root/app.db-shm"), "a part of a database that is copied as a whole"],
    [tree.at("root/app.db-wal"), "a part of a database that is copied as a whole"],
  ]);
  unpack(reading, "root/app.db", tree.at("restored.db"));
  assert.equal(brokenPromise(tree.at("restored.db")), undefined);
  using restored = new DatabaseSync(tree.at("restored.db"));
  const row = restored.prepare("SELECT note FROM account WHERE id = 1").get();
  assert.equal(row?.["note"], "new");
  const mode = (entry: Entry | undefined) => entry?.mode.toString(8);
  assert.equal(
    mode(result.entries.at(-1)),
    ((await Deno.stat(tree.at("root/app.db"))).mode! & 0o777).toString(8),
  );
});

for (const journal of ["wal", "delete"] as const) {
  Deno.test(`a database (${journal}) to which nobody commits has the same bytes in every pass`, async () => {
    using tree = treeWithDatabase(journal);
    const look = async () => {
      const { entries, fingerprint } = (await read(tree)).result;
      assert.equal((await scan(tree)).fingerprint, fingerprint);
      return [await contentHash(entries), fingerprint];
    };
    const first = await look();
    {
      using database = new DatabaseSync(tree.at("root/app.db"));
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      database.exec("UPDATE account SET balance = balance"); // A commit that changes nothing.
    }
    assert.deepEqual(await look(), first);
    {
      using database = new DatabaseSync(tree.at("root/app.db"));
      database.exec("UPDATE account SET note = 'other' WHERE id = 3");
    }
    const second = await look();
    assert.notEqual(second[0], first[0]);
    assert.notEqual(second[1], first[1]);
  });
}

Deno.test("a database outside of the paths stands under its own name, with no path besides", async () => {
  using tree = treeWithDatabase();
  tree.write("other/b.txt", "b");
  const { result } = await read(tree, { paths: [tree.at("other")] });
  assert.deepEqual(pathsOf(result), ["app.db", "other", "other/b.txt"]);
  assert.deepEqual(result.roots.map(({ path }) => path), [
    tree.at("other"),
    tree.at("root/app.db"),
  ]);
});

Deno.test({
  name: "a database that is reached through a link is copied, and the link stays one",
  ignore: !onPosix,
  async fn() {
    using tree = treeWithDatabase();
    tree.write("other/b.txt", "b");
    tree.link("other/link.db", "../root/app.db");
    const databases = [tree.at("other/link.db")];
    const { result } = await read(tree, { paths: [tree.at("other")], databases });
    const kinds = result.entries.filter(({ path }) => path.endsWith("link.db"))
      .map(({ kind }) => kind);
    assert.deepEqual(kinds.toSorted(), ["file", "symlink"]);
  },
});

Deno.test("a listed database goes in although its pattern or its directory is left out, or is named", async () => {
  using tree = treeWithDatabase();
  assert.deepEqual(pathsOf((await read(tree, { exclude: ["*.db"] })).result), [
    "root",
    "root/a.txt",
    "root/app.db",
  ]);
  await Deno.mkdir(tree.at("root/data"));
  await Deno.rename(tree.at("root/app.db"), tree.at("root/data/app.db"));
  const options = { exclude: ["data/"], databases: [tree.at("root/data/app.db")] };
  const reason = "it lies in a directory that is left out";
  const unreadable = [{ path: tree.at("root/data/app.db"), reason }];
  assert.deepEqual((await read(tree, options)).result.unreadable, unreadable);
  assert.deepEqual((await scan(tree, options)).unreadable, unreadable);
});

Deno.test("what is no database, and what is not there, is named and never copied as it is", async () => {
  using tree = treeWithDatabase();
  tree.write("root/text.db", "This is no database at all.\n".repeat(100));
  tree.write("root/damaged.db", damaged(tree.at("root/app.db")));
  await Deno.mkdir(tree.at("root/directory.db"));
  const names = ["text.db", "gone.db", "damaged.db", "directory.db", "empty.db"];
  tree.write("root/empty.db");
  const databases = names.map((name) => tree.at(`root/${name}`));
  const { result } = await read(tree, { databases: [...databases, tree.at("root/app.db")] });
  const reasons = Object.fromEntries(
    result.unreadable.map(({ path, reason }) => [path.slice(tree.at("root/").length), reason]),
  );
  assert.match(reasons["damaged.db"] ?? "", /^(SQLite finds its copy damaged: |it is a damaged)/);
  delete reasons["damaged.db"];
  assert.deepEqual(reasons, {
    "text.db": "it is no SQLite database",
    "gone.db": "it does not exist",
    "directory.db": "it is no file",
  });
  assert.ok(pathsOf(result).includes("root/app.db"));
  assert.ok(pathsOf(result).includes("root/empty.db"));
  assert.ok(!pathsOf(result).includes("root/text.db"));
});

Deno.test("a database that uses what its program alone has is copied like any other", async () => {
  using tree = treeWithDatabase();
  {
    using database = new DatabaseSync(tree.at("root/app.db"));
    database.function("own", { deterministic: true }, (value) => value);
    database.exec("CREATE TABLE made (a); INSERT INTO made VALUES (1)");
    database.exec("CREATE INDEX by_own ON made (own(a))");
  }
  const { result } = await read(tree);
  assert.deepEqual(result.unreadable, []);
  assert.ok(pathsOf(result).includes("root/app.db"));
  assert.equal((await scan(tree)).fingerprint, result.fingerprint);
});

/** A database with a page in its midst that is none. */
function damaged(path: string): Uint8Array<ArrayBuffer> {
  {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const bytes = Deno.readFileSync(path);
  bytes.fill(0xa5, 4096 * 8, 4096 * 9);
  return bytes;
}

Deno.test("a live database that is not listed is worth a look", async () => {
  using tree = treeWithDatabase();
  using open = new DatabaseSync(tree.at("root/app.db"));
  open.exec("UPDATE account SET note = 'new' WHERE id = 1");
  const { result } = await read(tree, { databases: undefined });
  const [note, ...others] = result.notes;
  assert.deepEqual([note?.path, others], [tree.at("root/app.db"), []]);
  assert.match(note?.reason ?? "", /list it in "sqlite"$/);
});

Deno.test("a copy of a database is for its owner alone, and gone when it was read", async () => {
  using tree = treeWithDatabase();
  const seen: string[] = [];
  using watcher = Deno.watchFs(tree.at("copies"));
  const watching = (async () => {
    for await (const { paths } of watcher) {
      for (const path of paths) {
        try {
          seen.push(((await Deno.stat(path)).mode! & 0o777).toString(8));
        } catch {
          // Gone by now.
        }
      }
    }
  })();
  await readInWorker(tree);
  watcher.close();
  await watching;
  assert.deepEqual(new Set(seen), new Set(["600"]));
  assert.deepEqual(await Array.fromAsync(Deno.readDir(tree.at("copies"))), []);
});

const SNAPSHOTS = SLOW ? 100 : 3;

for (const journal of SLOW ? ["wal", "delete"] as const : ["wal"] as const) {
  Deno.test(`${SNAPSHOTS} snapshots under a writer that never rests (${journal}) hold sound databases`, async () => {
    using tree = treeWithDatabase(journal);
    const path = tree.at("root/app.db");
    const bad: string[] = [];
    const commits = new Set<number>();
    const started = performance.now();
    {
      await using _writer = await BusyWriter.start(path);
      for (let index = 0; index < SNAPSHOTS; index++) {
        const reading = await readInWorker(tree);
        const copy = tree.at(`restored-${index}.db`);
        assert.deepEqual(reading.result.unreadable, []);
        unpack(reading, "root/app.db", copy);
        const broken = brokenPromise(copy);
        if (broken !== undefined) bad.push(broken);
        commits.add(commitsIn(copy));
        for (const ending of ["", "-wal", "-shm"]) {
          await Deno.remove(`${copy}${ending}`).catch(() => {});
        }
      }
    }
    assert.deepEqual(bad, []);
    assert.equal(commits.size, SNAPSHOTS, "the writer rested");
    assert.equal(brokenPromise(path), undefined);
    if (SLOW) {
      const seconds = (performance.now() - started) / 1000;
      Deno.stderr.writeSync(
        new TextEncoder().encode(
          `${journal}: ${SNAPSHOTS} snapshots, ${bad.length} bad, ${seconds.toFixed(0)} s\n`,
        ),
      );
    }
  });
}
