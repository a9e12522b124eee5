/**
 * What the catalog remembers of the runs before.
 *
 * @module
 */
import { Catalog } from "../catalog.ts";
import type { Pipeline } from "../config/pipeline.ts";
import type { Failure, RunReport } from "../events.ts";

/** When a run was at work, and how it ended. */
export interface RunRecord {
  readonly run: number;
  readonly started: Date;
  readonly finished: Date;
  /** Exit status. */
  readonly status: number;
  /** What ended it before it came to a report. */
  readonly failure?: Failure;
}

/** How a run ended, and all that is known of it. */
export interface Ending extends RunRecord {
  /** `undefined`: it came to none, or that is damaged. */
  readonly report: RunReport | undefined;
}

/** Runs that were killed, or whose machine was. */
export interface CutOff {
  readonly count: number;
  /** When the first of them began. */
  readonly since: Date;
}

/** The newest run that counts as one that was due: a backup, or one that an error kept from that. */
export function lastAttempt(pipeline: Pick<Pipeline, "state">): RunRecord | undefined {
  return recall(pipeline, (catalog) => catalog.runs.lastAttempt());
}

/** What the newest run reported; `undefined` when none is known that came to a report. */
export function lastReport(pipeline: Pick<Pipeline, "state">): RunReport | undefined {
  return recall(pipeline, (catalog) => catalog.runs.lastReport());
}

/**
 * How a run ended; left out, the newest that is known to have.
 *
 * @throws {BackupError} What the disk has against the catalog.
 */
export function endingOf({ state }: Pick<Pipeline, "state">, run?: number): Ending | undefined {
  return lookAt(Catalog.openToTell(state), (catalog) => catalog.runs.ending(run));
}

function recall<T>(
  { state }: Pick<Pipeline, "state">,
  look: (catalog: Catalog) => T | undefined,
): T | undefined {
  return lookAt(Catalog.openIfThere(state), look);
}

function lookAt<T>(
  catalog: Catalog | undefined,
  look: (catalog: Catalog) => T | undefined,
): T | undefined {
  using _ = catalog;
  return catalog && look(catalog);
}
