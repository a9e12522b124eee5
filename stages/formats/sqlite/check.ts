/**
 * Whether a SQLite database is sound, as far as SQLite alone can tell.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";

/**
 * `ok`, or the first thing that SQLite has against a database. What uses a function, an order or a
 * module that only its own program has cannot be checked here: all other tables are, one by one.
 *
 * @throws What SQLite says where it cannot look.
 */
export function integrityOf(database: DatabaseSync): string {
  return checkOf(database, "1") ?? tablesOf(database)
    .map((name) => checkOf(database, `'${name.replaceAll("'", "''")}'`))
    .find((found) => found !== undefined && found !== "ok") ??
    "ok";
}

/** `undefined`: it takes what SQLite does not have. */
function checkOf(database: DatabaseSync, what: string): string | undefined {
  try {
    const row = database.prepare(`PRAGMA integrity_check(${what})`).get();
    return String(row?.["integrity_check"] ?? "it gives no answer");
  } catch (error) {
    if (((error as { errcode?: number }).errcode ?? 0) % 256 === ERROR) return undefined;
    throw error;
  }
}

function tablesOf(database: DatabaseSync): string[] {
  const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return rows.map(({ name }) => String(name));
}

/** SQLite's primary result code for a statement that it cannot make sense of. */
const ERROR = 1;
