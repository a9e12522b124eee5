/**
 * `drill`: brings the newest snapshots back, as after a loss, and looks into them.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { type Context, defineCommand } from "./command.ts";
import { drillJson } from "./drill_json.ts";
import { readingFlags, type ReadingValues } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { identityFilesOf, openPipeline } from "./pipeline_file.ts";
import { styleFor } from "./ui/style.ts";

export default defineCommand({
  summary: "brings the newest snapshots back, and looks into them",
  description:
    "Fetches the newest snapshot of every id back from each destination, decrypts it, compares every hash, reads every line of every log and has SQLite check every database. Each ends as proven, failed or inconclusive, which the catalog keeps. Databases are put into the state directory for as long as that takes.",
  parameters: object({
    destination: optional(argument(string({ metavar: "DESTINATION" }), {
      description: message`A destination of the pipeline, by its id; left out, all of them.`,
    })),
    ...readingFlags(),
  }),
  execute: drill,
});

interface Values extends ReadingValues {
  readonly destination: string | undefined;
}

async function drill(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const { destination, json } = values;
  const quiet = values.quiet || json;
  const [pipeline, { drillPipeline }, { reporterFor }] = await Promise.all([
    openPipeline(values.config),
    import("../pipeline/drill.ts"),
    import("./ui/reporter.ts"),
  ]);
  using reporter = reporterFor(terminal, { quiet });
  const report = await drillPipeline(pipeline, {
    destination,
    identityFiles: identityFilesOf(values.identity),
    signal: context.takeSignal(),
    listener: reporter.listener,
  });
  terminal.status("");
  const { drills, ok, status } = report;
  if (json) {
    printJson(terminal, { ok, drills: drills.map(drillJson) });
    return status;
  }
  const { renderDrillFailures, renderDrills } = await import("./ui/drill_view.ts");
  const { out, err } = terminal;
  const shown = quiet ? drills.filter(({ verdict }) => verdict !== "proven") : drills;
  if (!quiet || !ok) terminal.print(renderDrills(shown, out.width, styleFor(out)).join("\n"));
  const { renderLacking } = await import("./ui/remarks_view.ts");
  const notes = [
    ...(quiet ? [] : renderLacking(drills, homeDirectory(), styleFor(err))),
    ...renderDrillFailures(drills, styleFor(err)),
  ];
  if (notes.length > 0) terminal.say(notes.join("\n"));
  return status;
}
