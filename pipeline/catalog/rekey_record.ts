/**
 * Which snapshots are being given other keys, for the case that this is cut short. A part of the
 * catalog.
 *
 * @module
 */
import type { Database } from "./database.ts";

/** Makes the table. */
export const REKEYS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS rekeys (
    id TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, renamed TEXT NOT NULL,
    PRIMARY KEY (id, name, location)
  ) STRICT;
`;

/** A snapshot at a place, and what it is going to be called. */
export interface Rekeying {
  readonly id: string;
  readonly name: string;
  /** The destination's location. */
  readonly location: string;
  readonly renamed: string;
}

/** The record. Whoever writes holds the pipeline's lock. */
export class RekeyRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes what is about to be stored under a new name. */
  begin({ id, name, location, renamed }: Rekeying): void {
    const sql = "INSERT OR REPLACE INTO rekeys VALUES (?, ?, ?, ?)";
    this.#database.run(sql, id, name, location, renamed);
  }

  /** What was begun at a place and is not known to have ended. */
  begun(location: string): Rekeying[] {
    return this.#database.all("SELECT * FROM rekeys WHERE location = ?", location);
  }

  /** Notes that the old name is gone from the place. */
  finish({ id, name, location }: Omit<Rekeying, "renamed">): void {
    const sql = "DELETE FROM rekeys WHERE id = ? AND name = ? AND location = ?";
    this.#database.run(sql, id, name, location);
  }
}
