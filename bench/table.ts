/**
 * Turns measurements into what is printed. Pure.
 *
 * @module
 */
import { median } from "./measure.ts";
import { type Operation, OPERATIONS } from "./peers.ts";

/** All samples of one operation of one peer. */
export interface Row {
  readonly peer: string;
  readonly operation: Operation;
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
  readonly peakBytes: readonly number[];
  /** Size of what was stored; for a first run. */
  readonly storedBytes: number | undefined;
  /** Why there are no samples: the peer has no such operation, is missing or failed. */
  readonly absent: string | undefined;
}

/** A goal, and what was measured. */
export interface Bar {
  readonly goal: string;
  readonly limit: number;
  /** `undefined`: not measured. */
  readonly measured: number | undefined;
  readonly reached: boolean | undefined;
}

/** Renders rows as a table, one part an operation. Ratios are against the peer `pipe`. */
export function renderTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  for (const operation of OPERATIONS) {
    const part = rows.filter((row) => row.operation === operation);
    if (part.length === 0) continue;
    const base = part.find(({ peer }) => peer === "pipe");
    lines.push(
      line([HEADINGS[operation], "median", "range", "× pipe", "cpu", "peak MB", "stored MB"]),
    );
    for (const row of part) lines.push(renderRow(row, base));
    lines.push("");
  }
  return lines.join("\n");
}

/** Renders the goals, each with what was measured. */
export function renderBars(bars: readonly Bar[]): string {
  return bars.map(({ goal, measured, reached }) =>
    `  ${goal.padEnd(58)}${(measured === undefined ? "–" : measured.toFixed(2)).padStart(8)}  ${
      reached === undefined ? "not measured" : reached ? "reached" : "not reached"
    }`
  ).join("\n") + "\n";
}

/** The goals that a home of this size is held to, and whether they were reached. */
export function judge(rows: readonly Row[], large: boolean): readonly Bar[] {
  const seconds = (peer: string, operation: Operation) =>
    medianOf(rows.find((row) => row.peer === peer && row.operation === operation)?.seconds);
  const ratio = (operation: Operation, peer: string) =>
    divide(seconds("keepsake", operation), seconds(peer, operation));
  const peaks = rows.filter(({ peer }) => peer === "keepsake").flatMap((row) => row.peakBytes);
  const peak = peaks.length === 0 ? undefined : Math.max(...peaks) / 1e6;
  const first = large ? 1.05 : 1.15;
  return [
    bar(`first run: at most ${first} × pipe`, first, ratio("first", "pipe")),
    large
      ? bar("unchanged run: less than 1 × restic", 1, ratio("unchanged", "restic"))
      : bar("unchanged run: at most 0.25 s", 0.25, seconds("keepsake", "unchanged")),
    bar("restore: at most 1.1 × age -d | zstd -d | tar x", 1.1, ratio("restore", "pipe")),
    bar("peak memory, all operations: less than 200 MB", 200, peak),
  ];
}

const HEADINGS: Readonly<Record<Operation, string>> = {
  first: "first run",
  unchanged: "unchanged run",
  verify: "verify",
  restore: "restore",
};

const WIDTHS = [16, 10, 16, 9, 10, 10, 11];

function renderRow(row: Row, base: Row | undefined): string {
  const time = medianOf(row.seconds);
  if (time === undefined || row.absent !== undefined) {
    return `  ${row.peer.padEnd(14)}${"–".padStart(10)}   ${row.absent}`;
  }
  const ratio = divide(time, medianOf(base?.seconds));
  const cpu = medianOf(row.cpuSeconds);
  const peak = medianOf(row.peakBytes);
  return line([
    `  ${row.peer}`,
    `${time.toFixed(2)} s`,
    `${Math.min(...row.seconds).toFixed(2)} to ${Math.max(...row.seconds).toFixed(2)}`,
    ratio === undefined ? "" : ratio.toFixed(2),
    cpu === undefined ? "" : `${cpu.toFixed(2)} s`,
    peak === undefined ? "" : (peak / 1e6).toFixed(0),
    row.storedBytes === undefined ? "" : (row.storedBytes / 1e6).toFixed(1),
  ]);
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => i === 0 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!))
    .join("").trimEnd();
}

function bar(goal: string, limit: number, measured: number | undefined): Bar {
  return {
    goal,
    limit,
    measured,
    reached: measured === undefined ? undefined : measured <= limit,
  };
}

function medianOf(values: readonly number[] | undefined): number | undefined {
  return values === undefined || values.length === 0 ? undefined : median(values);
}

function divide(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}
