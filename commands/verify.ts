/**
 * `verify`: proves that snapshots can be brought back.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { BackupError } from "../pipeline/errors.ts";
import type { VerifyReport } from "../pipeline/verify.ts";
import { type Context, defineCommand } from "./command.ts";
import { fromFlag, readingFlags, type ReadingValues } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { printJson, roundSeconds } from "./json.ts";
import { lookUp } from "./pipeline_file.ts";
import { partJson, renderUnanswered } from "./ui/errors.ts";
import { styleFor } from "./ui/style.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "proves that snapshots can be brought back",
  description:
    "Fetches, decrypts and unpacks to nowhere, and compares every size and hash: of the newest snapshot of every id, unless one is named. Tells of every snapshot that was stored and is gone.",
  parameters: object({
    snapshot: optional(argument(string({ metavar: "SNAPSHOT" }), {
      description: message`"latest", an id, a name or the beginning of one, or ID/NAME.`,
    })),
    from: fromFlag(),
    all: option("--all", { description: message`Verify every snapshot that there is.` }),
    forgetMissing: option("--forget-missing", {
      description:
        message`What is gone from a destination was removed on purpose: name it once more, and never again.`,
    }),
    ...readingFlags(),
  }),
  execute: verify,
});

interface Values extends ReadingValues {
  readonly snapshot: string | undefined;
  readonly from: string | undefined;
  readonly all: boolean;
  readonly forgetMissing: boolean;
}

async function verify(values: Values, context: Context): Promise<number> {
  const { terminal } = context;
  const { snapshot, all, forgetMissing, json } = values;
  if (snapshot !== undefined && (all || forgetMissing)) {
    throw new BackupError(
      "usage",
      `Cannot use "${all ? "--all" : "--forget-missing"}" with a snapshot: it is one or all`,
      {
        hint: "Leave out one of them",
      },
    );
  }
  const quiet = values.quiet || json;
  const [lookup, { verifySnapshots }, { reporterFor }] = await Promise.all([
    lookUp(values, (line) => terminal.say(escapeControls(line))),
    import("../pipeline/verify.ts"),
    import("./ui/reporter.ts"),
  ]);
  using reporter = reporterFor(terminal, { quiet });
  const { listener } = reporter;
  const signal = context.takeSignal();
  const report = await verifySnapshots(
    { ...lookup, snapshot, all, forgetMissing, signal, listener },
  );
  terminal.status("");
  if (json) {
    printJson(terminal, verifyJson(report));
    return report.status;
  }
  const { renderFailures, renderVerifications } = await import("./ui/verify_view.ts");
  const { out, err } = terminal;
  const wrong = report.verifications.filter(({ status }) =>
    status !== "ok" && status !== "forgotten"
  );
  if (!quiet || wrong.length > 0) {
    const shown = quiet ? { ...report, verifications: wrong } : report;
    terminal.print(renderVerifications(shown, out.width, styleFor(out)).join("\n"));
  }
  const { renderLacking, renderStrays } = await import("./ui/remarks_view.ts");
  const notes = [
    ...(quiet ? [] : renderLacking(report.verifications, homeDirectory(), styleFor(err))),
    ...(quiet ? [] : renderStrays(report.strays, styleFor(err))),
    ...renderFailures(report, styleFor(err)),
    ...renderUnanswered(report.failures, styleFor(err)),
  ];
  if (notes.length > 0) terminal.say(notes.join("\n"));
  return report.status;
}

/** What `verify --json` prints. */
function verifyJson(
  { ok, verifications, strays, failures, catalogFailure }: VerifyReport,
): unknown {
  return {
    ok,
    verifications: verifications.map(({ failure, unreadable, ...verification }) => ({
      id: verification.id,
      name: verification.name,
      destination: verification.destination,
      status: verification.status,
      files: verification.status === "ok" ? verification.files : null,
      bytes: verification.status === "ok" ? verification.bytes : null,
      seconds: roundSeconds(verification.seconds),
      complete: unreadable === undefined ? null : unreadable.length === 0,
      unreadable: unreadable ?? [],
      ...(failure && { failure: partJson(failure) }),
    })),
    failures: failures.map(({ destination, failure }) => (
      { destination, failure: partJson(failure) }
    )),
    ...(catalogFailure && { catalog_failure: partJson(catalogFailure) }),
    archives_without_manifest: strays.map(({ destination, key }) => ({ destination, key })),
  };
}
