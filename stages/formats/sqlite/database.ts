/**
 * Copies live SQLite databases through SQLite's online backup. Whatever is written to a database
 * meanwhile, its copy is what it was at one moment.
 *
 * @module
 */
import { join } from "node:path";
import { HINT_FULL, StageError } from "../../errors.ts";
import type { Pace } from "../pace.ts";
import type { Found } from "../snapshot/walk.ts";
import { MAX_TRIES, type Pause, pauseBriefly, ReadFault, reasonOf } from "../source_file.ts";
import { integrityOf } from "./check.ts";
import { SIDE_FILES } from "./listed_databases.ts";

/** A copy, to be read in the database's place. */
export interface DatabaseCopy {
  readonly found: Found;
  /** Why it may not be a sound database, as a short phrase. */
  readonly fault: string | undefined;
}

/** Pages that are copied without a look at whether others wait. */
const PAGES_AT_ONCE = 4096;
/** Milliseconds to wait for a program that holds the database. */
const PATIENCE = 10_000;

/** Makes one copy after the other, in a directory that is for nothing else. */
export class DatabaseCopies {
  readonly #directory: string | undefined;
  readonly #pace: Pace;
  readonly #pause: Pause;
  #copies = 0;

  /** @param directory Where copies lie until they are disposed of; without one, there are none. */
  constructor(directory: string | undefined, pace: Pace, pause: Pause = pauseBriefly) {
    this.#directory = directory;
    this.#pace = pace;
    this.#pause = pause;
  }

  /**
   * Copies a database, has `use` read the copy, and removes it.
   *
   * The copy has the same bytes as long as nobody commits a change: the online backup sets the two
   * counters in a database's header anew, and takes all else page by page.
   *
   * @throws {ReadFault} When it cannot be copied.
   * @throws {StageError} `storage-full`, naming the directory.
   */
  async with<T>(database: Found, use: (copy: DatabaseCopy) => Promise<T>): Promise<T> {
    const directory = this.#directory;
    if (directory === undefined) throw new ReadFault("there is no directory to copy it to");
    const copy = join(directory, `${crypto.randomUUID()}.db`);
    this.#copies++;
    try {
      const fault = await this.#copyPatiently(database, copy);
      // Long ago: nothing else writes to it, and nobody needs to doubt that.
      await Deno.utime(copy, 1, 1);
      const { dev, ino, size } = await Deno.lstat(copy);
      return await use({ found: { ...database, source: copy, dev, ino, size }, fault });
    } finally {
      // SQLite makes files beside the copy when that is checked.
      for (const ending of ["", ...SIDE_FILES]) {
        await Deno.remove(`${copy}${ending}`).catch(() => {}); // The run empties the directory.
      }
    }
  }

  async #copyPatiently(database: Found, copy: string): Promise<string | undefined> {
    let fault: string | undefined;
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      if (tries > 1) await this.#pause(tries);
      requireSame(database);
      await this.#copy(database, copy);
      // Another file may have been put in its place, or a link: a name is all that SQLite takes.
      if (!isSame(database)) continue;
      fault = await this.#check(copy);
      if (fault === undefined) return undefined;
    }
    requireSame(database);
    return fault;
  }

  async #copy({ source, size }: Found, copy: string): Promise<void> {
    const { backup, DatabaseSync } = await import("node:sqlite");
    if (typeof backup !== "function") {
      throw new ReadFault(`Deno ${Deno.version.deno} cannot copy live databases, 2.9.6 can`);
    }
    // SQLite gives what it makes beside a file the same bits.
    await Deno.writeFile(copy, new Uint8Array(), { mode: 0o600 });
    await attempt(copy, async () => {
      this.#pace.leaveToSqlite(size);
      using database = new DatabaseSync(source, { readOnly: true });
      database.exec(`PRAGMA busy_timeout = ${PATIENCE}`);
      // Without a read transaction, every commit of others makes the backup begin anew.
      database.exec("BEGIN");
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
      await backup(database, copy, { rate: PAGES_AT_ONCE });
      database.exec("COMMIT");
    });
    await this.#pace.turn();
  }

  async #check(copy: string): Promise<string | undefined> {
    const { DatabaseSync } = await import("node:sqlite");
    const { size } = await Deno.lstat(copy);
    return await attempt(copy, () => {
      this.#pace.leaveToSqlite(size);
      using database = new DatabaseSync(copy, { readOnly: true });
      const told = integrityOf(database);
      return told === "ok" ? undefined : `SQLite finds its copy damaged: ${oneLine(told)}`;
    });
  }
}

function isSame({ source, dev, ino }: Found): boolean {
  try {
    const info = Deno.lstatSync(source);
    return info.isFile && info.dev === dev && info.ino === ino;
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound;
    throw new ReadFault(reasonOf(error), isGone ? "removed" : "failed", error);
  }
}

function requireSame(database: Found): void {
  if (!isSame(database)) throw new ReadFault("something else was put in its place", "replaced");
}

/** Does something with SQLite, whose failures are those of the database unless the disk is full. */
async function attempt<T>(copy: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code: kind, errcode, message } = error as SqliteError;
    if (kind !== "ERR_SQLITE_ERROR") throw error;
    const code = Number(errcode) & 0xff;
    // What fails within a backup has SQLite's words alone.
    if (code === FULL || /is full/.test(message)) {
      throw new StageError(
        "storage-full",
        `Cannot copy a database to "${copy}": the disk is full`,
        {
          hint: HINT_FULL,
          cause: error,
        },
      );
    }
    throw new ReadFault(STATES[code] ?? `SQLite says: ${oneLine(message)}`, "failed", error);
  }
}

/** What `node:sqlite` throws, among others. */
interface SqliteError extends Error {
  readonly code?: string;
  readonly errcode?: number;
}

/** What SQLite found, without what could make it look like more than one line. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 200);
}

const FULL = 13;
/** By SQLite's primary result codes. */
const STATES: Readonly<Record<number, string>> = {
  5: "another program keeps it locked",
  6: "another program keeps it locked",
  8: "SQLite must write beside it to read it, and may not: a change was left unfinished there",
  11: "it is a damaged database",
  14: "SQLite cannot open it",
  26: "it is no SQLite database",
};
