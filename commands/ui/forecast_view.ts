/**
 * What will be at some time to come, for a person.
 *
 * @module
 */
import type { Forecast, PlaceForecast } from "../../pipeline/forecast.ts";
import { sayCount, sayTime } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** Lays out what stays at each destination, and why. */
export function renderForecast(
  { at, runs, places }: Forecast,
  width: number,
  style: Style = PLAIN,
  offsetMinutes?: number,
): string[] {
  const title = `On ${sayTime(at, offsetMinutes)}, after ${sayCount(runs, "run")} more:`;
  const supposed = "It is supposed that each run finds changes, and that nothing is deleted.";
  return [
    style.strong(title),
    style.faint(supposed),
    ...places.flatMap((place) => ["", ...renderPlace(place, width, style, offsetMinutes)]),
  ];
}

function renderPlace(
  { id, policy, snapshots, added }: PlaceForecast,
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
    { title: "WHY", shrinks: true },
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
  ];
}
