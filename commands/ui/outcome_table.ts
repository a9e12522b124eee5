/**
 * How it went with one snapshot after the other, as a table: what drills and verifications share.
 *
 * @module
 */
import { saySeconds } from "./format.ts";
import type { Style } from "./style.ts";
import { type Column, renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** How it went with one snapshot. */
export interface Outcome {
  readonly result: string;
  readonly id: string;
  readonly name: string;
  readonly destination: string;
  readonly seconds: number;
  /** What came back: as many as there are titles. */
  readonly counts: readonly string[];
}

/**
 * Lays out outcomes, a row each.
 *
 * @param titles Of what is counted.
 */
export function renderOutcomes(
  titles: readonly string[],
  outcomes: readonly Outcome[],
  width: number,
  style: Style,
): string[] {
  const columns: readonly Column[] = [
    { title: "RESULT" },
    { title: "ID" },
    { title: "SNAPSHOT" },
    ...[...titles, "TOOK"].map((title) => ({ title, align: "right" }) as const),
    { title: "WHERE", shrinks: true },
  ];
  const rows = outcomes.map(({ result, id, name, counts, seconds, destination }) => [
    result,
    escapeControls(id),
    escapeControls(name),
    ...counts,
    saySeconds(seconds),
    escapeControls(destination),
  ]);
  return renderTable(columns, rows, width, style);
}
