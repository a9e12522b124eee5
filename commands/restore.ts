/**
 * `restore`: brings a snapshot back.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { BackupError } from "../pipeline/errors.ts";
import type { RestoreOptions, RestoreReport } from "../pipeline/restore.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, fromFlag, identityFlag, jsonFlag, pathValue, quietFlag } from "./flags.ts";
import { printJson } from "./json.ts";
import { homeDirectory, lookUp } from "./pipeline_file.ts";
import { partJson, statusWithout } from "./ui/errors.ts";
import { escapeControls } from "./ui/text.ts";

const HOW = ["never", "changed", "always"] as const;

export default defineCommand({
  summary: "brings a snapshot back",
  description:
    "Brings a snapshot back, the latest unless another one is named: all of it or nothing. Setuid, setgid and sticky bits are left out, which it says. Neither the pipeline file nor the state is needed when --from is an address and --identity is given.",
  parameters: object({
    snapshot: withDefault(
      argument(string({ metavar: "SNAPSHOT" }), {
        description: message`"latest", an id, a name or the beginning of one, or ID/NAME.`,
      }),
      "latest",
    ),
    to: optional(option("--to", pathValue("DIR", "directory"), {
      description: message`Where to put it.`,
    })),
    inPlace: option("--in-place", {
      description: message`Put everything where it was taken from.`,
    }),
    from: fromFlag(),
    path: optional(option("--path", string({ metavar: "GLOB" }), {
      description:
        message`Only what this fits, of the paths that "list --files" shows: ".claude/projects/*/memory". "*" stays within one name, "**" stands for any folders, and what has no "/" fits a name anywhere, such as "*.md". A directory that fits brings all that is in it.`,
    })),
    identity: identityFlag(),
    overwrite: optional(option("--overwrite", choice(HOW, { metavar: "HOW" }), {
      description: message`What to do with files that are there already; "never" if not given.`,
    })),
    preserveMtime: option("--preserve-mtime", {
      description:
        message`Give files the times they had. Otherwise they get the present time, which keeps Claude Code from deleting old conversations.`,
    }),
    dryRun: option("-n", "--dry-run", {
      description: message`Only list what would be done.`,
    }),
    config: configFlag(),
    json: jsonFlag(),
    quiet: quietFlag(),
  }),
  execute: restore,
});

interface Values {
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

async function restore(values: Values, { terminal, signal }: Context): Promise<number> {
  const { snapshot, path, overwrite, preserveMtime, dryRun, json } = values;
  const target = targetOf(values);
  const quiet = values.quiet || json;
  const [lookup, { restoreSnapshot }, { reporterFor }] = await Promise.all([
    lookUp(values, (line) => terminal.say(escapeControls(line))),
    import("../pipeline/restore.ts"),
    import("./ui/reporter.ts"),
  ]);
  using reporter = reporterFor(terminal, { quiet });
  const report = await restoreSnapshot({
    ...lookup,
    ...{ snapshot, target, path, preserveMtime, dryRun, signal, listener: reporter.listener },
    ...(overwrite !== undefined && { overwrite }),
  });
  terminal.status("");
  const { unanswered } = report;
  const status = statusWithout(unanswered);
  if (json) {
    printJson(terminal, restoreJson(report));
    return status;
  }
  const { renderActions, renderRestore } = await import("./ui/restore_view.ts");
  const lines = dryRun ? renderActions(report.actions) : [];
  if (lines.length > 0) terminal.print(lines.join("\n"));
  if (!quiet) terminal.say(renderRestore(report, homeDirectory()).join("\n"));
  return status;
}

function targetOf({ to, inPlace }: Values): RestoreOptions["target"] {
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
    ok: report.unanswered.length === 0,
    id: report.id,
    name: report.name,
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
    special_bits: report.specialBits,
    unreadable: report.unreadable,
    ...(report.unanswered.length > 0 && {
      unanswered: report.unanswered.map(({ destination, failure }) => (
        { destination, failure: partJson(failure) }
      )),
    }),
  };
}
