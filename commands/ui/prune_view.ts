/**
 * What retention made of each snapshot, for a person.
 *
 * @module
 */
import type { PrunedItem, Pruning } from "../../pipeline/events.ts";
import type { PruneReport } from "../../pipeline/prune.ts";
import { sayBytes, sayCount } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** Lays out each destination: in a dry run with every snapshot, else with those that went. */
export function renderPruning(
  { destinations, dryRun }: PruneReport,
  width: number,
  style: Style = PLAIN,
): string[] {
  const told = destinations.map((pruning) => renderDestination(pruning, dryRun, width, style));
  return told.flatMap((lines, index) => index === 0 ? lines : ["", ...lines]);
}

function renderDestination(
  pruning: Pruning,
  dryRun: boolean,
  width: number,
  style: Style,
): string[] {
  const { id, policy, items } = pruning;
  const name = style.strong(escapeControls(id));
  if (policy.length === 0) return [`${name}: nothing is ever removed, it has no keep_ key`];
  const shown = dryRun ? items : items.filter(({ keep }) => !keep);
  const columns = [
    { title: "" },
    { title: "ID" },
    { title: "SNAPSHOT" },
    { title: "SIZE", align: "right" },
    { title: "WHY" },
  ] as const;
  const rows = shown.map((item) => [
    sayFate(item),
    escapeControls(item.id),
    item.what === "archive" ? `${item.name} (archive alone)` : item.name,
    sayBytes(item.bytes),
    escapeControls(item.reasons.join("; ")),
  ]);
  return [
    `${name}: ${policy.join(", ")}`,
    ...(rows.length > 0 ? renderTable(columns, rows, width, style) : []),
    saySum(pruning, dryRun),
  ];
}

function sayFate({ keep, removed }: PrunedItem): string {
  return keep ? "keep" : removed ? "removed" : "remove";
}

/** What still has what was removed, and takes up its room. */
const KEEPERS = {
  "history": { keeps: "its history keeps", until: "" },
  "versions": { keeps: "its locked versions keep", until: " until they are removed as well" },
} as const;

/** What went in all, and what that is worth. */
function saySum({ items, removal, failure }: Pruning, dryRun: boolean): string {
  if (failure !== undefined && items.length === 0) {
    return `Nothing ${dryRun ? "would be" : "was"} removed: what is there is not known`;
  }
  const going = items.filter(({ keep, removed }) => dryRun ? !keep : removed);
  const kept = items.length - going.length;
  if (going.length === 0) {
    return dryRun
      ? `Nothing would be removed, ${kept} would stay`
      : `Nothing was removed, ${kept} ${kept === 1 ? "stays" : "stay"}`;
  }
  const bytes = sayBytes(going.reduce((sum, { bytes }) => sum + bytes, 0));
  const verb = dryRun ? "would be" : going.length === 1 ? "was" : "were";
  const worth = removal === "frees" ? bytes : `${bytes}, ${sayKept(removal)}`;
  const stay = `${kept} ${dryRun ? "would stay" : kept === 1 ? "stays" : "stay"}`;
  return `${sayCount(going.length, "snapshot")} ${verb} removed (${worth}), ${stay}`;
}

function sayKept(removal: Exclude<Pruning["removal"], "frees">): string {
  const { keeps, until } = KEEPERS[removal];
  return `which ${keeps}: no room is freed${until}`;
}

/** The line of a run's summary that tells what it removed at a destination; empty: nothing. */
export function sayRemoved({ items, removal }: Pruning, snapshot: string): string {
  const gone = items.filter(({ id, removed }) => removed && id === snapshot);
  if (gone.length === 0) return "";
  const bytes = sayBytes(gone.reduce((sum, { bytes }) => sum + bytes, 0));
  const worth = removal === "frees"
    ? bytes
    : `${KEEPERS[removal].keeps} ${gone.length === 1 ? "it" : "them"}`;
  return `removed ${sayCount(gone.length, "snapshot")} past its keep_ keys (${worth})`;
}

/** Says where not all could be removed, and why. */
export function renderPruneFailures(
  { destinations }: Pick<PruneReport, "destinations">,
  style: Style = PLAIN,
): string[] {
  return destinations.flatMap(({ id, failure }) => {
    if (failure === undefined) return [];
    const line = `${style.bad("Error:")} ${escapeControls(`${id}: ${failure.message}`)}`;
    return failure.hint === undefined ? [line] : [line, `  ${escapeControls(failure.hint)}`];
  });
}
