/**
 * A copy of a SQLite database that is opened, checked and removed again. It is plaintext in a file
 * for as long as that takes: SQLite opens nothing else.
 *
 * @module
 */
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import type { Pace } from "../pace.ts";
import { writeAll } from "../write_all.ts";
import { integrityOf } from "./check.ts";

/** What a check came to. */
export interface Checked {
  /** Where it stands in the archive. */
  readonly path: string;
  /** `unchecked`: nothing can be said of it. */
  readonly state: "sound" | "damaged" | "unchecked";
  /** A phrase; empty when it is sound. */
  readonly reason: string;
}

/** One database on its way out of an archive. */
export class SqliteCopy {
  readonly #path: string;
  readonly #file: string;
  #hasLog = false;

  /** @param path Where it stands in the archive; the copy is made in `scratch`. */
  constructor(path: string, scratch: string) {
    this.#path = path;
    this.#file = join(scratch, crypto.randomUUID());
  }

  /** Whether a path is a part of this database; what is shared memory only is nothing. */
  roleOf(path: string): "wal" | "other" | undefined {
    if (path === `${this.#path}-wal`) return "wal";
    return path === `${this.#path}-shm` || path === `${this.#path}-journal` ? "other" : undefined;
  }

  /** Takes the database itself. */
  open(): CopyFile {
    return new CopyFile(this.#file);
  }

  /** Takes the log of what was written and is not in the database yet. */
  openLog(): CopyFile {
    this.#hasLog = true;
    return new CopyFile(`${this.#file}-wal`);
  }

  /** Has SQLite look at every page and every index, and removes the copy. */
  async check(pace: Pace): Promise<Checked> {
    const path = this.#path;
    try {
      const found = await this.#integrity(pace);
      if (found === "ok") return { path, state: "sound", reason: "" };
      // Two files that were read one after the other may be of two moments.
      return this.#hasLog
        ? { path, state: "unchecked", reason: `it was in use when it was read: ${found}` }
        : { path, state: "damaged", reason: `its database is damaged: ${found}` };
    } catch (error) {
      return { path, state: "unchecked", reason: `it could not be checked: ${messageOf(error)}` };
    } finally {
      this.remove();
    }
  }

  /** Removes whatever there is of the copy. */
  remove(): void {
    for (const ending of ["", "-wal", "-shm", "-journal"]) {
      try {
        Deno.removeSync(this.#file + ending);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** `ok`, or the first thing that SQLite has against it. */
  async #integrity(pace: Pace): Promise<string> {
    const { DatabaseSync } = await import("node:sqlite");
    pace.leaveToSqlite(Deno.statSync(this.#file).size);
    let database: InstanceType<typeof DatabaseSync> | undefined;
    try {
      database = new DatabaseSync(this.#file);
      // What stands in it may have been written by anyone: none of its functions are called.
      database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;");
      return integrityOf(database);
    } catch (error) {
      const { message, code } = error as { message: string; code?: string };
      if (code !== "ERR_SQLITE_ERROR") throw error;
      if (/is full|disk I\/O|unable to open|readonly/.test(message)) throw error;
      return message;
    } finally {
      database?.close();
    }
  }
}

/** A file that is being copied. */
export class CopyFile {
  readonly #file: Deno.FsFile;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  }

  write(bytes: Uint8Array): void {
    writeAll(this.#file, bytes);
  }

  close(): void {
    this.#file.close();
  }
}
