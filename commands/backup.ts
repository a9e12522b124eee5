/**
 * What `run` does. Apart from the words that ask for it, whose library takes longer to load than all
 * that is done here until the first worker starts.
 *
 * @module
 */
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Listener, RunReport } from "../pipeline/events.ts";
import { runPipeline } from "../pipeline/run.ts";
import type { WatchOptions } from "../pipeline/watch/watcher.ts";
import type { Context } from "./command.ts";
import { homeDirectory } from "./home.ts";
import { FileError, openPipeline } from "./pipeline_file.ts";
import { nextCommandsFor } from "./ui/next_command.ts";
import { reporterFor } from "./ui/reporter.ts";
import type { Terminal } from "./ui/terminal.ts";

/** What the words after `run` say. */
export interface RunValues {
  readonly config: string | undefined;
  readonly dryRun: boolean;
  readonly only: readonly string[];
  readonly force: boolean;
  readonly message: string | undefined;
  readonly ifMissed: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Makes a backup, tells what came of it, and answers the exit status. */
export async function backUp(
  values: RunValues,
  context: Context,
): Promise<number> {
  const { terminal } = context;
  const { config, dryRun, only, force, message, ifMissed, json } = values;
  const quiet = values.quiet || json;
  using reporter = reporterFor(terminal, { quiet });
  const pipeline = await openWatched(config, dryRun, reporter.listener);
  if (ifMissed !== undefined) {
    const { isMissed } = await import("./schedule/calendar.ts");
    const { lastAttempt } = await import("../pipeline/catalog/history.ts");
    if (!isMissed(ifMissed, lastAttempt(pipeline)?.started, new Date())) {
      return await leaveOut("Nothing was missed", values, terminal);
    }
  }
  const signal = context.takeSignal();
  const work = (listener: Listener) =>
    runPipeline(pipeline, {
      dryRun,
      force,
      message,
      signal,
      only: only.length > 0 ? only : undefined,
      listener,
    });
  const extent = dryRun ? "nothing" : only.length > 0 ? "part" : "all";
  let report: RunReport;
  try {
    const options = { extent, listener: reporter.listener, home: homeDirectory() } as const;
    report = await watched(pipeline, config, options, work);
  } catch (error) {
    const isBusy = error instanceof BackupError && error.code === "run-in-progress";
    if (ifMissed === undefined || !isBusy) throw error;
    // What was missed is being made up for.
    return await leaveOut("Another run of this pipeline is under way", values, terminal);
  }
  terminal.status("");
  if (json) {
    const { runJson } = await import("./run_json.ts");
    const { printJson } = await import("./json.ts");
    printJson(terminal, runJson(report));
  } else if (!quiet || !report.ok || report.snapshots.some(({ suspect }) => suspect?.news.length)) {
    const { renderReport } = await import("./ui/run_summary.ts");
    const { styleFor } = await import("./ui/style.ts");
    const lines = await renderReport(report, homeDirectory(), styleFor(terminal.err), quiet);
    terminal.say(lines.join("\n"));
  }
  return report.status;
}

/** Ends where no run was called for: schedules look often, so that a program alone is told. */
async function leaveOut(
  reason: string,
  { dryRun, json }: RunValues,
  terminal: Terminal,
): Promise<number> {
  if (json) {
    const { noRunJson } = await import("./run_json.ts");
    const { printJson } = await import("./json.ts");
    printJson(terminal, noRunJson(reason, dryRun, new Date()));
  }
  return 0;
}

/** Opens the pipeline file; those are told whom it named last when it cannot be used any more. */
async function openWatched(
  config: string | undefined,
  dryRun: boolean,
  listener: Listener,
): Promise<Pipeline> {
  try {
    return await openPipeline(config);
  } catch (error) {
    if (error instanceof FileError && !dryRun) {
      const { tellOfFile } = await import("../pipeline/watch/watcher.ts");
      await tellOfFile(error.file, error, { listener, home: homeDirectory() });
    }
    throw error;
  }
}

/** Runs, and tells those who watch. Whoever has nobody told waits for nothing that tells. */
async function watched(
  pipeline: Pipeline,
  config: string | undefined,
  options: WatchOptions,
  work: (listener: Listener) => Promise<RunReport>,
): Promise<RunReport> {
  const { watch } = pipeline;
  if (watch === undefined) return await work(options.listener);
  const { watchRun } = await import("../pipeline/watch/watcher.ts");
  // Whoever is told may be anywhere.
  const nextCommands = nextCommandsFor(config === undefined ? [] : ["--config", pipeline.file]);
  return await watchRun({ ...pipeline, watch }, { ...options, nextCommands }, work);
}
