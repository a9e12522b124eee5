/** The catalog's file, as it is made. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Database } from "../../pipeline/database.ts";

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
