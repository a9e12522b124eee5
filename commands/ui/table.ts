/**
 * Tables that fit the terminal.
 *
 * @module
 */
import { PLAIN, type Style } from "./style.ts";
import { fit, pad, widthOf } from "./text.ts";

/** One column. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Gives way when the terminal is narrow, down to a few letters. */
  readonly shrinks?: boolean;
}

/**
 * Lays out rows under their titles. Only columns that shrink are cut: what they hold can be told
 * from the rest, and everything else is to be copied from the screen.
 *
 * @param rows Texts without control characters and colours.
 * @param width Columns of the terminal; `Infinity` when there is none.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  style: Style = PLAIN,
): string[] {
  const widths = widthsOf(columns, rows, width);
  const line = (cells: readonly string[]) =>
    columns.map(({ align }, index) => {
      const cell = fit(cells[index] ?? "", widths[index]!);
      const last = index === columns.length - 1 && align !== "right";
      return last ? cell : pad(cell, widths[index]!, align);
    }).join(GAP).trimEnd();
  return [style.faint(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

const GAP = "  ";
const NARROWEST = 8;

function widthsOf(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[index] ?? "")))
  );
  const total = widths.reduce((sum, one) => sum + one, GAP.length * (columns.length - 1));
  let excess = total - width;
  while (excess > 0) {
    const widest = widestOf(columns, widths);
    if (widest === undefined) break;
    widths[widest]! -= 1;
    excess -= 1;
  }
  return widths;
}

function widestOf(columns: readonly Column[], widths: readonly number[]): number | undefined {
  let widest: number | undefined;
  for (const [index, { shrinks }] of columns.entries()) {
    if (shrinks !== true || widths[index]! <= NARROWEST) continue;
    if (widest === undefined || widths[index]! > widths[widest]!) widest = index;
  }
  return widest;
}
