/**
 * Shows events as they come: a line that is drawn over on a terminal, lines everywhere else.
 *
 * @module
 */
import type { Event, Listener } from "../../pipeline/events.ts";
import { saySeconds } from "./format.ts";
import { advance, IDLE, renderProgress } from "./progress.ts";
import { type Style, styleFor } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControls } from "./text.ts";

/** How much is shown. */
export interface ReporterOptions {
  /** Warnings alone. */
  readonly quiet: boolean;
  /** Milliseconds on a clock that only goes forward. */
  readonly clock?: () => number;
}

/** A listener that shows what goes on, until it is disposed of. */
export interface Reporter extends Disposable {
  readonly listener: Listener;
}

/** Makes a listener for a terminal. It never throws: showing must not end what is shown. */
export function reporterFor(terminal: Terminal, options: ReporterOptions): Reporter {
  const { quiet, clock = () => performance.now() } = options;
  const style = styleFor(terminal.err);
  let progress = IDLE;
  let drawn = -Infinity;
  const show = (event: Event) => {
    const line = lineOf(event, { quiet, interactive: terminal.err.interactive }, style);
    if (line !== undefined) terminal.say(line);
    if (quiet || !terminal.err.interactive) return;
    const now = clock();
    progress = advance(progress, event, now);
    if (event.type === "stage-progress" && now - drawn < REDRAW_MS) return;
    drawn = now;
    terminal.status(renderProgress(progress, now, terminal.err.width - 1, style));
  };
  return {
    listener: (event) => {
      try {
        show(event);
      } catch {
        // A terminal that went away in the middle of it.
      }
    },
    [Symbol.dispose]: () => terminal.status(""),
  };
}

const REDRAW_MS = 80;

/** A stage that takes so long is worth a line of its own where there is no progress bar. */
const LONG_SECONDS = 10;

/** The line that stays of an event, if any. */
export function lineOf(
  event: Event,
  { quiet, interactive }: { readonly quiet: boolean; readonly interactive: boolean },
  style: Style,
): string | undefined {
  if (event.type === "log") {
    if (event.level === "debug" || (quiet && event.level !== "warn")) return undefined;
    const stage = event.stage === undefined ? "" : `${escapeControls(event.stage)}: `;
    const mark = event.level === "warn" ? `${style.careful("Warning:")} ` : "";
    return `${mark}${stage}${escapeControls(event.message)}`;
  }
  if (event.type !== "stage-finished" || quiet || interactive) return undefined;
  const { id, status, message, seconds } = event.report;
  // What was quick is in the summary; what failed is told at the end, with all there is to say of it.
  if (status === "failed" || seconds < LONG_SECONDS) return undefined;
  return `${escapeControls(id)}: ${status}, ${escapeControls(message)} (${saySeconds(seconds)})`;
}
