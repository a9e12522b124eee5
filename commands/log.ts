/**
 * `log`: what the last run did, event by event.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import type { Ending } from "../pipeline/catalog/history.ts";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { LogLine } from "../pipeline/watch/log_file.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag, numberValue } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";
import { partJson } from "./ui/errors.ts";
import type { Style } from "./ui/style.ts";
import type { Terminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "shows what the last run did",
  description:
    "Shows the log of the last run, line by line; without a log in the pipeline file, the summary of the last run.",
  parameters: object({
    run: optional(option("--run", numberValue("NUMBER"), {
      description: message`The run of this number in place of the last.`,
    })),
    config: configFlag(),
    json: jsonFlag(),
  }),
  execute: log,
});

interface Values {
  readonly run: number | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
}

async function log({ run, config, json }: Values, { terminal }: Context): Promise<number> {
  const pipeline = await openPipeline(config);
  const directory = pipeline.watch?.log;
  if (directory === undefined) return await summary(pipeline, run, json, terminal);
  const { readRun, renderLine } = await import("../pipeline/watch/log_file.ts");
  const lines = readRun(directory, pipeline.name, run);
  if (lines.length === 0 && run !== undefined) throw unknownRun(run, "it is in no log");
  if (json) printJson(terminal, lines.map(lineJson));
  else if (lines.length > 0) {
    terminal.print(lines.map((line) => escapeControls(renderLine(line))).join("\n"));
  } else terminal.say("Nothing is logged yet");
  return 0;
}

function unknownRun(run: number, state: string): BackupError {
  return new BackupError("usage", `Cannot show run ${run}: ${state}`, {
    hint: "Leave --run out to see the last one that is",
  });
}

function lineJson({ time, run, level, stage, message }: LogLine): unknown {
  return { time: time.toISOString(), run: run ?? null, level, stage: stage ?? null, message };
}

/** What the catalog remembers, where there is no log. */
async function summary(
  pipeline: Pipeline,
  run: number | undefined,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const { endingOf } = await import("../pipeline/catalog/history.ts");
  const ending = endingOf(pipeline, run);
  if (ending === undefined && run !== undefined) {
    throw unknownRun(run, "it is not known to have ended");
  }
  if (ending === undefined) {
    if (json) printJson(terminal, null);
    else terminal.say("No run is known yet");
    return 0;
  }
  const { report } = ending;
  if (json) {
    const { runJson } = await import("./run_json.ts");
    printJson(terminal, report === undefined ? endingJson(ending) : runJson(report));
    return 0;
  }
  const { renderReport } = await import("./ui/run_summary.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { sayTime } = await import("./ui/format.ts");
  const style = styleFor(terminal.out);
  terminal.show([
    `Run ${ending.run}, ${sayTime(ending.started)}`,
    ...report === undefined
      ? await renderEnding(ending, style)
      : await renderReport(report, homeDirectory(), style),
  ].join("\n"));
  return 0;
}

/** What is known of a run that came to no report. */
async function renderEnding(
  { started, finished, status, failure }: Ending,
  style: Style,
): Promise<string[]> {
  const { saySeconds } = await import("./ui/format.ts");
  const took = saySeconds((finished.getTime() - started.getTime()) / 1000);
  const why = failure ?? { message: "What it did was not noted, or is damaged", hint: undefined };
  return [
    `${style.bad("Error:")} ${escapeControls(why.message)}`,
    ...(why.hint === undefined ? [] : [`  ${escapeControls(why.hint)}`]),
    `Ended with status ${status} after ${took}`,
  ];
}

function endingJson({ run, started, finished, status, failure }: Ending): unknown {
  const times = { started: started.toISOString(), finished: finished.toISOString() };
  return { ok: false, run, ...times, status, error: failure ? partJson(failure) : null };
}
