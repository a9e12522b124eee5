/**
 * Runs a pipeline: everything in order, every destination on its own fate.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError } from "../stages/errors.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import type { Listener, RunReport } from "./events.ts";
import { acquireLock } from "./lock.ts";
import { destinationsOf, routesOf } from "./routes.ts";
import { forgetWatch, hasCatalog, makeStateDirectory } from "./state_directory.ts";
import { WorkerPool } from "./worker/pool.ts";

/** How to run. */
export interface RunOptions {
  /** Everything but destinations. */
  readonly dryRun?: boolean;
  /** Ids of the stages to run, with what they need above them; `undefined`: all. */
  readonly only?: readonly string[] | undefined;
  /** Past the gate: every destination gets a copy. */
  readonly force?: boolean;
  /** What the user says of this run. */
  readonly message?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: Listener | undefined;
  readonly clock?: () => Date;
}

/**
 * Makes a backup.
 *
 * @throws {BackupError} Before anything is sent: `usage`, `source-missing`, `run-in-progress`;
 *   `interrupted` or whatever the signal's reason is. What goes wrong later is part of the report.
 */
export async function runPipeline(
  pipeline: Pipeline,
  options: RunOptions = {},
): Promise<RunReport> {
  const only = selectionOf(pipeline, options.only);
  await makeStateDirectory(pipeline.state);
  using _lock = await acquireLock(join(pipeline.state, "lock"));
  if (pipeline.watch === undefined) forgetWatch(pipeline.state);
  using workers = new WorkerPool(pipeline.state); // They end before others may begin.
  // The first workers come up while the rest is made ready.
  const [first] = routesOf(pipeline.stages);
  if (first !== undefined && destinationsOf(first, only).length > 0) {
    // What was never stored will be, and what encrypts takes longest to load.
    const transforms = first.steps.filter(({ stage }) => stage.stage.kind === "transform");
    const isFirst = !hasCatalog(pipeline.state);
    for (const { stage } of isFirst ? transforms : []) workers.get(stage, { ahead: "run" });
    workers.get(first.source, { ahead: isFirst ? "run" : "scan" });
  }
  const { runLocked } = await import(LOCKED_RUN) as typeof import("./run/locked.ts");
  return await runLocked(pipeline, only, workers, options);
}

/**
 * All that a run does while it holds the lock, by its address: what a plain import names is read
 * before anything is done, and this can be read while the first workers come up.
 */
const LOCKED_RUN = new URL("./run/locked.ts", import.meta.url).href;

/** Whether a stage can be asked for by itself: the others decide nothing on their own. */
export function runsAlone({ stage }: PipelineStage): boolean {
  return stage.kind !== "gate" && stage.kind !== "transform";
}

/** @throws {BackupError} `usage` for a stage that is not there or decides nothing on its own. */
function selectionOf(
  { stages }: Pipeline,
  only: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (only === undefined || only.length === 0) return undefined;
  const ids = stages.filter(runsAlone).map(({ id }) => id);
  for (const id of only) {
    if (ids.includes(id)) continue;
    const there = stages.some((stage) => stage.id === id);
    const state = there ? "it does nothing on its own" : "there is no such stage";
    throw new BackupError("usage", `Cannot run only "${id}": ${state}`, {
      hint: `Name one of ${ids.map((known) => `"${known}"`).join(", ")}`,
    });
  }
  return new Set(only);
}
