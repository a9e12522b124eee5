/**
 * `prune`: removes the snapshots that the policies of the destinations do not keep.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { PruneReport } from "../pipeline/prune.ts";
import { type Context, defineCommand } from "./command.ts";
import { readingFlags, type ReadingValues } from "./flags.ts";
import { printJson } from "./json.ts";
import { identityFilesOf, openPipeline } from "./pipeline_file.ts";
import { pruningJson } from "./pruning_json.ts";
import { styleFor } from "./ui/style.ts";

export default defineCommand({
  summary: "removes the snapshots that no longer need be kept",
  description:
    "Applies the keep_ keys of each destination, as every run does with what it succeeded with. The newest, the last verified and the only copy of a deleted file always stay; a destination without such a key is left alone.",
  parameters: object({
    destination: optional(argument(string({ metavar: "DESTINATION" }), {
      description: message`The one destination to prune, by its id; else all of the pipeline.`,
    })),
    dryRun: option("-n", "--dry-run", {
      description: message`Remove nothing: tell of every snapshot whether it stays, and why.`,
    }),
    ...readingFlags(),
  }),
  execute: prune,
});

interface Values extends ReadingValues {
  readonly destination: string | undefined;
  readonly dryRun: boolean;
}

async function prune(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const { destination, dryRun, json } = values;
  const quiet = values.quiet || json;
  const [pipeline, { prunePipeline }, { reporterFor }] = await Promise.all([
    openPipeline(values.config),
    import("../pipeline/prune.ts"),
    import("./ui/reporter.ts"),
  ]);
  using reporter = reporterFor(terminal, { quiet });
  const identityFiles = identityFilesOf(values.identity);
  const { listener } = reporter;
  const signal = context.takeSignal();
  const options = { destination, dryRun, identityFiles, signal, listener };
  const report = await prunePipeline(pipeline, options);
  terminal.status("");
  if (json) {
    printJson(terminal, pruneJson(report));
    return report.status;
  }
  const { renderPruneFailures, renderPruning } = await import("./ui/prune_view.ts");
  const { out, err } = terminal;
  if (!quiet || dryRun) {
    terminal.show(renderPruning(report, out.width, styleFor(out)).join("\n"));
  }
  const failures = renderPruneFailures(report, styleFor(err));
  if (failures.length > 0) terminal.say(failures.join("\n"));
  return report.status;
}

/** What `prune --json` prints. */
export function pruneJson({ ok, dryRun, destinations }: PruneReport): unknown {
  return { ok, dry_run: dryRun, destinations: destinations.map(pruningJson) };
}
