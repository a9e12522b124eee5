/**
 * What a run does while it holds the lock.
 *
 * @module
 */
import type { Team } from "../stages/contract.ts";
import { type BackupError, FAILURES, stateOf, statusOf, toRecord } from "../stages/errors.ts";
import { backUp, type BackupContext, reportLost } from "./backup.ts";
import { Catalog, sayPutAside } from "./catalog.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { clearFolders } from "./equipment.ts";
import type { Failure, Listener, RunReport, SnapshotReport } from "./events.ts";
import { ownPlaces, spoolDirectory } from "./grants.ts";
import {
  type Horizon,
  lookAtHorizon,
  NOTICE_MS,
  reportOf,
  seeConversations,
  type Sighting,
} from "./horizon.ts";
import { leaveDoubts, leaveFacts, type RunEnd } from "./leave_facts.ts";
import { findForeign, lookAtKeys } from "./keys.ts";
import { runPrepare } from "./preparing.ts";
import { redactError, redactorFor } from "./redact.ts";
import { destinationsOf, routesOf } from "./routes.ts";
import type { RunOptions } from "./run.ts";
import { clearScratch } from "./scratch.ts";
import { Spool } from "./spool.ts";
import { StageLog } from "./stage_log.ts";
import { unreadFailure } from "./unread.ts";
import { observe, sightingOfCutOff, sightingOfPause } from "./watch/troubles.ts";
import type { WorkerPool } from "./worker_pool.ts";

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
  const isFirst = catalog.lastBackup() === undefined;
  const warnings = lookAtKeys(pipeline);
  warnings.catch(() => {}); // Waited for below.
  try {
    const pause = catalog.watch.pauseBefore(started);
    const cut = dryRun ? undefined : catalog.cutOff();
    const sighting = cut && sightingOfCutOff(cut);
    if (sighting !== undefined) catalog.watch.raise(sighting, started);
    run = catalog.beginRun(started, dryRun);
    log.tell({ type: "run-started", run, started, ...(cut && { cutOff: cut.count }) });
    if (sighting !== undefined) {
      log.say("warn", undefined, `${sighting.message}. ${sighting.hint}`);
    }
    if (pause !== undefined) {
      log.say("warn", undefined, sightingOfPause(pause, started).message);
    }
    spool = await Spool.open(spoolDirectory(pipeline.state));
    await clearScratch(pipeline.state);
    if (!dryRun) await clearFolders(pipeline);
    const { stages, name, state } = pipeline;
    const host = Deno.hostname();
    const avoid = ownPlaces(stages, state);
    const { knownSecrets } = pipeline;
    const circumstances = {
      state,
      knownSecrets,
      run,
      dryRun,
      force,
      message,
      signal,
      log,
      clock,
      host,
      stages,
      avoid,
    };
    const running = runStages(pipeline, only, {
      pipeline: name,
      catalog,
      spool,
      workers,
      ...circumstances,
    });
    // While workers are at work, this thread has time.
    const seeing = inAMoment(() => seeConversations(pipeline));
    const told = await running;
    signal?.throwIfAborted();
    const foreign = await findForeign(pipeline, { believe: true });
    for (const { code, message, hint } of [...await warnings, ...foreign]) {
      if (code !== "one-recipient") log.say("warn", undefined, `${message}. ${hint}`);
      // Of what was decided once, nobody wants to hear each night: plan goes on telling.
      else if (isFirst) log.say("info", undefined, `Note: ${message}. ${hint}`);
    }
    const late = new Map(workers.lateFailures().map(({ stage, failure }) => [stage.id, failure]));
    for (const stage of stages) if (late.has(stage.id)) log.fail(stage, late.get(stage.id));
    const snapshots = told.map((snapshot) => distrust(snapshot, late));
    // Before anything older is removed.
    const proves = !dryRun && log.failureAside === undefined &&
      (pipeline.drillEvery !== undefined ||
        stages.some(({ drillEvery, maxUnproven }) => (drillEvery ?? maxUnproven) !== undefined));
    const proof = proves ? await prove(pipeline, { catalog, signal, log, clock }) : undefined;
    const prunes = !dryRun && log.failureAside === undefined &&
      stages.some(({ retention }) => retention !== undefined);
    const pruned = prunes
      ? await (await import("./prune_after.ts"))
        .pruneAfter(pipeline, snapshots, { catalog, workers, signal, log, clock, host })
      : [];
    const within = dryRun ? NOTICE_MS : AHEAD_MS;
    const horizon = await lookAhead(pipeline, catalog, log, clock(), within, seeing);
    const finished = clock();
    const report = {
      ...{ run, dryRun, started, finished, stages: log.reports(stages), snapshots },
      ...(only !== undefined && { partial: true as const }),
      ...(pruned.length > 0 && { pruned }),
      ...proof,
      ...(horizon && { horizon: reportOf(horizon) }),
      ...(pause !== undefined && { pause }),
    };
    try {
      const known = judged(report, log.failureAside);
      catalog.finishRun(known);
      catalog.watch.note(observe(known), finished, pipeline.watch !== undefined);
    } catch (error) {
      log.failAside(error); // Whoever asked for the run still hears of all that was done.
    }
    const outcome = judged(report, log.failureAside);
    const isWhole = only === undefined;
    if (!dryRun) leave(pipeline, catalog, { finished, outcome, isWhole, horizon }, log);
    return outcome;
  } catch (thrown) {
    const error = redactError(thrown, redact);
    if (!dryRun) {
      const outcome = { error };
      const end = { finished: clock(), outcome, isWhole: false, horizon: undefined };
      leave(pipeline, catalog, end, log);
    }
    // What ended the run is what to tell.
    try {
      const failure = failureOf(error);
      if (run !== undefined) catalog.abandonRun(run, clock(), failure);
      // It came to an end of its own.
      if (run !== undefined && !dryRun && failure.code !== "interrupted") {
        catalog.watch.end("ending");
      }
    } catch (fault) {
      log.say("warn", undefined, messageOf(fault));
    }
    throw error;
  } finally {
    workers[Symbol.dispose](); // What they were writing must not come after what follows.
    // The next run empties it too.
    await spool?.empty().catch((error) => log.say("warn", undefined, messageOf(error)));
    catalog.close();
  }
}

/** Drills what is due, and tells what is overdue. */
async function prove(
  pipeline: Pipeline,
  { catalog, signal, log, clock }: Pick<BackupContext, "catalog" | "signal" | "log" | "clock">,
): Promise<Pick<RunReport, "drills" | "unproven">> {
  const { drillAfterRun, findUnproven } = await import("./drill.ts");
  const listener: Listener = (event) => log.tell(event);
  const drills = await drillAfterRun(pipeline, { catalog, signal, listener, clock });
  const unproven = findUnproven(pipeline, catalog, clock());
  return { ...(drills.length > 0 && { drills }), ...(unproven.length > 0 && { unproven }) };
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
  catalog: Catalog,
  log: StageLog,
  now: Date,
  within: number,
  seeing: Promise<Sighting>,
): Promise<Horizon | undefined> {
  try {
    return lookAtHorizon(pipeline, catalog, now, within, await seeing);
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
