/**
 * What `restore` does. Apart from the words that ask for it, whose library takes as long to load as
 * the pipeline file takes to read.
 *
 * @module
 */
import { BackupError } from "../pipeline/errors.ts";
import { type RestoreOptions, type RestoreReport, restoreSnapshot } from "../pipeline/restore.ts";
import { ReadingPool } from "../pipeline/worker/pool.ts";
import type { Context } from "./command.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { lookUp } from "./pipeline_file.ts";
import { partJson, statusWithout } from "./ui/errors.ts";
import { reporterFor } from "./ui/reporter.ts";
import { escapeControls } from "./ui/text.ts";

/** What the words of `restore` say. */
export interface RestoreValues {
  readonly snapshot: string;
  readonly to: string | undefined;
  readonly inPlace: boolean;
  readonly from: string | undefined;
  readonly path: string | undefined;
  readonly identity: readonly string[];
  readonly overwrite: RestoreOptions["overwrite"] | undefined;
  readonly preserveMtime: boolean;
  readonly dryRun: boolean;
  readonly config: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
}

/**
 * Brings a snapshot back, tells what came of it, and answers the exit status.
 *
 * @param workers Those that are on their way up; they end with it.
 */
export async function bringBack(
  values: RestoreValues,
  context: Context,
  workers: ReadingPool = new ReadingPool(),
): Promise<number> {
  using pool = workers;
  const { terminal } = context;
  const { snapshot, path, overwrite, preserveMtime, dryRun, json } = values;
  const target = targetOf(values);
  const quiet = values.quiet || json;
  const lookup = await lookUp(values, (line) => terminal.say(escapeControls(line)));
  using reporter = reporterFor(terminal, { quiet });
  const { listener } = reporter;
  const signal = context.takeSignal();
  const report = await restoreSnapshot({
    ...lookup,
    ...{ snapshot, target, path, preserveMtime, dryRun, signal, listener, pool },
    ...(overwrite !== undefined && { overwrite }),
  });
  terminal.status("");
  const { unanswered, leftOut } = report;
  const status = Math.max(statusWithout(unanswered), leftOut.length > 0 ? 2 : 0);
  if (json) {
    printJson(terminal, restoreJson(report));
    return status;
  }
  const { renderActions, renderRestore } = await import("./ui/restore_view.ts");
  const lines = dryRun ? renderActions(report.actions) : [];
  if (lines.length > 0) terminal.print(lines.join("\n"));
  if (!quiet) {
    terminal.say(renderRestore(report, homeDirectory(), Deno.hostname()).join("\n"));
  }
  return status;
}

function targetOf({ to, inPlace }: RestoreValues): RestoreOptions["target"] {
  if (to !== undefined && inPlace) {
    throw new BackupError(
      "usage",
      'Cannot use "--to" with "--in-place": they say different places',
      {
        hint: "Leave out one of them",
      },
    );
  }
  if (inPlace) return "in-place";
  if (to !== undefined && to !== "") return { directory: to };
  throw new BackupError("usage", "Cannot restore a snapshot: nothing says where to", {
    hint: "Name a directory with --to DIR, or use --in-place",
  });
}

/** What `restore --json` prints. */
export function restoreJson(report: RestoreReport): unknown {
  return {
    ok: report.unanswered.length === 0 && report.leftOut.length === 0,
    id: report.id,
    name: report.name,
    host: report.host,
    from: report.from,
    targets: report.targets,
    files: report.files,
    bytes: report.bytes,
    links: report.links,
    dry_run: report.dryRun,
    actions: report.actions.map(({ path, action }) => ({ path, action })),
    set_aside: report.setAside,
    stray_links: report.strayLinks.map(({ path, link, leads, content }) => (
      { path, link, leads, content: content ?? null }
    )),
    left_out: report.leftOut,
    special_bits: report.specialBits,
    unreadable: report.unreadable,
    ...(report.unanswered.length > 0 && {
      unanswered: report.unanswered.map(({ destination, failure }) => (
        { destination, failure: partJson(failure) }
      )),
    }),
  };
}
