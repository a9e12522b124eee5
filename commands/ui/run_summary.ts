/**
 * What a run did, in a calm few lines.
 *
 * @module
 */
import type {
  Changes,
  DeliveryReport,
  Failure,
  Pruning,
  RunReport,
  SnapshotReport,
} from "../../pipeline/events.ts";
import { sayBytes, sayCount, sayPath, saySeconds } from "./format.ts";
import { renderHorizonReport } from "./horizon_view.ts";
import { sayRemoved } from "./prune_view.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls, pad, widthOf } from "./text.ts";

/** Says all that there is to say of a run: of drills and of what seems to be lost as well. */
export async function renderReport(
  report: RunReport,
  home: string | undefined,
  style: Style = PLAIN,
  quiet = false,
): Promise<string[]> {
  return [
    ...await drillLines(report, quiet, style),
    ...await suspicionLines(report, style),
    ...renderRun(report, home, style, quiet),
  ];
}

/** What there is to say of drills; mostly nothing, and nothing is loaded for that. */
async function drillLines(
  { drills = [], unproven = [] }: RunReport,
  quiet: boolean,
  style: Style,
): Promise<string[]> {
  if (drills.length === 0 && unproven.length === 0) return [];
  const { renderDrillFailures, renderUnproven, sayProven } = await import("./drill_view.ts");
  return [
    ...(quiet ? [] : sayProven(drills)),
    ...renderDrillFailures(drills, style),
    ...renderUnproven(unproven, style),
  ];
}

/** What seems to be lost at the source; mostly nothing. */
async function suspicionLines({ snapshots }: RunReport, style: Style): Promise<string[]> {
  const suspects = snapshots.filter(({ suspect }) => suspect !== undefined);
  if (suspects.length === 0) return [];
  const { renderSuspicion } = await import("./suspicion_view.ts");
  return suspects.flatMap(({ id, suspect }) => renderSuspicion(id, suspect!, style));
}

/**
 * Says what a run did. Everything that went wrong is named; the rest is counted, or left out when it
 * is to be quiet.
 */
export function renderRun(
  report: RunReport,
  home: string | undefined,
  style: Style = PLAIN,
  quiet = false,
): string[] {
  const snapshots = quiet
    ? report.snapshots.map((snapshot) => ({ ...snapshot, notes: [], skipped: [] }))
    : report.snapshots;
  return [
    ...(quiet ? [] : renderPrepared(report, style)),
    ...snapshots.flatMap((snapshot) => renderSnapshot(snapshot, report, home, style)),
    ...renderStageFailures(report, style),
    ...renderFailureAside(report, style),
    ...(report.horizon ? renderHorizonReport(report.horizon, home, style) : []),
    renderEnd(report, style),
  ];
}

function renderPrepared({ stages }: RunReport, style: Style): string[] {
  return stages
    .filter(({ isPrepare, status, message }) => isPrepare && status !== "failed" && message !== "")
    .map(({ id, message }) => `${style.strong(escapeControls(id))}: ${escapeControls(message)}`);
}

/** Paths that are named each; of what is no failure, fewer. */
const NAMED = 20;
const NAMED_NOTES = 5;
const SEE = ": see --json";

function renderSnapshot(
  snapshot: SnapshotReport,
  { dryRun, pruned = [] }: RunReport,
  home: string | undefined,
  style: Style,
): string[] {
  const { destinations, unreadable, notes, skipped } = snapshot;
  const name = style.strong(escapeControls(snapshot.id));
  const width = Math.max(0, ...destinations.map(({ id }) => widthOf(escapeControls(id))));
  return [
    `${name}: ${sayOutcome(snapshot, dryRun)}`,
    ...destinations.flatMap((delivery) => [
      ...renderDelivery(delivery, width, home, style),
      ...renderRemoved(pruned.find(({ id }) => id === delivery.id), snapshot.id),
    ]),
    ...renderRemarks(
      `could not read ${sayCount(unreadable.length, "path")}`,
      unreadable,
      NAMED,
      home,
      SEE,
    )
      .map((line, index) => index === 0 ? style.bad(line) : line),
    ...renderRemarks(`worth a look`, notes, NAMED_NOTES, home),
    ...renderSecrets(snapshot.secrets ?? [], style),
    ...renderSkipped(skipped),
  ];
}

function sayOutcome(
  { name, contentHash, files, bytes, changes, destinations }: SnapshotReport,
  dryRun: boolean,
) {
  if (contentHash === null && destinations.every(({ status }) => status === "failed")) {
    return "no snapshot was made";
  }
  const size = `${sayCount(files, "file")}, ${sayBytes(bytes)}`;
  const settled = destinations.length > 0 &&
    destinations.every(({ status }) => status === "unchanged");
  if (settled) return `nothing had changed (${size})`;
  const changed = changes === undefined ? "" : ` (${sayChanges(changes)})`;
  const made = dryRun || name === null ? "" : `, ${name}`;
  return `${size}${changed}${made}`;
}

function sayChanges({ added, changed, removed }: Changes): string {
  return `${changed} changed, ${added} new, ${removed} gone`;
}

function renderDelivery(
  { id, status, location, message, failure }: DeliveryReport,
  width: number,
  home: string | undefined,
  style: Style,
): string[] {
  const mark = {
    ok: style.good,
    unchanged: style.faint,
    failed: style.bad,
    skipped: style.careful,
  };
  const label = mark[status](status === "failed" ? "FAILED   " : status.padEnd(9));
  const told = status === "failed" || location === null ? message : sayPath(location, home);
  return [
    `  ${label}  ${pad(escapeControls(id), width)}  ${escapeControls(told)}`,
    ...renderFailure(failure, told, "             "),
  ];
}

function renderRemoved(pruning: Pruning | undefined, snapshot: string): string[] {
  const line = pruning === undefined ? "" : sayRemoved(pruning, snapshot);
  return line === "" ? [] : [`             ${line}`];
}

/** What the line above does not say of a failure. */
function renderFailure(failure: Failure | undefined, told: string, indent: string): string[] {
  if (failure === undefined) return [];
  const { message, hint } = failure;
  const lines = told.includes(message) ? [] : [message];
  return [...lines, ...(hint === undefined ? [] : [hint])]
    .map((line) => `${indent}${escapeControls(line)}`);
}

function renderRemarks(
  title: string,
  remarks: SnapshotReport["unreadable"],
  named: number,
  home: string | undefined,
  where = "",
): string[] {
  if (remarks.length === 0) return [];
  const shown = remarks.slice(0, named).map(({ path, reason }) =>
    `    ${escapeControls(sayPath(path, home))}: ${escapeControls(reason)}`
  );
  const more = remarks.length - shown.length;
  return [`  ${title}:`, ...shown, ...(more > 0 ? [`    and ${more} more${where}`] : [])];
}

/** What to rotate: each as a line that can be written into the file of known secrets. */
function renderSecrets(
  secrets: NonNullable<SnapshotReport["secrets"]>,
  style: Style,
): string[] {
  if (secrets.length === 0) return [];
  const shown = secrets.slice(0, NAMED).map(({ fingerprint, rule, path, line }) =>
    escapeControls(`    ${fingerprint}  ${rule}  ${path}:${line}`)
  );
  const more = secrets.length - shown.length;
  return [
    style.bad("  rotate these: they stand in plaintext"),
    ...shown,
    ...(more > 0 ? [`    and ${more} more${SEE}`] : []),
  ];
}

/** What was left out on purpose is the same every day: how much for which reason is enough. */
function renderSkipped(skipped: SnapshotReport["skipped"]): string[] {
  if (skipped.length === 0) return [];
  const reasons = [...Map.groupBy(skipped, ({ reason }) => reason)]
    .map(([reason, paths]) => `${paths.length} × ${escapeControls(reason)}`);
  return [`  left out ${sayCount(skipped.length, "path")}: ${reasons.join(", ")}`];
}

/** Failures of stages that are no destination's own: those stand with their snapshot. */
function renderStageFailures({ stages, snapshots }: RunReport, style: Style): string[] {
  const told = new Set(
    snapshots.flatMap(({ destinations }) =>
      destinations.filter(({ status }) => status === "failed").map(({ id }) => id)
    ),
  );
  return stages.filter(({ id, status }) => status === "failed" && !told.has(id)).flatMap(
    (stage) => {
      const { id, message, failure } = stage;
      const line = `${style.bad("FAILED")} ${escapeControls(id)}: ${escapeControls(message)}`;
      return [line, ...renderFailure(failure, message, "  ")];
    },
  );
}

/** What failed that is no stage's own: the catalog, at which the next run looks. */
function renderFailureAside({ failure }: RunReport, style: Style): string[] {
  if (failure === undefined) return [];
  const { message } = failure;
  const line = `${style.bad("FAILED")} to note what was done: ${escapeControls(message)}`;
  return [line, ...renderFailure(failure, message, "  ")];
}

function renderEnd({ ok, dryRun, started, finished }: RunReport, style: Style): string {
  const took = saySeconds((finished.getTime() - started.getTime()) / 1000);
  if (!ok) return style.bad(`Not everything is safe: see above (${took})`);
  return dryRun ? `Nothing was stored: a dry run (${took})` : `Done in ${took}`;
}
