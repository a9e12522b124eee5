/**
 * `log`: what the last run did, event by event.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { LogLine } from "../pipeline/watch/log_file.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { printJson } from "./json.ts";
import { homeDirectory, openPipeline } from "./pipeline_file.ts";
import type { Terminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "shows what the last run did",
  description:
    "Shows the log of the last run, line by line; without a log in the pipeline file, the summary of the last run.",
  parameters: object({
    run: optional(option("--run", integer({ metavar: "NUMBER", min: 1 }), {
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
  if (json) printJson(terminal, lines.map(lineJson));
  else if (lines.length > 0) {
    terminal.print(lines.map((line) => escapeControls(renderLine(line))).join("\n"));
  } else terminal.say(run === undefined ? "Nothing is logged yet" : `Run ${run} is in no log`);
  return 0;
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
  const { tellLastReport } = await import("../pipeline/history.ts");
  const report = tellLastReport(pipeline);
  if (run !== undefined && report?.run !== run) {
    throw new BackupError("usage", `Cannot show run ${run}: there is no log`, {
      hint: 'Write log = "DIRECTORY" below [pipeline], and leave --run out until then',
    });
  }
  if (report === undefined) {
    if (json) printJson(terminal, null);
    else terminal.say("No run is known yet");
    return 0;
  }
  if (json) {
    const { runJson } = await import("./run_json.ts");
    printJson(terminal, runJson(report));
    return 0;
  }
  const { renderRun } = await import("./ui/run_summary.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { sayTime } = await import("./ui/format.ts");
  terminal.show([
    `Run ${report.run}, ${sayTime(report.started)}`,
    ...renderRun(report, homeDirectory(), styleFor(terminal.out)),
  ].join("\n"));
  return 0;
}
