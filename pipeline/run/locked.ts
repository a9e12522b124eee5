/**
 * What a run does while it holds the lock.
 *
 * @module
 */
import type { Team } from "../../stages/contract.ts";
import {
  type BackupError,
  FAILURES,
  messageOf,
  stateOf,
  statusOf,
  toRecord,
} from "../../stages/errors.ts";
import { Catalog, sayPutAside } from "../catalog.ts";
import type { Pipeline, PipelineStage } from "../config/pipeline.ts";
import type { Failure, Listener, Pruning, RunReport, SnapshotReport } from "../events.ts";
import { ownPlaces, spoolDirectory } from "../grants.ts";
import {
  type Horizon,
  lookAtHorizon,
  NOTICE_MS,
  reportOf,
  seeConversations,
  type Sighting,
} from "../horizon.ts";
import { findForeign, type KeyWarning, lookAtKeys } from "../keys.ts";
import { redactError, redactorFor } from "../redact.ts";
import { destinationsOf, routesOf } from "../routes.ts";
import type { RunOptions } from "../run.ts";
import { clearScratch } from "../scratch.ts";
import { unreadFailure } from "../unread.ts";
import { observe, sightingOfCutOff, sightingOfPause } from "../watch/troubles.ts";
import { clearFolders } from "../worker/equipment.ts";
import type { WorkerPool } from "../worker/pool.ts";
import { backUp, type BackupContext, reportLost } from "./backup.ts";
import { leaveDoubts, leaveFacts, type RunEnd } from "./leave_facts.ts";
import { runPrepare } from "./preparing.ts";
import { Spool } from "./spool.ts";
import { StageLog } from "./stage_log.ts";

/**
 * Goes through the stages, and sees to all that follows.
 *
 * @param workers May be on their way up.
 * @throws {BackupError} As {@linkcode runPipeline} does, which alone calls it.
 */
export async function runLocked(
  pipeline: Pipeline,
  only: ReadonlySet<string> | undefined,
  workers: WorkerPool,
  options: RunOptions,
): Promise<RunReport> {
  const { clock = () => new Date(), dryRun = false, force = false, message, signal } = options;
  const started = clock();
  const redact = redactorFor(pipeline, Deno.env);
  const log = new StageLog(options.listener, redact);
  const sayDamaged = (aside: string) => log.say("warn", undefined, sayPutAside(aside));
  const catalog = Catalog.open(pipeline.state, sayDamaged, started);
  let run: number | undefined;
  let spool: Spool | undefined;
  const isFirst = catalog.runs.lastBackup() === undefined;
  const warnings = lookAtKeys(pipeline);
  warnings.catch(() => {}); // Waited for below.
  try {
    const pause = catalog.watch.pauseBefore(started);
    run = begin(catalog, started, dryRun, log);
    if (pause !== undefined) log.say("warn", undefined, sightingOfPause(pause, started).message);
    spool = await Spool.open(spoolDirectory(pipeline.state));
    await clearScratch(pipeline.state);
    if (!dryRun) await clearFolders(pipeline);
    const { stages, name, state, knownSecrets } = pipeline;
    const context: BackupContext = {
      ...{ pipeline: name, state, knownSecrets, run, dryRun, force, message, stages },
      ...{ catalog, spool, workers, signal, log, clock },
      host: Deno.hostname(),
      avoid: ownPlaces(stages, state),
    };
    const running = runStages(pipeline, only, context);
    // While workers are at work, this thread has time.
    const seeing = inAMoment(() => seeConversations(pipeline));
    const told = await running;
    signal?.throwIfAborted();
    await tellOfKeys(pipeline, await warnings, isFirst, log);
    const snapshots = distrust(told, context);
    // Before anything older is removed.
    const proof = await prove(pipeline, context);
    const pruned = await pruneAfter(pipeline, snapshots, context);
    const within = dryRun ? NOTICE_MS : AHEAD_MS;
    const horizon = await lookAhead(pipeline, context, within, seeing);
    const finished = clock();
    const report = {
      ...{ run, dryRun, started, finished, stages: log.reports(stages), snapshots },
      ...(only !== undefined && { partial: true as const }),
      ...(pruned.length > 0 && { pruned }),
      ...proof,
      ...(horizon && { horizon: reportOf(horizon) }),
      ...(pause !== undefined && { pause }),
    };
    note(pipeline, report, context);
    const outcome = judged(report, log.failureAside);
    const isWhole = only === undefined;
    if (!dryRun) leave(pipeline, catalog, { finished, outcome, isWhole, horizon }, log);
    return outcome;
  } catch (thrown) {
    const error = redactError(thrown, redact);
    if (!dryRun) {
      const end = { finished: clock(), outcome: { error }, isWhole: false, horizon: undefined };
      leave(pipeline, catalog, end, log);
    }
    if (run !== undefined) abandon(catalog, run, error, { dryRun, clock, log });
    throw error;
  } finally {
    workers[Symbol.dispose](); // What they were writing must not come after what follows.
    // The next run empties it too.
    await spool?.empty().catch((error) => log.say("warn", undefined, messageOf(error)));
    catalog[Symbol.dispose]();
  }
}

/** Notes that a run began, and tells of those that were cut off before it; answers its number. */
function begin(catalog: Catalog, started: Date, dryRun: boolean, log: StageLog): number {
  const cut = dryRun ? undefined : catalog.runs.cutOff();
  const sighting = cut && sightingOfCutOff(cut);
  if (sighting !== undefined) catalog.watch.raise(sighting, started);
  const run = catalog.runs.begin(started, dryRun);
  log.tell({ type: "run-started", run, started, ...(cut && { cutOff: cut.count }) });
  if (sighting !== undefined) {
    log.say("warn", undefined, `${sighting.message}. ${sighting.hint}`);
  }
  return run;
}

async function tellOfKeys(
  pipeline: Pipeline,
  warnings: readonly KeyWarning[],
  isFirst: boolean,
  log: StageLog,
): Promise<void> {
  const foreign = await findForeign(pipeline, { believe: true });
  for (const { code, message, hint } of [...warnings, ...foreign]) {
    if (code !== "one-recipient") log.say("warn", undefined, `${message}. ${hint}`);
    // Of what was decided once, nobody wants to hear each night: plan goes on telling.
    else if (isFirst) log.say("info", undefined, `Note: ${message}. ${hint}`);
  }
}

/** Notes how a run ended. Where that fails, whoever asked for it still hears of all that was done. */
function note(
  pipeline: Pipeline,
  report: Parameters<typeof judged>[0],
  { catalog, log }: Pick<BackupContext, "catalog" | "log">,
): void {
  try {
    const known = judged(report, log.failureAside);
    catalog.runs.finish(known);
    catalog.watch.note(observe(known), report.finished, pipeline.watch !== undefined);
  } catch (error) {
    log.failAside(error);
  }
}

/** Notes what ended a run. Where that fails, it is still the error that is told. */
function abandon(
  catalog: Catalog,
  run: number,
  error: unknown,
  { dryRun, clock, log }: Pick<BackupContext, "dryRun" | "clock" | "log">,
): void {
  try {
    const failure = failureOf(error);
    catalog.runs.abandon(run, clock(), failure);
    // It came to an end of its own.
    if (!dryRun && failure.code !== "interrupted") catalog.watch.end("ending");
  } catch (fault) {
    log.say("warn", undefined, messageOf(fault));
  }
}

/** Drills what is due, and tells what is overdue. */
async function prove(
  pipeline: Pipeline,
  { catalog, dryRun, signal, log, clock }: BackupContext,
): Promise<Pick<RunReport, "drills" | "unproven">> {
  const isMeant = pipeline.drillEvery !== undefined ||
    pipeline.stages.some(({ drillEvery, maxUnproven }) =>
      (drillEvery ?? maxUnproven) !== undefined
    );
  if (dryRun || log.failureAside !== undefined || !isMeant) return {};
  const { drillAfterRun, findUnproven } = await import("../drill.ts");
  const listener: Listener = (event) => log.tell(event);
  const drills = await drillAfterRun(pipeline, { catalog, signal, listener, clock });
  const unproven = findUnproven(pipeline, catalog, clock());
  return { ...(drills.length > 0 && { drills }), ...(unproven.length > 0 && { unproven }) };
}

/** Removes what the policies of destinations do not keep. */
async function pruneAfter(
  pipeline: Pipeline,
  snapshots: readonly SnapshotReport[],
  context: BackupContext,
): Promise<Pruning[]> {
  const isMeant = pipeline.stages.some(({ retention }) => retention !== undefined);
  if (context.dryRun || context.log.failureAside !== undefined || !isMeant) return [];
  const { pruneAfter } = await import("../prune/after_run.ts");
  return await pruneAfter(pipeline, snapshots, context);
}

/** Hooks that know nothing take nothing from a run. */
function leave(pipeline: Pipeline, catalog: Catalog, end: RunEnd, log: StageLog): void {
  try {
    leaveFacts(pipeline, end);
    leaveDoubts(pipeline, catalog);
  } catch (error) {
    log.say("warn", undefined, `Cannot leave word for hooks: ${stateOf(error)}`);
  }
}

/** Until then, hooks go by what a run has seen. */
const AHEAD_MS = 7 * 86_400_000;

/** What Claude Code deletes before long. Whatever is wrong with that takes nothing from the run. */
async function lookAhead(
  pipeline: Pipeline,
  { catalog, log, clock }: BackupContext,
  within: number,
  seeing: Promise<Sighting>,
): Promise<Horizon | undefined> {
  try {
    return lookAtHorizon(pipeline, catalog, clock(), within, await seeing);
  } catch (error) {
    log.say("warn", undefined, `Cannot tell what Claude Code deletes next: ${messageOf(error)}`);
  }
}

/** Does it when what is to be done at once is done. Whoever waits for it hears of a failure. */
function inAMoment<T>(work: () => T): Promise<T> {
  const done = new Promise<void>((resolve) => void setTimeout(resolve)).then(work);
  done.catch(() => {});
  return done;
}

/** What a destination said whose worker failed right after counts for nothing. */
function distrust(
  snapshots: readonly SnapshotReport[],
  { stages, workers, log }: BackupContext,
): SnapshotReport[] {
  const late = new Map(workers.lateFailures().map(({ stage, failure }) => [stage.id, failure]));
  for (const stage of stages) if (late.has(stage.id)) log.fail(stage, late.get(stage.id));
  return snapshots.map((snapshot) => withFailures(snapshot, late));
}

function withFailures(
  snapshot: SnapshotReport,
  late: ReadonlyMap<string, BackupError>,
): SnapshotReport {
  const destinations = snapshot.destinations.map((delivery) => {
    const failure = late.get(delivery.id);
    if (failure === undefined) return delivery;
    const { code, message, hint } = failure;
    return {
      ...delivery,
      status: "failed" as const,
      location: null,
      message,
      failure: { code, message, hint },
    };
  });
  return { ...snapshot, destinations };
}

/** A report with what it amounts to. */
function judged(
  report: Omit<RunReport, "ok" | "status" | "failure">,
  failure: Failure | undefined,
): RunReport {
  const ok = failure === undefined &&
    report.stages.every(({ status }) => status !== "failed") &&
    report.snapshots.every(({ unreadable }) => unreadable.length === 0) &&
    (report.drills ?? []).every(({ verdict }) => verdict !== "failed") &&
    report.unproven === undefined;
  const status = ok ? 0 : FAILURES["stage-failed"].status;
  return { ...report, ok, status, ...(failure && { failure }) };
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
  let begun = false;
  for (const stage of stages) {
    context.signal?.throwIfAborted();
    const route = routes.get(stage.id);
    try {
      if (stage.stage.kind === "prepare" && (only?.has(stage.id) ?? true)) {
        await prepare(stage, context);
      } else if (route !== undefined) {
        const destinations = destinationsOf(route, only);
        if (destinations.length === 0) continue;
        reports.push(await backUp(route, destinations, context));
        begun = true;
      }
    } catch (error) {
      if (context.signal?.aborted) throw error;
      context.log.fail(stage, error);
      failures.push(error);
      if (route !== undefined) {
        reports.push(
          reportLost(route, destinationsOf(route, only), context.log.describe(error).message),
        );
      }
      const reason = `"${stage.id}" failed`;
      for (const step of route?.steps ?? []) context.log.finish(step.stage, "skipped", reason);
    }
  }
  const bug = failures.find((error) => toRecord(error).code === "bug");
  if (bug !== undefined) throw bug; // When the others have had their turn.
  // Nothing could even be begun: the request is wrong, and nothing was sent.
  const [first] = failures;
  if (!begun && first !== undefined && statusOf(first) === FAILURES.usage.status) {
    throw first;
  }
  return reports;
}

async function prepare(
  stage: PipelineStage,
  { log, signal, workers }: BackupContext,
): Promise<void> {
  log.start(stage);
  const workerFor = (role: Team["role"]) =>
    workers.get(stage, role === "helper" ? { role } : undefined);
  const result = await runPrepare(stage.stage, { options: stage.options, workerFor }, {
    signal,
    onLog: (level, message) => log.say(level, stage.id, message),
    onProgress: (done, total) => log.progress(stage.id, done, total),
  });
  workers.end(stage);
  const unread = unreadFailure(result);
  if (unread !== undefined) return log.fail(stage, unread);
  log.finish(stage, result?.unchanged ? "unchanged" : "ok", result?.message ?? "");
}

function failureOf(error: unknown): Failure {
  const { code, message, hint } = toRecord(error);
  return { code, message, hint };
}
