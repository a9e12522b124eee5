/** The catalog's file, as it is made. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Database, putAside } from "../../../pipeline/catalog/database.ts";

Deno.test("a new database has all of its tables or none", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-database-" });
  const path = join(folder, "catalog.sqlite");
  const tables = () => {
    using database = new DatabaseSync(path);
    return database.prepare("SELECT name FROM sqlite_schema ORDER BY name").all();
  };
  try {
    assert.throws(() => new Database(path, "CREATE TABLE a (x); CREATE TABLE b (x, x);"));
    assert.deepEqual(tables(), []);
    for (const schema of ["CREATE TABLE a (x);", "CREATE TABLE IF NOT EXISTS a (x);"]) {
      new Database(path, schema).close();
      assert.deepEqual(tables().map(({ name }) => name), ["a"]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "a database is for its owner alone, with all that lies beside it",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "keepsake-database-" });
    const database = new Database(join(folder, "catalog.db"), "CREATE TABLE a (x);");
    try {
      const modes = Array.from(
        Deno.readDirSync(folder),
        ({ name }) => Deno.statSync(join(folder, name)).mode! & 0o777,
      );
      assert.deepEqual(modes, modes.map(() => 0o600));
    } finally {
      database.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a transaction that fails is taken back, and another one can begin", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-database-" });
  const database = new Database(join(folder, "catalog.db"), "CREATE TABLE IF NOT EXISTS a (x);");
  try {
    const failing = () =>
      database.transaction((run) => {
        run("INSERT INTO a VALUES (1)");
        throw new TypeError("It failed");
      });
    assert.throws(failing, /It failed/);
    database.transaction((run) => void run("INSERT INTO a VALUES (2)"));
    assert.deepEqual(database.all<{ x: number }>("SELECT x FROM a").map(({ x }) => x), [2]);
  } finally {
    database.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a database that is put aside leaves nothing behind that a new one would take in", async () => {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-database-" });
  const path = join(folder, "catalog.db");
  try {
    for (const ending of ["", "-wal", "-shm"]) await Deno.writeTextFile(path + ending, "");
    putAside(path, join(folder, "aside"));
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder), ({ name }) => name), ["aside"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
