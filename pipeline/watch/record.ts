/**
 * What the catalog remembers for those who watch: troubles, who was told of them, and when each
 * destination was last known to hold what it should. A part of the catalog.
 *
 * @module
 */
import type { Database, Run } from "../catalog/database.ts";
import type { RunReport } from "../events.ts";
import {
  type Observation,
  pauseBefore,
  type Sighting,
  type Subject,
  type Told,
  type Trouble,
  update,
  usualGap,
} from "./troubles.ts";

/** Makes the tables. */
export const WATCH_SCHEMA = `
  CREATE TABLE IF NOT EXISTS troubles (
    subject TEXT PRIMARY KEY, since TEXT NOT NULL, message TEXT NOT NULL, hint TEXT NOT NULL,
    passing INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS told (
    channel TEXT NOT NULL, subject TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (channel, subject)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS confirmed (
    id TEXT NOT NULL, location TEXT NOT NULL, time TEXT NOT NULL, PRIMARY KEY (id, location)
  ) STRICT;
`;

/** What a place holds of a snapshot. */
export interface Held {
  readonly count: number;
  readonly bytes: number;
  /** `<stamp>-<hash>`. */
  readonly newest: string | undefined;
  /** How many it was given besides, and did not have when somebody last looked. */
  readonly missing: number;
}

/** Of a place that was never given anything. */
export const NOTHING: Held = { count: 0, bytes: 0, newest: undefined, missing: 0 };

/** Runs that tell what is usual. */
const USUAL = 21;

/** Of runs: those that were no dry ones. */
export const NO_TRIAL = `id NOT IN (SELECT run FROM trials)
  AND (report IS NULL OR NOT json_valid(report) OR COALESCE(report ->> 'dryRun', 0) = 0)`;

/** The record. Whoever writes holds the pipeline's lock, or is the last to write. */
export class WatchRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What is wrong, the oldest first. */
  get troubles(): Trouble[] {
    type Row = { subject: Subject; since: string; message: string; hint: string; passing: number };
    return this.#database.all<Row>("SELECT * FROM troubles ORDER BY since").map((row) => ({
      ...row,
      since: new Date(row.since),
      hint: row.hint === "" ? undefined : row.hint,
      passing: row.passing === 1,
    }));
  }

  /**
   * Notes what a run showed.
   *
   * @param watched Whether anybody is told: what is over as it is told is kept for them alone.
   */
  note(observation: Observation, now: Date, watched: boolean): void {
    // A catalog that is damaged shows it here, and not half way through.
    if (this.troubles.length === 0 && observation.seen.length === 0) return;
    this.#database.transaction((run) => {
      // Again: a drill may be noting something too.
      const before = this.troubles;
      const after = update(before, observation, now).filter(({ passing }) => watched || !passing);
      if (before.length === 0 && after.length === 0) return;
      run("DELETE FROM troubles");
      for (const { subject, since, message, hint, passing } of after) {
        const sql = "INSERT INTO troubles VALUES (?, ?, ?, ?, ?)";
        run(sql, subject, since.toISOString(), message, hint ?? "", Number(passing));
      }
    });
  }

  /** Notes that something was seen, and leaves all else as it is. */
  raise({ subject, message, hint = "", since }: Sighting, now: Date): void {
    const sql = `INSERT INTO troubles VALUES (?, ?, ?, ?, 0)
      ON CONFLICT (subject) DO UPDATE SET message = excluded.message, hint = excluded.hint`;
    this.#database.run(sql, subject, (since ?? now).toISOString(), message, hint);
  }

  /** Notes that one thing is well, or not there any more. */
  end(subject: Subject): void {
    this.#database.run("DELETE FROM troubles WHERE subject = ?", subject);
  }

  /** What seems to be lost of a snapshot id may be gone: it is over, and those who know hear how. */
  accept(id: string): void {
    const prefix = `loss ${id}/`;
    this.#database.transaction((run) => {
      run(
        `UPDATE OR REPLACE told SET subject = 'accepted ' || substr(subject, ?1)
          WHERE substr(subject, 1, ?2) = ?3 AND subject IN (SELECT subject FROM troubles)`,
        "loss ".length + 1,
        prefix.length,
        prefix,
      );
      run("DELETE FROM troubles WHERE substr(subject, 1, ?) = ?", prefix.length, prefix);
    });
  }

  /** What a channel was told. */
  told(channel: string): Told[] {
    const sql = "SELECT subject, since FROM told WHERE channel = ?";
    return this.#database.all<{ subject: Subject; since: string }>(sql, channel)
      .map(({ subject, since }) => ({ subject, since: new Date(since) }));
  }

  /** Notes that a channel knows of exactly these. */
  noteTold(channel: string, troubles: readonly Told[]): void {
    this.#database.transaction((run) => {
      run("DELETE FROM told WHERE channel = ?", channel);
      for (const { subject, since } of troubles) {
        run("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", channel, subject, since.toISOString());
      }
    });
  }

  /** Forgets channels that there are no more, and what has passed and all of these were told. */
  settle(channels: readonly string[]): void {
    const list = JSON.stringify(channels);
    this.#database.transaction((run) => {
      run("DELETE FROM told WHERE channel NOT IN (SELECT value FROM json_each(?))", list);
      const known = `SELECT COUNT(*) FROM told t WHERE t.subject = troubles.subject
        AND t.since = troubles.since`;
      run(`DELETE FROM troubles WHERE passing = 1 AND (${known}) >= ?`, channels.length);
    });
  }

  /** Notes which destinations hold what they should, within the transaction that ends a run. */
  confirm(run: Run, { dryRun, finished, snapshots }: RunReport): void {
    if (dryRun) return;
    for (const { id, destinations } of snapshots) {
      for (const { status, location } of destinations) {
        if (location === null || (status !== "ok" && status !== "unchanged")) continue;
        const sql = "INSERT OR REPLACE INTO confirmed VALUES (?, ?, ?)";
        run(sql, id, location, finished.toISOString());
      }
    }
  }

  /** When a destination was last known to hold what it should of a snapshot. */
  confirmed(id: string, location: string): Date | undefined {
    const sql = `SELECT time FROM confirmed WHERE id = ?1 AND location = ?2
      UNION ALL SELECT MAX(delivered) FROM deliveries WHERE id = ?1 AND location = ?2`;
    const times = this.#database.all<{ time: string | null }>(sql, id, location);
    const time = times.find((row) => row.time !== null)?.time;
    return time ? new Date(time) : undefined;
  }

  /**
   * What a place is known to hold of a snapshot, and is meant to: how many, and the newest's name.
   * What was not there when somebody last looked is counted by itself.
   */
  held(id: string, location: string): Held {
    const sql = `SELECT COUNT(*) FILTER (WHERE m.id IS NULL) AS count,
        COALESCE(SUM(bytes) FILTER (WHERE m.id IS NULL), 0) AS bytes,
        MAX(name) FILTER (WHERE m.id IS NULL) AS newest,
        COUNT(m.id) AS missing
      FROM deliveries d LEFT JOIN missing m USING (id, name, location)
      WHERE d.id = ? AND d.location = ? AND NOT EXISTS (
        SELECT 1 FROM removals r WHERE r.id = d.id AND r.name = d.name AND r.location = d.location
      )`;
    const { newest, ...counts } =
      this.#database.get<Omit<Held, "newest"> & { newest: string | null }>(sql, id, location) ??
        { ...NOTHING, newest: null };
    return { ...counts, newest: newest ?? undefined };
  }

  /**
   * When a snapshot there was last read back in full, by no drill that failed for what is in it. What
   * came before one was found damaged proves nothing any more.
   */
  proven(id: string, location: string): Date | undefined {
    const sql = `WITH own AS (
      SELECT rowid AS number, verified, status FROM verifications WHERE id = ?1 AND location = ?2
    ), damage AS (
      SELECT number, verified FROM own WHERE status = 'damaged' ORDER BY number DESC LIMIT 1
    ) SELECT MAX(time) AS time FROM (
      SELECT verified AS time FROM own
        WHERE status = 'ok' AND number > COALESCE((SELECT number FROM damage), 0)
      UNION ALL SELECT proven FROM proofs
        WHERE id = ?1 AND location = ?2 AND proven > COALESCE((SELECT verified FROM damage), '')
    )`;
    const time = this.#database.get<{ time: string | null }>(sql, id, location)?.time;
    return time ? new Date(time) : undefined;
  }

  /** When the last run began that ended, if that is unusually long ago for one that begins now. */
  pauseBefore(now: Date): Date | undefined {
    return pauseBefore(this.#starts(), now);
  }

  /** Milliseconds that usually lie between two runs; 0 when nothing tells. */
  usualGap(): number {
    return usualGap(this.#starts());
  }

  /** When the latest runs began that came to an end, the newest first. */
  #starts(): Date[] {
    const sql = `SELECT started FROM runs WHERE finished IS NOT NULL AND ${NO_TRIAL}
      ORDER BY id DESC LIMIT ?`;
    const rows = this.#database.all<{ started: string }>(sql, USUAL);
    return rows.map(({ started }) => new Date(started));
  }
}
