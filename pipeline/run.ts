/**
 * Runs a pipeline: everything in order, every destination on its own fate.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError, FAILURES, statusOf, toRecord } from "../stages/errors.ts";
import { backUp, type BackupContext } from "./backup.ts";
import { Catalog } from "./catalog.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import type { Listener, RunReport, SnapshotReport } from "./events.ts";
import { ownPlaces, spoolDirectory } from "./grants.ts";
import { acquireLock } from "./lock.ts";
import { type Route, routesOf } from "./routes.ts";
import { Spool } from "./spool.ts";
import { StageLog } from "./stage_log.ts";
import { WorkerPool } from "./worker_pool.ts";

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
  const { clock = () => new Date(), signal } = options;
  const only = selectionOf(pipeline, options.only);
  await makeStateDirectory(pipeline.state);
  const lock = await acquireLock(join(pipeline.state, "lock"));
  using workers = new WorkerPool(pipeline.state);
  // The first worker comes up while the rest of this is made ready.
  const [first] = routesOf(pipeline.stages);
  if (first !== undefined && destinationsOf(first, only).length > 0) workers.get(first.source);
  try {
    const started = clock();
    const log = new StageLog(options.listener);
    const sayDamaged = (aside: string) =>
      log.say(
        "warn",
        undefined,
        `The catalog was damaged and begun anew; the old one is "${aside}"`,
      );
    const catalog = Catalog.open(pipeline.state, sayDamaged, started);
    const run = catalog.beginRun(started);
    const spool = await Spool.open(spoolDirectory(pipeline.state));
    try {
      const context: BackupContext = {
        pipeline: pipeline.name,
        run,
        dryRun: options.dryRun ?? false,
        force: options.force ?? false,
        message: options.message,
        signal,
        catalog,
        spool,
        workers,
        log,
        clock,
        host: Deno.hostname(),
        stages: pipeline.stages,
        avoid: ownPlaces(pipeline.stages, pipeline.state),
      };
      const snapshots = await runStages(pipeline, only, context);
      signal?.throwIfAborted();
      const stages = log.reports(pipeline.stages);
      const failed = stages.some(({ status }) => status === "failed") ||
        snapshots.some(({ unreadable }) => unreadable.length > 0);
      const status = failed ? FAILURES["stage-failed"].status : 0;
      const { dryRun } = context;
      const ok = status === 0;
      const finished = clock();
      const report = { ok, run, dryRun, started, finished, stages, snapshots, status };
      catalog.finishRun(report);
      return report;
    } catch (error) {
      catalog.abandonRun(run, clock(), statusOf(error));
      throw error;
    } finally {
      await spool.empty();
      catalog.close();
    }
  } finally {
    lock.release();
  }
}

/** The stages from top to bottom; a source goes through all that stands below it. */
async function runStages(
  { stages }: Pipeline,
  only: ReadonlySet<string> | undefined,
  context: BackupContext,
): Promise<SnapshotReport[]> {
  const routes = new Map(routesOf(stages).map((route) => [route.source.id, route]));
  const reports: SnapshotReport[] = [];
  const failures: unknown[] = [];
  for (const stage of stages) {
    context.signal?.throwIfAborted();
    const route = routes.get(stage.id);
    try {
      if (stage.stage.kind === "prepare" && (only?.has(stage.id) ?? true)) {
        await prepare(stage, context);
      } else if (route !== undefined) {
        const destinations = destinationsOf(route, only);
        if (destinations.length > 0) reports.push(await backUp(route, destinations, context));
      }
    } catch (error) {
      if (context.signal?.aborted || toRecord(error).code === "bug") throw error;
      context.log.fail(stage, error);
      failures.push(error);
    }
  }
  // Nothing could even be begun: the request is wrong, and nothing was sent.
  const [first] = failures;
  if (reports.length === 0 && first !== undefined && statusOf(first) === FAILURES.usage.status) {
    throw first;
  }
  return reports;
}

async function prepare(
  stage: PipelineStage,
  { log, signal, workers }: BackupContext,
): Promise<void> {
  log.start(stage);
  await workers.get(stage).call({ operation: "run", context: { options: stage.options } }, {
    signal,
    onLog: (level, message) => log.say(level, stage.id, message),
    onProgress: (done, total) => log.progress(stage.id, done, total),
  });
  log.finish(stage, "ok", "");
}

/** The destinations of a route that are to get something: all, or those that were asked for. */
function destinationsOf({ source, steps }: Route, only: ReadonlySet<string> | undefined) {
  const all = steps.filter(({ stage }) => stage.stage.kind === "destination");
  if (only === undefined || only.has(source.id)) return all;
  return all.filter(({ stage }) => only.has(stage.id));
}

/** @throws {BackupError} `usage` for a stage that is not there or decides nothing on its own. */
function selectionOf(
  { stages }: Pipeline,
  only: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (only === undefined || only.length === 0) return undefined;
  const runnable = stages.filter(({ stage }) =>
    stage.kind !== "gate" && stage.kind !== "transform"
  );
  const ids = runnable.map(({ id }) => id);
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

async function makeStateDirectory(state: string): Promise<void> {
  try {
    await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackupError("pipeline-invalid", `Cannot make "${state}" as state: ${reason}`, {
      hint: 'Choose another directory with "state" under [pipeline]',
      cause,
    });
  }
}
