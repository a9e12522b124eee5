/**
 * How drills fared, for a person.
 *
 * @module
 */
import type { Drill, Unproven } from "../../pipeline/events.ts";
import { sayBytes, sayCount, sayTime } from "./format.ts";
import { type Outcome, renderOutcomes } from "./outcome_table.ts";
import { sayIncomplete } from "./remarks_view.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls } from "./text.ts";

/** Lays out how each drill ended, and what came back. */
export function renderDrills(
  drills: readonly Drill[],
  width: number,
  style: Style = PLAIN,
): string[] {
  const titles = ["FILES", "SIZE", "LINES", "DATABASES"];
  const outcomes = drills.map((drill): Outcome => ({
    result: drill.verdict === "failed" ? "FAILED" : sayIncomplete(drill.verdict, drill),
    id: drill.id ?? "?",
    name: drill.name ?? "?",
    destination: drill.destination,
    seconds: drill.seconds,
    counts: [
      ...[String(drill.files), sayBytes(drill.bytes)],
      ...[String(drill.lines), String(drill.databases)],
    ],
  }));
  return renderOutcomes(titles, outcomes, width, style);
}

/** Files that are named each. */
const NAMED = 20;

/** Says why each that is not proven is not. */
export function renderDrillFailures(drills: readonly Drill[], style: Style = PLAIN): string[] {
  return drills.flatMap((drill) => {
    const { id, name, destination, verdict, failure } = drill;
    if (failure === undefined) return [];
    const mark = verdict === "failed" ? style.bad("Error:") : style.careful("Warning:");
    const snapshot = [id, name].filter((part) => part !== null).join("/");
    const where = escapeControls(snapshot === "" ? destination : `${snapshot} at ${destination}`);
    const files = [...drill.flaws, ...drill.unchecked];
    return [
      `${mark} ${where}: drill ${verdict}: ${escapeControls(failure.message)}`,
      ...(failure.hint === undefined ? [] : [`  ${escapeControls(failure.hint)}`]),
      ...(files.length < 2
        ? []
        : files.slice(0, NAMED).map(({ path, reason }) =>
          `    ${escapeControls(path)}: ${escapeControls(reason)}`
        )),
    ];
  });
}

/** One line about the drills of a run that proved something; none when there were no such. */
export function sayProven(drills: readonly Drill[]): string[] {
  const proven = drills.filter(({ verdict }) => verdict === "proven");
  if (proven.length === 0) return [];
  const where = [...new Set(proven.map(({ destination }) => escapeControls(destination)))];
  const count = sayCount(proven.length, "snapshot");
  const incomplete = proven.filter(({ unreadable = [] }) => unreadable.length > 0).length;
  const lacking = incomplete === 0 ? "" : `, ${incomplete} of them incomplete`;
  return [`Drilled: ${count} brought back from ${where.join(", ")} and found good${lacking}`];
}

/** Says what has not been proven for too long, and what to do. */
export function renderUnproven(unproven: readonly Unproven[], style: Style = PLAIN): string[] {
  return unproven.flatMap(({ destination, id, proven, since }) => {
    const last = proven === undefined
      ? `never, since the first snapshot of ${sayTime(since)}`
      : `last at ${sayTime(proven)}`;
    const line = `${escapeControls(id)} at ${escapeControls(destination)} is overdue for a drill`;
    return [
      `${style.bad("FAILED")} ${line}: proven ${last}`,
      `  Prove it with "keepsake drill ${escapeControls(destination)}"`,
    ];
  });
}
