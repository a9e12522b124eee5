/** What the libraries that come with Deno, and ours, do with odd input. Findings C12 and C15 to C17. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { gunzipSync, gzipSync } from "node:zlib";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { parse } from "smol-toml";
import { Folder, NOTHING, probe } from "./probe.ts";

const MIB = 2 ** 20;

Deno.test("DecompressionStream makes one chunk out of all that a chunk holds (C12)", async () => {
  const bomb = gzipSync(new Uint8Array(64 * MIB));
  assert.ok(bomb.length < 70_000);
  const chunks = await Array.fromAsync(
    ReadableStream.from([new Uint8Array(bomb)]).pipeThrough(new DecompressionStream("gzip")),
    ({ length }) => length,
  );
  assert.equal(Math.max(...chunks), 64 * MIB);
});

Deno.test("node:zlib stops at the size that it is told (C12)", () => {
  const bomb = gzipSync(new Uint8Array(64 * MIB));
  assert.throws(() => gunzipSync(bomb, { maxOutputLength: MIB }), { code: "ERR_BUFFER_TOO_LARGE" });
});

for (const inside of [false, true]) {
  Deno.test(
    `a backup of SQLite ${inside ? "inside a read transaction" : "alone"} ` +
      `${inside ? "does not mind a writer" : "starts again with every write"} (C15)`,
    async () => {
      using folder = new Folder();
      const path = join(folder.path, "source.db");
      using writer = new DatabaseSync(path);
      writer.exec("PRAGMA journal_mode = WAL; CREATE TABLE kept (bytes BLOB)");
      const insert = writer.prepare("INSERT INTO kept VALUES (zeroblob(4000))");
      for (let i = 0; i < 100; i++) insert.run();
      using reader = new DatabaseSync(path);
      if (inside) reader.exec("BEGIN; SELECT count(*) FROM kept");
      let steps = 0;
      const target = join(folder.path, "copy.db");
      await backup(reader, target, {
        rate: 10,
        progress() {
          if (steps++ < 50) insert.run();
        },
      });
      using copy = new DatabaseSync(target);
      assert.equal(copy.prepare("PRAGMA integrity_check").get()?.["integrity_check"], "ok");
      const { rows } = copy.prepare("SELECT count(*) AS rows FROM kept").get()!;
      if (inside) assert.equal(rows, 100);
      assert.equal(steps > 50, !inside, `${steps} steps`);
    },
  );
}

Deno.test("a scoped worker backs SQLite up, and cannot VACUUM INTO (C15)", async () => {
  using folder = new Folder();
  const path = join(folder.path, "source.db");
  using source = new DatabaseSync(path);
  source.exec("CREATE TABLE kept (text TEXT); INSERT INTO kept VALUES ('row')");
  const permissions = { ...NOTHING, read: [folder.path], write: [folder.path] };
  const copy = async (from: string, to: string) => {
    const sqlite = await import("node:sqlite");
    await sqlite.backup(new sqlite.DatabaseSync(from), to);
  };
  const vacuum = async (from: string, to: string) => {
    const sqlite = await import("node:sqlite");
    new sqlite.DatabaseSync(from).exec(`VACUUM INTO '${to}'`);
  };
  assert.ok("answer" in await probe(permissions, copy, path, join(folder.path, "copy.db")));
  const outcome = await probe(permissions, vacuum, path, join(folder.path, "vacuum.db"));
  assert.ok("error" in outcome);
  assert.match(outcome.says, /too many attached databases/);
});

for (
  const [what, text] of [
    ["a key twice", "a = 1\na = 2"],
    ["two keys in a line", "a = 1 b = 2"],
    ["a NUL", 'a = "\0"'],
    ["a number that would be rounded", "a = 9007199254740993"],
    ["a table twice", "[a]\n[a]"],
  ] as const
) {
  Deno.test(`smol-toml refuses ${what} (C16)`, () => {
    assert.throws(() => parse(text));
  });
}

Deno.test("smol-toml makes no prototype out of a key (C16)", () => {
  const table = parse("[__proto__]\npolluted = true") as Record<string, unknown>;
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  assert.ok(Object.hasOwn(table, "__proto__"));
});

Deno.test("age in streams gives plaintext out before it finds a damaged end (C17)", async () => {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const sealed = await encrypter.encrypt(new Uint8Array(3 * 65_536));
  sealed[sealed.length - 1]! ^= 1;
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  let released = 0;
  await assert.rejects(async () => {
    const opened = await decrypter.decrypt(ReadableStream.from([sealed]));
    for await (const { length } of opened) released += length;
  });
  assert.ok(released >= 65_536, `${released} bytes`);
});
