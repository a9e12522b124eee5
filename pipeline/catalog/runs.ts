/**
 * How runs went: when each began, how it ended and what it reported. A part of the catalog.
 *
 * @module
 */
import { type FailureCode, FAILURES } from "../../stages/errors.ts";
import type { Failure, RunReport } from "../events.ts";
import { NO_TRIAL, type WatchRecord } from "../watch/record.ts";
import type { Database } from "./database.ts";
import type { CutOff, Ending, RunRecord } from "./history.ts";

/** Makes the tables. */
export const RUNS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, status INTEGER, report TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS endings (
    run INTEGER PRIMARY KEY, code TEXT NOT NULL, message TEXT NOT NULL, hint TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS trials (run INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE IF NOT EXISTS stages (
    run INTEGER NOT NULL, id TEXT NOT NULL, use TEXT NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (run, id)
  ) STRICT;
`;

/** The runs that a catalog knows. */
export class RunRecords {
  readonly #database: Database;
  readonly #watch: WatchRecord;

  constructor(database: Database, watch: WatchRecord) {
    this.#database = database;
    this.#watch = watch;
  }

  /** Notes that a run began, and whether it is a dry one; answers its number. */
  begin(started: Date, dryRun = false): number {
    let number = 0;
    this.#database.transaction((run) => {
      const sql = "INSERT INTO runs (started) VALUES (?)";
      number = Number(run(sql, started.toISOString()).lastInsertRowid);
      if (dryRun) run("INSERT OR REPLACE INTO trials VALUES (?)", number);
    });
    return number;
  }

  /**
   * Runs that began after the last one that ended, and of which no end is noted. Whoever holds the
   * pipeline's lock, and has not begun yet, knows that they are dead.
   */
  cutOff(): CutOff | undefined {
    const sql = `SELECT COUNT(*) AS count, MIN(id), started FROM runs
      WHERE finished IS NULL AND ${NO_TRIAL} AND id > COALESCE(
        (SELECT MAX(id) FROM runs WHERE finished IS NOT NULL AND ${NO_TRIAL}), 0
      )`;
    const row = this.#database.get<{ count: number; started: string | null }>(sql);
    if (row === undefined || row.started === null) return undefined;
    return { count: row.count, since: new Date(row.started) };
  }

  /** When the newest run began, if no end of it is noted: it is at work, or was cut off. */
  open(): Date | undefined {
    const sql = `SELECT started, finished FROM runs WHERE ${NO_TRIAL} ORDER BY id DESC LIMIT 1`;
    const row = this.#database.get<{ started: string; finished: string | null }>(sql);
    return row === undefined || row.finished !== null ? undefined : new Date(row.started);
  }

  /** Notes how a run ended. */
  finish(report: RunReport): void {
    this.#database.transaction((run) => {
      run(
        // Not an update: the catalog may have been begun anew meanwhile.
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
        report.run,
        report.started.toISOString(),
        report.finished.toISOString(),
        report.status,
        JSON.stringify(report),
      );
      this.#watch.confirm(run, report);
      for (const { id, use, status, message, seconds } of report.stages) {
        run(
          "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?)",
          report.run,
          id,
          use,
          status,
          message,
          seconds,
        );
      }
    });
  }

  /** Notes what ended a run that comes to no report: it was interrupted or could not begin. */
  abandon(run: number, finished: Date, { code, message, hint }: Failure): void {
    this.#database.transaction((note) => {
      const sql = "UPDATE runs SET finished = ?, status = ? WHERE id = ?";
      note(sql, finished.toISOString(), FAILURES[code].status, run);
      note("INSERT OR REPLACE INTO endings VALUES (?, ?, ?, ?)", run, code, message, hint ?? "");
    });
  }

  /** The newest run that came to an end of its own, whatever that was. */
  last(): RunRecord | undefined {
    return this.#newest("COALESCE(report ->> 'dryRun', 0) = 0");
  }

  /** The newest run of everything that was neither a trial nor cut short. */
  lastBackup(): RunRecord | undefined {
    return this.#newest("report ->> 'dryRun' = 0 AND report ->> 'partial' IS NULL");
  }

  /**
   * The newest backup of everything, or run that an error ended: with what is missing, the next hour
   * would bring the same. What was interrupted is to be made up for.
   */
  lastAttempt(): RunRecord | undefined {
    return this.#newest(
      `(report ->> 'dryRun' = 0 AND report ->> 'partial' IS NULL
        OR report IS NULL AND code IS NOT NULL AND code != 'interrupted')`,
    );
  }

  /** How a run ended, with its report or with what kept it from one; left out, the newest that did. */
  ending(run?: number): Ending | undefined {
    const row = this.#newestEnding(run === undefined ? "TRUE" : "id = ?", run);
    if (row === undefined) return undefined;
    const sql = "SELECT report FROM runs WHERE id = ?";
    const report = this.#database.get<{ report: string | null }>(sql, row.id)?.report;
    return { ...recordOf(row), report: report ? revive(report) : undefined };
  }

  #newest(condition: string): RunRecord | undefined {
    const row = this.#newestEnding(`(report IS NULL OR json_valid(report)) AND ${condition}`);
    return row && recordOf(row);
  }

  #newestEnding(condition: string, ...values: readonly (number | undefined)[]): Row | undefined {
    return this.#database.get<Row>(
      // By number: a clock that was set back makes no older run the newest.
      `SELECT id, started, finished, status, code, message, hint
        FROM runs LEFT JOIN endings ON run = id
        WHERE finished IS NOT NULL AND ${condition} ORDER BY id DESC LIMIT 1`,
      ...values.filter((value) => value !== undefined),
    );
  }

  /** What the newest run reported that came to a report; `undefined`: none, or it is damaged. */
  lastReport(): RunReport | undefined {
    const row = this.#database.get<{ report: string }>(
      "SELECT report FROM runs WHERE report IS NOT NULL ORDER BY id DESC LIMIT 1",
    );
    return row && revive(row.report);
  }
}

/** A run as it stands in the catalog, with what ended it before it came to a report. */
interface Row {
  readonly id: number;
  readonly started: string;
  readonly finished: string;
  readonly status: number;
  readonly code: FailureCode | null;
  readonly message: string;
  readonly hint: string;
}

function recordOf({ id, started, finished, status, code, message, hint }: Row): RunRecord {
  const isKnown = code !== null && Object.hasOwn(FAILURES, code); // By this version.
  return {
    run: id,
    started: new Date(started),
    finished: new Date(finished),
    status,
    ...(isKnown && { failure: { code, message, hint: hint === "" ? undefined : hint } }),
  };
}

/** A report as it was noted, with its times. */
function revive(text: string): RunReport | undefined {
  try {
    return JSON.parse(
      text,
      (key, value) => TIMES.has(key) && ISO_REGEXP.test(value) ? new Date(value) : value,
    );
  } catch {
    return undefined;
  }
}

/** The keys of a report that are times. */
const TIMES = new Set(["started", "finished", "pause", "created", "since", "proven", "goes"]);
const ISO_REGEXP = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
