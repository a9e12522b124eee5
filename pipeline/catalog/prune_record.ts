/**
 * What pruning needs to know of the past, and leaves behind for the case that it is cut short. A
 * part of the catalog.
 *
 * @module
 */
import type { RunReport } from "../events.ts";
import type { Database } from "./database.ts";

/**
 * Makes the tables: of removals that were begun and are not known to have ended, and of snapshots
 * that were found, and that others may have made.
 */
export const REMOVALS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS removals (
    id TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, PRIMARY KEY (id, name, location)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS found (
    id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (id, name)
  ) STRICT;
`;

/** A snapshot at a place. */
export interface Spot {
  readonly id: string;
  readonly name: string;
  /** The destination's location. */
  readonly location: string;
}

/** The record. */
export class PruneRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * How the last run fared that was to bring this snapshot to this destination; `unfinished` when
   * the last run of all left no report, `undefined` when none is known.
   */
  lastOutcome(snapshot: string, destination: string): Outcome | undefined {
    const sql = "SELECT id, report FROM runs WHERE id < ? ORDER BY id DESC LIMIT 1";
    for (let before = Number.MAX_SAFE_INTEGER;;) {
      const row = this.#database.get<{ id: number; report: string | null }>(sql, before);
      if (row === undefined) return undefined;
      const report = row.report === null ? undefined : recall(row.report);
      if (report === undefined) return "unfinished";
      const outcome = outcomeIn(report, snapshot, destination);
      if (outcome !== undefined) return outcome;
      before = row.id;
    }
  }

  /** Whether a run is known that began in this second or before. */
  hadBegun(second: Date): boolean {
    const end = new Date(second.getTime() + 999).toISOString();
    return this.#database.get("SELECT 1 FROM runs WHERE started <= ? LIMIT 1", end) !== undefined;
  }

  /** How the last verification of each snapshot at a place ended, by `id/name`. */
  verifications(location: string): ReadonlyMap<string, string> {
    const sql = "SELECT id, name, status FROM verifications WHERE location = ? ORDER BY rowid";
    const rows = this.#database.all<{ id: string; name: string; status: string }>(sql, location);
    // Who could not look knows nothing new.
    const told = rows.filter(({ status }) => status !== "unknown");
    return new Map(told.map(({ id, name, status }) => [
      `${id}/${name}`,
      // All that was ever stored is there: what that is worth is not the destination's doing.
      status === "useless" ? "ok" : status,
    ]));
  }

  /**
   * When a copy was found damaged that was not found good since; `undefined`: it was not. One of which
   * nothing is known came from somewhere else, with all that was wrong there.
   */
  damaged({ id, name, location }: Spot): Date | undefined {
    const sql = `
      WITH told AS (
        SELECT rowid AS number, location AS place, verified, status FROM verifications
        WHERE id = ?1 AND name = ?2 AND status <> 'unknown'
      )
      SELECT verified FROM told WHERE status = 'damaged'
        AND number = (SELECT MAX(number) FROM told later WHERE later.place = told.place)
        AND (place = ?3 OR NOT EXISTS (SELECT 1 FROM told WHERE place = ?3) AND NOT EXISTS (
          SELECT 1 FROM deliveries WHERE id = ?1 AND name = ?2 AND location = ?3
        ))
      ORDER BY number DESC LIMIT 1`;
    const last = this.#database.get<{ verified: string }>(sql, id, name, location);
    return last && new Date(last.verified);
  }

  /** Notes a snapshot that was found, unless it is known: it may be another machine's. */
  find(id: string, name: string): void {
    const sql = `INSERT OR IGNORE INTO found SELECT ?, ?
      WHERE NOT EXISTS (SELECT 1 FROM snapshots WHERE id = ? AND name = ?)`;
    this.#database.run(sql, id, name, id, name);
  }

  /** Whether a snapshot was found, and nobody has looked who made it. */
  wasFound(id: string, name: string): boolean {
    const sql = "SELECT 1 FROM found WHERE id = ? AND name = ?";
    return this.#database.get(sql, id, name) !== undefined;
  }

  /** Notes that a snapshot that was found is this pipeline's own. */
  claim(id: string, name: string): void {
    this.#database.run("DELETE FROM found WHERE id = ? AND name = ?", id, name);
  }

  /** A snapshot has another name now: what was proven of it stays proven. */
  rename({ id, name, location }: Spot, after: string): void {
    const sql = "UPDATE verifications SET name = ? WHERE id = ? AND name = ? AND location = ?";
    this.#database.run(sql, after, id, name, location);
  }

  /** Notes what is about to be removed. */
  begin(spots: readonly Spot[]): void {
    this.#each("INSERT OR REPLACE INTO removals VALUES (?, ?, ?)", spots);
  }

  /** Whether a removal was begun and is not known to have ended. */
  wasBegun({ id, name, location }: Spot): boolean {
    const sql = "SELECT 1 FROM removals WHERE id = ? AND name = ? AND location = ?";
    return this.#database.get(sql, id, name, location) !== undefined;
  }

  /** Takes back what was noted: these are still there. */
  cancel(spots: readonly Spot[]): void {
    this.#each("DELETE FROM removals WHERE id = ? AND name = ? AND location = ?", spots);
  }

  /** Notes that these are gone, and are not missed. */
  finish(spots: readonly Spot[]): void {
    const where = "WHERE id = ? AND name = ? AND location = ?";
    this.#each(`DELETE FROM deliveries ${where}`, spots);
    this.#each(`DELETE FROM verifications ${where}`, spots);
    this.#each(`DELETE FROM missing ${where}`, spots);
    this.cancel(spots);
  }

  /** Whether some destination is known to have been given this snapshot, and to have it still. */
  isAnywhere(id: string, name: string): boolean {
    const sql = "SELECT 1 FROM deliveries WHERE id = ? AND name = ? LIMIT 1";
    return this.#database.get(sql, id, name) !== undefined;
  }

  /** Whether a place was given this snapshot that is none of these: one that has moved since. */
  wasGivenElsewhere(id: string, name: string, locations: readonly string[]): boolean {
    const sql = `SELECT 1 FROM deliveries WHERE id = ? AND name = ?
      AND location NOT IN (SELECT value FROM json_each(?)) LIMIT 1`;
    return this.#database.get(sql, id, name, JSON.stringify(locations)) !== undefined;
  }

  #each(sql: string, spots: readonly Spot[]): void {
    if (spots.length === 0) return;
    this.#database.transaction((run) => {
      for (const { id, name, location } of spots) run(sql, id, name, location);
    });
  }
}

/** A report as it was noted; `undefined` when the text is damaged. */
function recall(text: string): RunReport | undefined {
  try {
    return JSON.parse(text) as RunReport;
  } catch {
    return undefined;
  }
}

/** How a run fared. */
export type Outcome = "succeeded" | "failed" | "unfinished";

function outcomeIn(
  { dryRun, snapshots }: RunReport,
  snapshot: string,
  destination: string,
): Outcome | undefined {
  if (dryRun) return undefined;
  const report = snapshots.find(({ id }) => id === snapshot);
  const delivery = report?.destinations.find(({ id }) => id === destination);
  return delivery && (hasSucceeded(report!, delivery) ? "succeeded" : "failed");
}

/** Whether a snapshot was read in full, and stands at a destination. */
export function hasSucceeded(
  { unreadable }: RunReport["snapshots"][number],
  { status }: RunReport["snapshots"][number]["destinations"][number],
): boolean {
  return unreadable.length === 0 && (status === "ok" || status === "unchanged");
}
