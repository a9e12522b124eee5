/**
 * What is known of how destinations were proven: when a drill last brought something back from each.
 * A part of the catalog.
 *
 * @module
 */
import type { Database } from "./database.ts";

/** Makes the table. Unlike verifications, what it says outlasts the snapshots. */
export const PROOFS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS proofs (
    id TEXT NOT NULL, location TEXT NOT NULL, since TEXT NOT NULL, proven TEXT, drilled TEXT,
    verdict TEXT, PRIMARY KEY (id, location)
  ) STRICT;
`;

/** How a drill ended. */
export type Verdict =
  /** All of it came back, and what is in it can be used. */
  | "proven"
  /** Something is missing, or not what it should be. */
  | "failed"
  /** It could not be looked at, or not all of it. */
  | "inconclusive";

/** What is known of one snapshot id at one place. */
export interface Proof {
  readonly id: string;
  /** The destination's location. */
  readonly location: string;
  /** When something was first stored there, as far as is known. */
  readonly since: Date;
  /** When a drill last proved it; `undefined`: never. */
  readonly proven: Date | undefined;
  /** When a drill last came to a verdict that says something; `undefined`: never. */
  readonly drilled: Date | undefined;
  /** How the last drill of all ended; `undefined`: there was none. */
  readonly verdict: Verdict | undefined;
}

/** The record. */
export class Proofs {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes that something is stored at a place, once. */
  begin(id: string, location: string, now: Date): void {
    const sql = "INSERT OR IGNORE INTO proofs (id, location, since) VALUES (?, ?, ?)";
    this.#database.run(sql, id, location, now.toISOString());
  }

  /** Notes how a drill ended. */
  add(id: string, location: string, now: Date, verdict: Verdict): void {
    this.begin(id, location, now);
    const at = now.toISOString();
    const columns = [
      "verdict = ?3",
      ...(verdict === "inconclusive" ? [] : ["drilled = ?4"]),
      ...(verdict === "proven" ? ["proven = ?4"] : []),
    ];
    const sql = `UPDATE proofs SET ${columns.join(", ")} WHERE id = ?1 AND location = ?2`;
    const values = verdict === "inconclusive" ? [] : [at];
    this.#database.run(sql, id, location, verdict, ...values);
  }

  /** Notes that nothing is stored at a place any more, which is as it should be. */
  forget(id: string, location: string): void {
    this.#database.run("DELETE FROM proofs WHERE id = ? AND location = ?", id, location);
  }

  /** When the last drill that said something failed; `undefined`: it proved it, or there was none. */
  failed(id: string, location: string): Date | undefined {
    // What cannot be looked at later on takes no failure back.
    const sql = `SELECT drilled FROM proofs
      WHERE id = ? AND location = ? AND drilled IS NOT proven`;
    return dateOf(
      this.#database.get<{ drilled: string | null }>(sql, id, location)?.drilled ?? null,
    );
  }

  /** All that is known of a place. */
  at(location: string): Proof[] {
    const rows = this.#database.all<Record<keyof Proof, string | null>>(
      "SELECT * FROM proofs WHERE location = ? ORDER BY id",
      location,
    );
    return rows.map((row): Proof => ({
      id: row.id!,
      location: row.location!,
      since: new Date(row.since!),
      proven: dateOf(row.proven),
      drilled: dateOf(row.drilled),
      verdict: row.verdict as Verdict | null ?? undefined,
    }));
  }
}

/**
 * Whether it is time for another drill: now, or nearer to now than to the next run. A drill is noted
 * later than it was asked for, so that exactly a week later it is not yet a week old. Pure.
 *
 * @param gap Milliseconds until the next run, as is usual; 0 when nothing tells.
 */
export function isDrillDue(
  { drilled }: Pick<Proof, "drilled">,
  every: number,
  now: Date,
  gap: number,
): boolean {
  const least = Math.min(NOTING, every / 24);
  const early = Math.min(Math.max(least, gap / 2), every / 2);
  return drilled === undefined || isPast(drilled, every - early, now);
}

/** What a run may take until it notes a drill. */
const NOTING = 3_600_000;

/** Whether it was not proven for longer than it may be. Pure. */
export function isOverdue(
  { since, proven }: Pick<Proof, "since" | "proven">,
  max: number,
  now: Date,
): boolean {
  return isPast(proven ?? since, max, now);
}

/** What lies ahead of the clock by more than clocks differ was noted by a clock that was wrong. */
function isPast(moment: Date, span: number, now: Date): boolean {
  const age = now.getTime() - moment.getTime();
  return age > span || age < -TOLERANCE;
}

const TOLERANCE = 86_400_000;

function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text);
}
