/**
 * What will be at some time to come, for a person.
 *
 * @module
 */
import type { Forecast, PlaceForecast } from "../../pipeline/forecast.ts";
import { sayCount, sayPath, sayTime } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** What it is shown on. */
export interface ForecastView {
  /** Columns. */
  readonly width: number;
  /** Shown as `~`. */
  readonly home: string | undefined;
  readonly offsetMinutes?: number | undefined;
}

/** Conversations that are named each. */
const NAMED = 10;

/** Lays out what stays at each destination, and why. */
export function renderForecast(
  { at, runs, isScheduled, pauses, places, swept }: Forecast,
  { width, home, offsetMinutes }: ForecastView,
  style: Style = PLAIN,
): string[] {
  const title = `On ${sayTime(at, offsetMinutes)}, after ${sayCount(runs, "run")} more:`;
  const daily = isScheduled ? "" : "one run is made a day, as none is scheduled, that ";
  const supposed =
    `It is supposed that ${daily}each run finds changes, and that nothing is deleted.`;
  return [
    style.strong(title),
    style.faint(supposed),
    ...pauses.map(({ id, reason }) =>
      style.careful(
        escapeControls(`Nothing of ${id} is removed as things are. Pruning is ${reason}`),
      )
    ),
    ...places.flatMap((place) => ["", ...renderPlace(place, width, style, offsetMinutes)]),
    ...renderSwept(swept, home, style, offsetMinutes),
  ];
}

function renderSwept(
  swept: Forecast["swept"],
  home: string | undefined,
  style: Style,
  offsetMinutes: number | undefined,
): string[] {
  if (swept.length === 0) return [];
  const lines = swept.slice(0, NAMED).map(({ path, goes, destinations }) => {
    const where = destinations.length === 0
      ? "in no destination yet"
      : `in ${destinations.join(", ")}`;
    const line = `  ${sayTime(goes, offsetMinutes)}  ${sayPath(path, home)}: ${where}`;
    return destinations.length === 0 ? style.careful(escapeControls(line)) : escapeControls(line);
  });
  const more = swept.length - lines.length;
  return [
    "",
    style.strong(`Claude Code will have deleted ${sayCount(swept.length, "session")}:`),
    ...lines,
    ...(more > 0 ? [`  and ${more} more: see --json`] : []),
  ];
}

function renderDrill(
  { id, due, overdue }: PlaceForecast["drills"][number],
  offsetMinutes: number | undefined,
): string {
  const [first] = due;
  const name = escapeControls(id);
  if (first !== undefined) {
    const times = due.length === 1 ? "once" : `${due.length} times`;
    return `${name} will be drilled ${times}, first by the run of ${sayTime(first, offsetMinutes)}`;
  }
  if (overdue === undefined) return `${name} is due for no drill until then`;
  return `${name} is overdue for a drill from ${
    sayTime(overdue, offsetMinutes)
  } on: keepsake drill`;
}

function renderPlace(
  { id, policy, snapshots, added, drills }: PlaceForecast,
  width: number,
  style: Style,
  offsetMinutes: number | undefined,
): string[] {
  const name = style.strong(escapeControls(id));
  const keys = policy.length === 0 ? "nothing is ever removed" : policy.join(", ");
  const columns = [
    { title: "" },
    { title: "ID" },
    { title: "SNAPSHOT" },
    { title: "UNTIL" },
    { title: "WHY" },
  ] as const;
  const rows = snapshots.map(({ id, name, removed, reasons }) => [
    removed === undefined ? "stays" : "goes",
    escapeControls(id),
    name,
    removed === undefined ? "" : sayTime(removed, offsetMinutes),
    escapeControls(reasons.join("; ")),
  ]);
  const staying = snapshots.filter(({ removed }) => removed === undefined).length;
  return [
    `${name}: ${keys}`,
    ...(rows.length > 0
      ? renderTable(columns, rows, width, style)
      : ["No snapshot is known there"]),
    `Of ${sayCount(snapshots.length, "snapshot")} now, ${staying} would stay; and ${added} that ${
      added === 1 ? "is" : "are"
    } to come`,
    ...drills.map((drill) => renderDrill(drill, offsetMinutes)),
  ];
}
