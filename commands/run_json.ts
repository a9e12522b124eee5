/**
 * What `run --json` prints.
 *
 * @module
 */
import type { RunReport } from "../pipeline/events.ts";
import { drillJson, unprovenJson } from "./drill_json.ts";
import { horizonReportJson } from "./horizon_json.ts";
import { roundSeconds } from "./json.ts";
import { pruningJson } from "./pruning_json.ts";
import { suspicionJson } from "./suspicion_json.ts";

/** The same, where no run was called for. */
export function noRunJson(message: string, dryRun: boolean, now: Date): unknown {
  const time = now.toISOString();
  return {
    ...{ ok: true, run: null, dry_run: dryRun, started: time, finished: time },
    ...{ stages: [], snapshots: [], message },
  };
}

/** A run's report, as it is printed. */
export function runJson(report: RunReport): unknown {
  return {
    ok: report.ok,
    run: report.run,
    dry_run: report.dryRun,
    started: report.started.toISOString(),
    finished: report.finished.toISOString(),
    stages: report.stages.map(({ id, use, status, message, seconds }) => (
      { id, use, status, message, seconds: roundSeconds(seconds) }
    )),
    // Where there is one: what failed that is no stage's own.
    ...(report.failure && { failure: report.failure }),
    snapshots: report.snapshots.map((snapshot) => ({
      id: snapshot.id,
      name: snapshot.name,
      content_hash: snapshot.contentHash,
      files: snapshot.files,
      bytes: snapshot.bytes,
      ...(snapshot.secrets && {
        secrets: snapshot.secrets.map(({ rule, path, line, count, fingerprint }) => (
          { rule, path, line, count, fingerprint }
        )),
      }),
      unreadable: snapshot.unreadable.map(({ path, reason }) => ({ path, reason })),
      destinations: snapshot.destinations.map(({ id, status, location, message, missing }) => (
        { id, status, location, message, ...(missing?.count && { missing: missing.count }) }
      )),
      ...(snapshot.suspect && {
        suspect: suspicionJson({ id: snapshot.id, ...snapshot.suspect }),
      }),
    })),
    ...(report.pruned && { pruned: report.pruned.map(pruningJson) }),
    ...(report.drills && { drills: report.drills.map(drillJson) }),
    ...(report.unproven && { unproven: report.unproven.map(unprovenJson) }),
    ...(report.horizon && { horizon: horizonReportJson(report.horizon) }),
  };
}
