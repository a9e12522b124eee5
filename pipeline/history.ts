/**
 * What the catalog remembers of the runs before.
 *
 * @module
 */
import { Catalog } from "./catalog.ts";
import type { Pipeline } from "./config/pipeline.ts";
import type { RunReport } from "./events.ts";

/** When a run was at work, and how it ended. */
export interface RunRecord {
  readonly run: number;
  readonly started: Date;
  readonly finished: Date;
  /** Exit status. */
  readonly status: number;
}

/** The newest run that came to an end of its own; `undefined` when none is known. */
export function lastRun({ state }: Pick<Pipeline, "state">): RunRecord | undefined {
  const catalog = Catalog.openIfThere(state);
  try {
    return catalog?.lastRun();
  } finally {
    catalog?.close();
  }
}

/** The newest run of everything that was neither a trial nor cut short; `undefined`: none is known. */
export function lastBackup({ state }: Pick<Pipeline, "state">): RunRecord | undefined {
  const catalog = Catalog.openIfThere(state);
  try {
    return catalog?.lastBackup();
  } finally {
    catalog?.close();
  }
}

/** What the newest run reported; `undefined` when none is known that came to a report. */
export function lastReport({ state }: Pick<Pipeline, "state">): RunReport | undefined {
  const catalog = Catalog.openIfThere(state);
  try {
    return catalog?.lastReport();
  } finally {
    catalog?.close();
  }
}
