/**
 * The purge horizon as `--json` prints it.
 *
 * @module
 */
import { endangered, type Horizon, type HorizonReport, NOTICE_MS } from "../pipeline/horizon.ts";

/** What a run says of it. */
export function horizonReportJson(
  { withinHours, endangered, paused, unseen }: HorizonReport,
): unknown {
  return {
    within_hours: withinHours,
    endangered: endangered.map(({ path, goes, preserved }) => ({
      path,
      goes: goes.toISOString(),
      preserved,
    })),
    paused: paused.map(({ path, reason }) => ({ path, reason })),
    unseen: unseen.map(({ path, reason }) => ({ path, reason })),
  };
}

/** All of it: each conversation with its day, and where it is by then. */
export function horizonJson(horizon: Horizon): unknown {
  return {
    within_hours: NOTICE_MS / 3_600_000,
    sweeps: horizon.sweeps.map(({ home, days, file, paused }) => ({
      ...{ folder: home, days, file: file ?? null },
      paused: paused === undefined ? null : { path: paused.path, reason: paused.reason },
    })),
    endangered: endangered(horizon).map(({ path }) => path),
    unseen: horizon.unseen.map(({ path, reason }) => ({ path, reason })),
    conversations: horizon.conversations.map((one) => ({
      path: one.path,
      preserved: one.preserved,
      changed: one.changed.toISOString(),
      goes: one.goes.toISOString(),
      paused: one.paused,
      destinations: one.destinations,
    })),
  };
}
