/**
 * `rekey`: gives what is stored the recipients that the pipeline file names now.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { Pipeline } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Rekeyed, RekeyReport } from "../pipeline/rekey.ts";
import { type Context, defineCommand } from "./command.ts";
import { readingFlags, type ReadingValues } from "./flags.ts";
import { printJson } from "./json.ts";
import { askForKey, skipKeyCheckFlag } from "./key_check.ts";
import { identityFilesOf, openPipeline } from "./pipeline_file.ts";
import { partJson, renderUnanswered } from "./ui/errors.ts";
import { styleFor } from "./ui/style.ts";

export default defineCommand({
  summary: "gives what is stored the recipients of today",
  description:
    "After the recipients in the pipeline file were changed: gives every snapshot that is stored a new header, which these can open and the former can not. What is encrypted stays as it is. Each is stored anew, one second later by its name, and confirmed before the old one is removed; what was cut short is finished by the next. An identity that opens the old ones is needed, and before anything is done, one proves that it opens what is encrypted now: the pipeline's own and those of --identity are taken together.",
  parameters: object({
    destination: optional(argument(string({ metavar: "DESTINATION" }), {
      description: message`A destination of the pipeline, by its id; left out, all of them.`,
    })),
    plan: option("--plan", { description: message`Tell what would be done, and do nothing.` }),
    apply: option("--apply", { description: message`Do it.` }),
    skipKeyCheck: skipKeyCheckFlag(message`--apply`),
    ...readingFlags(),
  }),
  execute: rekey,
});

interface Values extends ReadingValues {
  readonly destination: string | undefined;
  readonly plan: boolean;
  readonly apply: boolean;
  readonly skipKeyCheck: boolean;
}

async function rekey(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const { destination, plan, apply, skipKeyCheck, json } = values;
  if (plan === apply) {
    const state = plan ? "it is one of --plan and --apply" : "neither --plan nor --apply is given";
    throw new BackupError("usage", `Cannot rekey: ${state}`, {
      hint: "Begin with --plan, which changes nothing",
    });
  }
  if (plan && skipKeyCheck) {
    throw new BackupError("usage", 'Cannot use "--skip-key-check" with --plan: it is for --apply', {
      hint: "Leave it out",
    });
  }
  const quiet = values.quiet || json;
  const [pipeline, { rekeyPipeline }, { reporterFor }] = await Promise.all([
    openPipeline(values.config),
    import("../pipeline/rekey.ts"),
    import("./ui/reporter.ts"),
  ]);
  const identityFiles = await withOwn(pipeline, identityFilesOf(values.identity));
  if (apply) {
    await askForKey(pipeline, { files: identityFiles, skip: skipKeyCheck, quiet }, terminal);
  }
  using reporter = reporterFor(terminal, { quiet });
  const report = await rekeyPipeline(pipeline, {
    planOnly: plan,
    destination,
    identityFiles,
    signal: context.takeSignal(),
    listener: reporter.listener,
  });
  terminal.status("");
  if (json) {
    printJson(terminal, rekeyJson(report));
    return report.status;
  }
  const { renderCaveats, renderRekeyed, renderRekeyFailures } = await import("./ui/rekey_view.ts");
  const { out, err } = terminal;
  const { snapshots } = report;
  // Whoever asks for a plan wants to see it.
  const shown = quiet && !plan ? snapshots.filter(({ status }) => status === "failed") : snapshots;
  // Where somebody did not answer, no snapshot that is known is not the same as none.
  const isKnown = snapshots.length > 0 || report.failures.length === 0;
  if (shown.length > 0 || !quiet && isKnown) {
    terminal.print(renderRekeyed(shown, out.width, styleFor(out)).join("\n"));
  }
  const changes = snapshots.some(({ status }) => status === "due" || status === "rekeyed");
  const notes = [
    ...renderRekeyFailures(report.snapshots, styleFor(err)),
    ...renderUnanswered(report.failures, styleFor(err)),
    ...(quiet || !changes ? [] : renderCaveats(report, styleFor(err))),
  ];
  if (notes.length > 0) terminal.say(notes.join("\n"));
  return report.status;
}

/** With the pipeline's own identity: of two, one opens what was encrypted and one what will be. */
async function withOwn(
  { identity }: Pipeline,
  files: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  if (files === undefined || identity === undefined) return files;
  const { readIdentities } = await import("../pipeline/identities.ts");
  // Whoever names another may do so because this one is lost.
  const isThere = await readIdentities([identity]).then(() => true, () => false);
  return isThere ? [...new Set([...files, identity])] : files;
}

/** What `rekey --json` prints. */
function rekeyJson({ ok, snapshots, failures }: RekeyReport): unknown {
  return {
    ok,
    snapshots: snapshots.map(({ failure, ...snapshot }: Rekeyed) => ({
      ...snapshot,
      ...(failure && { failure: partJson(failure) }),
    })),
    failures: failures.map(({ destination, failure }) => (
      { destination, failure: partJson(failure) }
    )),
  };
}
