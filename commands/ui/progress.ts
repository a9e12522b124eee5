/**
 * What goes on at the moment, as one line: a pure function of what happened, the time and the width.
 *
 * @module
 */
import type { Event } from "../../pipeline/events.ts";
import { sayBytes } from "./format.ts";
import type { Style } from "./style.ts";
import { escapeControls, fit, widthOf } from "./text.ts";

/** A stage at work. */
export interface Work {
  /** Bytes. */
  readonly done: number;
  readonly total: number | undefined;
  /** When its first bytes were reported, in milliseconds on some clock. */
  readonly since: number;
}

/** The stages at work, in the order in which they started. */
export type Progress = ReadonlyMap<string, Work>;

/** Nothing is at work. */
export const IDLE: Progress = new Map();

/** What is at work after something happened. */
export function advance(progress: Progress, event: Event, now: number): Progress {
  if (event.type === "log" || event.type === "run-started") return progress;
  const next = new Map(progress);
  if (event.type === "stage-finished") next.delete(event.report.id);
  else {
    const { since = now } = progress.get(event.stage) ?? {};
    const { done, total } = event.type === "stage-progress" ? event : { done: 0, total: undefined };
    next.set(event.stage, { done, total, since });
  }
  return next;
}

/** One line of at most `width` columns; empty when nothing is at work. */
export function renderProgress(
  progress: Progress,
  now: number,
  width: number,
  style: Style,
): string {
  if (progress.size === 0) return "";
  const names = [...progress.keys()].map(escapeControls).join(", ");
  // One that knows its end tells the most; else the one that moved the most.
  const [first] = [...progress.values()].toSorted((a, b) =>
    Number(b.total !== undefined) - Number(a.total !== undefined) || b.done - a.done
  );
  const { done, total, since } = first!;
  const seconds = (now - since) / 1000;
  const rate = done > 0 && seconds >= 1 ? `  ${sayBytes(Math.round(done / seconds))}/s` : "";
  const amount = done === 0 ? "" : `  ${sayBytes(done)}`;
  // A total is what the scan saw: a log that grew meanwhile must not show 101 %.
  const share = total === undefined || total <= 0 ? undefined : Math.min(1, done / total);
  if (share === undefined) return fit(`${names}${amount}${rate}`, width);
  const tail = ` ${String(Math.floor(share * 100)).padStart(3)}%${amount}${rate}`;
  const room = Math.min(WIDEST_BAR, width - widthOf(names) - 2 - tail.length - 1);
  if (room < NARROWEST_BAR) return fit(`${names}${tail}`, width);
  const filled = Math.round(share * room);
  return `${names} [${style.good("=".repeat(filled))}${" ".repeat(room - filled)}]${tail}`;
}

const WIDEST_BAR = 40;
const NARROWEST_BAR = 5;
