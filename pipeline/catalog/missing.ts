/**
 * What destinations were given and was not there when somebody last looked, so that who asks no
 * destination can tell of it as well. A part of the catalog.
 *
 * @module
 */
import type { HeldSnapshot } from "../places.ts";
import type { Database } from "./database.ts";

/** Makes the table. */
export const MISSING_SCHEMA = `
  CREATE TABLE IF NOT EXISTS missing (
    id TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, PRIMARY KEY (id, name, location)
  ) STRICT;
`;

/** A snapshot by its names. */
export interface Named {
  /** The snapshot stage's id. */
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
}

/** A snapshot's id and name in one. */
export function keyOf({ id, name }: Named): string {
  return `${id}/${name}`;
}

/** What cannot be there whole: its manifest is gone, or its archive is. Pure. */
export function findMissing<T extends Named>(
  deliveries: readonly T[],
  held: readonly HeldSnapshot[],
): T[] {
  const whole = held.filter((one) => !isTorn(one));
  const there = new Set(whole.map(keyOf));
  return deliveries.filter((one) => !there.has(keyOf(one)));
}

/** What is there in another size than it was stored with. Pure. */
export function findResized<T extends Named & { readonly bytes: number }>(
  deliveries: readonly T[],
  held: readonly HeldSnapshot[],
): T[] {
  const sizes = new Map(held.map((one) => [keyOf(one), bytesOf(one)]));
  return deliveries.filter((one) => (sizes.get(keyOf(one)) ?? one.bytes) !== one.bytes);
}

/** Bytes of archive and manifest. */
export function bytesOf({ archives, manifest }: HeldSnapshot): number {
  return archives.reduce((sum, { size }) => sum + size, manifest.size);
}

/** Whether there is a manifest alone: what it names is gone. */
export function isTorn({ archives }: Pick<HeldSnapshot, "archives">): boolean {
  return archives.length === 0;
}

/** The record. */
export class MissingRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes that of these snapshots of one id exactly those that are named are missing at a place. */
  note(id: string, location: string, names: readonly string[]): void {
    const before = this.at(location).filter((one) => one.id === id);
    if (before.length === 0 && names.length === 0) return;
    this.#database.transaction((run) => {
      run("DELETE FROM missing WHERE id = ? AND location = ?", id, location);
      for (const name of names) run("INSERT INTO missing VALUES (?, ?, ?)", id, name, location);
    });
  }

  /** What is missing at a place. */
  at(location: string): Named[] {
    const sql = "SELECT id, name FROM missing WHERE location = ? ORDER BY name";
    return this.#database.all(sql, location);
  }
}
