/**
 * A small SQLite file that can be done without: one that turns out to be damaged is begun anew.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { BackupError, systemCode } from "../../stages/errors.ts";
import { stateFault } from "../state_fault.ts";

/** What a statement takes. */
export type Value = string | number;

/** Runs one statement. */
export type Run = (sql: string, ...values: Value[]) => { lastInsertRowid: number | bigint };

/** A database in one file. */
export class Database {
  readonly #path: string;
  readonly #schema: string;
  readonly #putAside: (() => void) | undefined;
  #database: DatabaseSync | undefined;

  /**
   * Opens the database, or makes one.
   *
   * @param schema Statements that make what is not there yet.
   * @param putAside Told when the database is damaged, as may show at any time: it moves the file
   *   away, and a new one is begun, or throws. Without it, what is damaged holds and takes nothing.
   * @throws {BackupError} What the disk has against it; so do all methods.
   */
  constructor(path: string, schema: string, putAside?: () => void) {
    this.#path = path;
    this.#schema = schema;
    this.#putAside = putAside;
    this.#attempt(() => {}, undefined);
  }

  /** Runs a statement that answers nothing. */
  readonly run: Run = (sql, ...values) =>
    this.#attempt<ReturnType<Run>>(
      (database) => ask(database, "run", sql, values),
      { lastInsertRowid: 0 },
    );

  /** The first row of an answer. */
  get<T>(sql: string, ...values: Value[]): T | undefined {
    return this.#attempt(
      (database) => ask(database, "get", sql, values),
      undefined,
    ) as T;
  }

  /** All rows; none of a database that is damaged. */
  all<T>(sql: string, ...values: Value[]): T[] {
    return this.#attempt(
      (database) => ask(database, "all", sql, values),
      [],
    ) as T[];
  }

  /** Runs all of the statements or none. */
  transaction(work: (run: Run) => void): void {
    this.#attempt((database) => {
      database.exec("BEGIN IMMEDIATE");
      try {
        work((sql, ...values) => ask(database, "run", sql, values));
        database.exec("COMMIT");
      } catch (error) {
        attemptQuietly(() => database.exec("ROLLBACK"));
        throw error;
      }
    }, undefined);
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #attempt<T>(work: (database: DatabaseSync) => T, otherwise: T): T {
    try {
      return this.#workWith(work);
    } catch (error) {
      if (!isDamage(error)) throw error;
      attemptQuietly(() => this.close());
      this.#database = undefined;
    }
    if (this.#putAside === undefined) return otherwise;
    this.#putAside();
    return this.#workWith(work);
  }

  #workWith<T>(work: (database: DatabaseSync) => T): T {
    try {
      return work(this.#database ??= open(this.#path, this.#schema));
    } catch (error) {
      throw explain(error, this.#path);
    }
  }
}

/** Deno 2.4 knows names and places of values, but not their numbers (`?1`): those become names. */
function ask<M extends "run" | "get" | "all">(
  database: DatabaseSync,
  method: M,
  sql: string,
  values: readonly Value[],
): ReturnType<StatementSync[M]> {
  const statement: Pick<StatementSync, "run" | "get" | "all"> = database.prepare(
    sql.replaceAll(NUMBERED, ":value$1"),
  );
  const named = Object.fromEntries(values.map((value, index) => [`value${index + 1}`, value]));
  const answer = sql.search(NUMBERED) >= 0
    ? statement[method](named)
    : statement[method](...values);
  return answer as ReturnType<StatementSync[M]>;
}

const NUMBERED = /\?(\d+)/g;

/** Moves a database away, with what belongs to it. */
export function putAside(path: string, aside: string): void {
  Deno.renameSync(path, aside);
  for (const rest of ["-wal", "-shm"]) removeIfThere(path + rest);
}

function open(path: string, schema: string): DatabaseSync {
  // SQLite makes its files with the mode of the database: it names what others need not know.
  try {
    Deno.openSync(path, { create: true, append: true, mode: 0o600 }).close();
  } catch (error) {
    const asItIs = systemCode(error) === "EROFS" ? openAsItIs(path) : undefined;
    if (asItIs === undefined) throw error;
    return asItIs;
  }
  const database = new DatabaseSync(path);
  try {
    // A verification that writes at the same time is done in a moment.
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL;");
    database.exec("PRAGMA synchronous = FULL;");
    // At first all at once: the disk flushes each statement by itself otherwise.
    const isNew = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
    database.exec(isNew ? `BEGIN IMMEDIATE; ${schema} COMMIT;` : schema);
    return database;
  } catch (error) {
    attemptQuietly(() => database.close());
    throw error;
  }
}

/**
 * Opens for reading what nobody can change: SQLite wants to make files beside it otherwise. What a
 * process that was killed had not put into it yet would be missed.
 */
function openAsItIs(path: string): DatabaseSync | undefined {
  if (sizeOf(path) === 0 || sizeOf(`${path}-wal`) > 0) return undefined;
  const address = Object.assign(pathToFileURL(path), { search: "immutable=1" });
  return new DatabaseSync(address, { readOnly: true });
}

function sizeOf(path: string): number {
  try {
    return Deno.lstatSync(path).size;
  } catch {
    return 0;
  }
}

/** What SQLite says of a file that is no database of ours, or no longer. */
const DAMAGE_REGEXP =
  /malformed|not a database|no such (table|column)|has no column|unsupported file format/;

/** A full disk or a missing right is no reason to begin anew. */
function isDamage(error: unknown): boolean {
  return error instanceof Error && DAMAGE_REGEXP.test(error.message);
}

/** What the disk has against it, in words; what else SQLite says is damage, or a mistake of ours. */
function explain(error: unknown, path: string): unknown {
  const action = `Cannot use the catalog "${path}"`;
  const { message, code } = error as { message: string; code?: string };
  if (code !== "ERR_SQLITE_ERROR") return stateFault(error, action);
  if (message.includes("is full")) return stateFault(Object.assign(error as Error, FULL), action);
  if (!/readonly|read-only|unable to open|disk I\/O|is locked/.test(message)) return error;
  const hint = 'Check its disk and its rights, or choose another "state"';
  return faultOfDisk(path, action) ??
    new BackupError("stage-failed", `${action}: ${message}`, { hint, cause: error });
}

const FULL = { code: "ENOSPC" } as const;

/** What the disk says when it is asked for some room: SQLite has one phrase for many faults. */
function faultOfDisk(path: string, action: string): unknown {
  const probe = `${path}.room`;
  try {
    Deno.writeFileSync(probe, new Uint8Array(1 << 16));
    removeIfThere(probe);
  } catch (error) {
    attemptQuietly(() => removeIfThere(probe));
    return stateFault(error, action);
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** For what is given up anyway: SQLite may have closed it, or rolled it back, on its own. */
function attemptQuietly(action: () => void): void {
  try {
    action();
  } catch {
    // There is an error to tell already.
  }
}
