/**
 * The library: load a pipeline file, look at it, run it, and see to what it stored. What it throws is
 * a {@linkcode BackupError}, with the exit status that a command would end with.
 *
 * Commands take each module by itself instead, so that none loads what it does not need.
 *
 * @module
 */
export { BackupError } from "./errors.ts";
export type { Pipeline, PipelineStage } from "./config/pipeline.ts";
export {
  findPipelineFile,
  type LoadOptions,
  loadPipeline,
  PipelineError,
  type Search,
} from "./config/load.ts";
export type { Event, Failure, Listener, RunReport } from "./events.ts";

export { type Plan, type PlannedStage, planOf } from "./plan.ts";
export { type Forecast, forecast, type ForecastOptions } from "./forecast.ts";
export { type RunOptions, runPipeline } from "./run.ts";
export { tellOfFile, type Watched, type WatchOptions, watchRun } from "./watch/watcher.ts";
export { type Status, statusOf } from "./status.ts";
export {
  type Ending,
  endingOf,
  lastAttempt,
  lastReport,
  type RunRecord,
} from "./catalog/history.ts";

export type { Lookup } from "./find_copies.ts";
export {
  type Contents,
  type Listing,
  listSnapshots,
  readSnapshot,
  type StoredSnapshot,
} from "./list.ts";
export { type RestoreOptions, type RestoreReport, restoreSnapshot } from "./restore.ts";
export { type VerifyOptions, type VerifyReport, verifySnapshots } from "./verify.ts";
export { type DrillOptions, drillPipeline, type DrillReport } from "./drill.ts";

export { type PruneOptions, prunePipeline, type PruneReport } from "./prune.ts";
export { acceptLosses, type OpenSuspicion, openSuspicions } from "./accept.ts";
export { type RekeyOptions, rekeyPipeline, type RekeyReport } from "./rekey.ts";
export { type KeyWarning, lookAtKeys, proveKeys } from "./keys.ts";
