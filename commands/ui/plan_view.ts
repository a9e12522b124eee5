/**
 * A plan for a person.
 *
 * @module
 */
import { FAILURES } from "../../pipeline/errors.ts";
import type { KeyWarning } from "../../pipeline/keys.ts";
import type { Outlook } from "../../pipeline/outlook.ts";
import type { Plan, PlannedStage } from "../../pipeline/plan.ts";
import type { Survey } from "../../pipeline/survey.ts";
import { renderWarning } from "./errors.ts";
import { sayBytes, sayCount, sayPath } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls, pad, widthOf, wrap } from "./text.ts";

/** What a plan is shown on. */
export interface View {
  /** Shown as `~`. */
  readonly home: string | undefined;
  /** Columns. */
  readonly width: number;
  /** What is to be said about this version of Deno, if anything. */
  readonly deno: string | undefined;
}

/** Lays out a plan: the stages in their order, what each may touch, and the verdict. */
export function renderPlan(plan: Plan, view: View, style: Style = PLAIN): string[] {
  return [
    `${style.strong(escapeControls(plan.pipeline))}  ${say(plan.file, view)}`,
    style.faint(`state: ${say(plan.state, view)}`),
    "",
    ...renderStages(plan.stages, view, style),
    "",
    style.strong("What each stage may touch, and nothing else:"),
    ...renderPermissions([
      ...plan.stages,
      ...plan.messengers.map(({ use, location, permissions }) => ({
        id: use,
        permissions,
        sandboxed: permissions.run === false,
        otherwise: `nothing, as no address stands at ${location}`,
      })),
    ], view),
    "",
    ...renderSecrets(plan.stages, view, style),
    ...renderRetention(plan.stages, view, style),
    ...renderVerdict(plan, view, style),
  ];
}

/** Says what a run would meet now; nothing when all is as it should be. */
export function renderOutlook(outlook: Outlook, view: View, style: Style = PLAIN): string[] {
  const { findings } = outlook;
  if (findings.length === 0) return [];
  const unread = findings.filter(({ state }) => state === "unreadable");
  const left = new Set(unread.slice(MOST_UNREAD));
  const named = findings.filter((finding) => !left.has(finding));
  const names = named.map(({ stage }) => escapeControls(stage ?? "state"));
  const width = Math.max(...names.map(widthOf));
  const lines = named.map(({ path, state, reason }, index) => {
    const told = state === "new"
      ? `${reason} yet: a run makes it`
      : state === "gone"
      ? `${escapeControls(reason)}: a run would fail there`
      : escapeControls(reason);
    return `  ${pad(names[index]!, width)}  ${say(path, view)}: ${told}`;
  });
  return [
    "",
    style.strong("As things are now:"),
    ...lines,
    ...(left.size > 0 ? [`  and ${left.size} more that cannot be read: see --json`] : []),
    ...renderEnd(outlook, style),
  ];
}

/** Says what the snapshots would hold, what they would leave out, and what nobody knows. */
export function renderSurveys(
  surveys: readonly Survey[],
  view: View,
  style: Style = PLAIN,
): string[] {
  if (surveys.length === 0) return [];
  const names = surveys.map(({ stage }) => escapeControls(stage));
  const width = Math.max(...names.map(widthOf));
  const lines = surveys.flatMap(({ files, bytes, leftOut, unknown, idle = [] }, index) => {
    const reasons = leftOut.map(({ count, reason }) => `${count} × ${escapeControls(reason)}`);
    const told = [
      `${sayCount(files, "file")}, ${sayBytes(bytes)}`,
      ...(reasons.length === 0 ? [] : [`left out: ${reasons.join(", ")}`]),
      ...idle.slice(0, MOST_UNKNOWN).map(({ path, reason }) =>
        `${style.careful("Warning:")} ${say(path, view)}: ${escapeControls(reason)}`
      ),
      ...unknown.slice(0, MOST_UNKNOWN).map((path) =>
        `nobody knows what it is, backed up all the same: ${say(path, view)}`
      ),
      ...(unknown.length > MOST_UNKNOWN
        ? [`and ${unknown.length - MOST_UNKNOWN} more that nobody knows: see --json`]
        : []),
    ].flatMap((line) => wrapped(line, view.width - width - 4));
    return told.map((line, at) => `  ${pad(at === 0 ? names[index]! : "", width)}  ${line}`);
  });
  return ["", style.strong("What the snapshots would hold now:"), ...lines];
}

/** Paths that are named each. */
const MOST_UNKNOWN = 20;
const MOST_UNREAD = 20;

function renderEnd({ findings, status }: Outlook, style: Style): string[] {
  if (status === 0) return [];
  const what = findings.some(({ stage }) => stage === null)
    ? "it could not begin"
    : status === FAILURES["source-missing"].status
    ? "there is nothing to back up"
    : "the rest would go on";
  return [style.bad(`A run would end with status ${status}: ${what}`)];
}

function renderStages(stages: readonly PlannedStage[], view: View, style: Style): string[] {
  const columns = [
    { title: "#", align: "right" },
    { title: "STAGE" },
    { title: "KIND" },
    { title: "INPUT", shrinks: true },
    { title: "PLAINTEXT" },
    { title: "NETWORK" },
    { title: "WHERE", shrinks: true },
  ] as const;
  const rows = stages.map((stage, index) => [
    String(index + 1),
    escapeControls(stage.id === stage.use ? stage.id : `${stage.id} (${stage.use})`),
    stage.kind,
    escapeControls(stage.inputs.join(", ")),
    stage.seesPlaintext ? "yes" : "no",
    stage.reachesNetwork ? "yes" : "no",
    stage.location === null ? "" : say(stage.location, view),
  ]);
  return renderTable(columns, rows, view.width, style);
}

/** The words for the keys that a stage can be granted. */
const VERBS = {
  read: "reads",
  write: "writes",
  net: "network",
  env: "environment",
  sys: "system",
  run: "runs",
  ffi: "native libraries",
  import: "imports",
} as const;

/** Whoever has permissions, and what to say if it has none. */
type Permitted = Pick<PlannedStage, "id" | "permissions" | "sandboxed"> & {
  readonly otherwise?: string;
};

function renderPermissions(stages: readonly Permitted[], view: View): string[] {
  const names = stages.map(({ id }) => escapeControls(id));
  const width = Math.max(...names.map(widthOf));
  return stages.flatMap((stage, index) => {
    const granted = Object.entries(VERBS).flatMap(([key, verb]) => {
      const list = stage.permissions[key as keyof typeof VERBS];
      return list === false ? [] : [`${verb} ${list.map((item) => say(item, view)).join(", ")}`];
    });
    if (!stage.sandboxed) granted.push("unsandboxed: what the programs it runs do is out of reach");
    const { otherwise = "nothing" } = stage;
    const lines = (granted.length === 0 ? [escapeControls(otherwise)] : granted)
      .flatMap((line) => wrapped(line, view.width - width - 4));
    return lines.map((line, at) => `  ${pad(at === 0 ? names[index]! : "", width)}  ${line}`);
  });
}

function renderSecrets(
  stages: readonly PlannedStage[],
  { width }: View,
  style: Style,
): string[] {
  const lines = stages.flatMap(({ id, secrets, seesPlaintext }) => {
    if (secrets === null) return [];
    const what = secrets === "allow" && !seesPlaintext
      ? "encrypted, not looked for"
      : SECRETS[secrets];
    return wrapped(`${escapeControls(id)}: ${what}`, width - 2);
  });
  if (lines.length === 0) return [];
  const title = "What becomes of secrets in snapshots:";
  return [style.strong(title), ...lines.map((line) => `  ${line}`), ""];
}

const SECRETS: Readonly<Record<NonNullable<PlannedStage["secrets"]>, string>> = {
  allow: "allowed, not looked for",
  warn: "looked for and told of, and stored",
  block: "looked for, and with any in it nothing is stored",
};

function renderRetention(
  stages: readonly PlannedStage[],
  { width }: View,
  style: Style,
): string[] {
  const pruned = stages.filter(({ retention }) => retention.length > 0);
  if (pruned.length === 0) return [];
  const lines = pruned.flatMap(({ id, retention }) =>
    wrapped(`${escapeControls(id)}: ${retention.join(", ")}`, width - 2)
  );
  const title = "What stays when a run has succeeded; see prune --dry-run:";
  return [style.strong(title), ...lines.map((line) => `  ${line}`), ""];
}

function wrapped(line: string, width: number): string[] {
  const [first, ...rest] = wrap(line, Math.max(width, 20));
  return [first!, ...rest.map((more) => `  ${more}`)];
}

function renderVerdict({ secondPromise }: Plan, { deno, width }: View, style: Style): string[] {
  const { holds, breaches } = secondPromise;
  const note = deno === undefined ? [] : wrap(`Note: ${deno}`, width).map(style.careful);
  if (holds) {
    const words = "Promise 2 holds: no stage can both read plaintext and reach the network";
    return [style.good(words), ...note];
  }
  return [
    style.bad("Promise 2 does not hold: a stage can both read plaintext and reach the network"),
    ...breaches.map((breach) => `  ${escapeControls(breach)}`),
    ...note,
  ];
}

function say(path: string, { home }: View): string {
  return escapeControls(sayPath(path, home));
}

/** Says what may cost everything one day: keys that lie where they should not. */
export function renderKeys(warnings: readonly KeyWarning[], style: Style = PLAIN): string[] {
  const lines = warnings.flatMap((warning) => renderWarning(warning, style));
  return lines.length === 0 ? [] : ["", ...lines];
}
