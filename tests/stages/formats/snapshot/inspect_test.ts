import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { JsonLines } from "../../../../stages/formats/json_lines.ts";
import { Pace } from "../../../../stages/formats/pace.ts";
import { Inspector } from "../../../../stages/formats/snapshot/inspect.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Looks into files, handed over in pieces of so many bytes, and checks that nothing stays behind. */
async function inspect(files: Readonly<Record<string, Uint8Array>>, piece = 1000) {
  const scratch = await Deno.makeTempDir({ prefix: "keepsake-inspect-" });
  try {
    const announced: number[] = [];
    const silence = (milliseconds: number) => void announced.push(milliseconds);
    const { signal } = new AbortController();
    using inspector = new Inspector(scratch, new Pace({ signal, progress() {}, silence }));
    for (const [path, bytes] of Object.entries(files)) {
      inspector.begin({ kind: "file", path, size: bytes.length, sha256: "", mode: 0, mtime: 0 });
      for (let at = 0; at < bytes.length; at += piece) {
        inspector.data(bytes.subarray(at, at + piece));
      }
      inspector.end();
    }
    const found = await inspector.finish();
    equal(
      announced.length,
      found.databases + found.unchecked.length,
      "SQLite lets nothing through",
    );
    deepEqual(await Array.fromAsync(Deno.readDir(scratch)), []);
    return found;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** A database with some rows, and with its log beside it if it is to be in use still. */
async function database(
  inUse = false,
  more = (_: DatabaseSync) => {},
): Promise<{ main: Uint8Array; log: Uint8Array }> {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-inspect-" });
  const file = join(folder, "a.db");
  try {
    const database = new DatabaseSync(file);
    if (inUse) database.exec("PRAGMA journal_mode = WAL");
    database.exec("CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a); BEGIN");
    for (let at = 0; at < 300; at++) {
      database.prepare("INSERT INTO t VALUES (?)").run(`${at}`.repeat(50));
    }
    database.exec("COMMIT");
    more(database);
    const main = await Deno.readFile(file);
    const log = inUse ? await Deno.readFile(`${file}-wal`) : new Uint8Array(0);
    database.close();
    return { main: inUse ? main : await Deno.readFile(file), log };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("lines of logs are read one by one, however they come in pieces", () => {
  fc.assert(fc.property(
    fc.array(fc.json(), { maxLength: 20 }),
    fc.integer({ min: 1, max: 50 }),
    (values, piece) => {
      const text = encode(values.map((value) => `${value}\n`).join(""));
      const lines = new JsonLines();
      for (let at = 0; at < text.length; at += piece) lines.push(text.subarray(at, at + piece));
      lines.finish();
      deepEqual([lines.count, lines.flaw], [values.length, undefined]);
    },
  ));
});

Deno.test("a log with a line that is no JSON is found, but for a last one that is cut short", async () => {
  const cases: readonly [text: string, lines: number, flaw: string | undefined][] = [
    ["", 0, undefined],
    ["{}", 1, undefined],
    ["{}\n\n \r\n[1]\n", 2, undefined],
    ['{"a":1}\n{"b', 1, undefined],
    ['{"a":1}\n{"b\n', 1, "line 2 is no JSON"],
    ["{}\n\0\0\0\n{}\nx\ny\n", 2, "line 2 is no JSON, and 2 more like it"],
    ['"\xff"\n', 1, undefined], // As text that is Latin-1 only here: it is UTF-8 in the file.
  ];
  for (const [text, lines, flaw] of cases) {
    const found = await inspect({ "a/log.jsonl": encode(text) }, 3);
    equal(found.lines, lines, text);
    const flaws = flaw === undefined ? [] : [{ path: "a/log.jsonl", reason: flaw }];
    deepEqual(found.flaws, flaws, text);
  }
  const found = await inspect({ "log.jsonl": Uint8Array.of(0x22, 0xff, 0x22, 0x0a) });
  equal(found.flaws.length, 1);
});

Deno.test("databases are known by how they begin, opened and checked", async () => {
  const { main } = await database();
  for (const piece of [1, 15, 16, 17, 4096, 1 << 20]) {
    const found = await inspect({ "a/any name": main, "b": encode("SQLite format 3") }, piece);
    deepEqual(found, { lines: 0, databases: 1, flaws: [], unchecked: [] });
  }
  const torn = main.slice();
  torn.fill(0x55, main.length - 4096 * 3, main.length - 4096);
  const { databases, flaws: [flaw] } = await inspect({ "x.db": torn });
  equal(databases, 1);
  equal(flaw?.path, "x.db");
  match(flaw!.reason, /^its database is damaged: /);
  const cut = await inspect({ "x.db": main.subarray(0, main.length / 2) });
  equal(cut.flaws.length, 1);
});

Deno.test("a database that was in use is opened together with its log, or not judged", async () => {
  const { main, log } = await database(true);
  const whole = await inspect({ "x.db": main, "x.db-shm": new Uint8Array(32), "x.db-wal": log });
  deepEqual(whole, { lines: 0, databases: 1, flaws: [], unchecked: [] });
  const other = (await database()).main.slice();
  other.fill(0x55, 4096, 8192);
  const mixed = await inspect({ "x.db": other, "x.db-wal": log.subarray(0, 100) });
  deepEqual([mixed.databases, mixed.flaws], [0, []]);
  match(mixed.unchecked[0]!.reason, /^it was in use when it was read: /);
});

Deno.test("a database that uses what its program alone has is checked but for that", async () => {
  const { main } = await database(false, (database) => {
    database.function("own", { deterministic: true }, (value) => value);
    database.exec('CREATE TABLE "it\'s made" (a); INSERT INTO "it\'s made" VALUES (1)');
    database.exec('CREATE INDEX by_own ON "it\'s made" (own(a))');
  });
  const found = await inspect({ "x.db": main });
  deepEqual(found, { lines: 0, databases: 1, flaws: [], unchecked: [] });
  const torn = main.slice();
  torn.fill(0x55, 4096 * 3, 4096 * 5);
  const { flaws: [flaw] } = await inspect({ "x.db": torn });
  match(flaw!.reason, /^its database is damaged: /);
});
