/**
 * Keeps synchronous work from holding up its worker.
 *
 * @module
 */
import type { StageContext } from "../contract.ts";

/** Long enough to cost nothing, short enough for Ctrl-C to be felt at once. */
const TURN_MS = 100;
const REPORT_BYTES = 16 * 2 ** 20;
/** Work without bytes, such as a walk over a million names, is told of as well. */
const REPORT_MS = 5000;

/** As long as a stage may go without progress, and longer where there is much to look at. */
const SQLITE_MS = 600_000;
/** In a millisecond, at the very least: a check of many indexes on a busy machine does 8,000. */
const SQLITE_BYTES = 500;

/** Says when it is time for the event loop, and how far the work has come. */
export class Pace {
  /** Bytes in all, once known. */
  total: number | undefined;
  /** Ends the work at its next turn. */
  readonly signal: AbortSignal;
  readonly #progress: StageContext["progress"];
  readonly #silence: StageContext["silence"];
  readonly #now: () => number;
  #done = 0;
  #reported = 0;
  #lastTurn: number;
  #lastReport: number;

  constructor(
    { signal, progress, silence }: Pick<StageContext, "signal" | "progress" | "silence">,
    now: () => number = () => performance.now(),
  ) {
    this.signal = signal;
    this.#progress = progress;
    this.#silence = silence;
    this.#now = now;
    this.#lastTurn = now();
    this.#lastReport = now();
  }

  /** Counts bytes that are done. */
  add(bytes: number): void {
    this.#done += bytes;
    if (this.#done - this.#reported >= REPORT_BYTES) this.#report();
  }

  /** Announces that SQLite takes as long as it takes over a database, and lets nothing else through. */
  leaveToSqlite(bytes: number): void {
    this.#silence?.(SQLITE_MS + bytes / SQLITE_BYTES);
  }

  /** Whether to await `turn` now. */
  get isDue(): boolean {
    return this.#now() - this.#lastTurn >= TURN_MS;
  }

  /**
   * Runs a turn of the event loop, with its timers. Turning by messages to
   * oneself, twice as fast, starves them.
   *
   * @throws The signal's reason.
   */
  async turn(): Promise<void> {
    await takeTurn();
    this.signal.throwIfAborted();
    this.#lastTurn = this.#now();
    if (this.#lastTurn - this.#lastReport >= REPORT_MS) this.#report();
  }

  #report(): void {
    this.#reported = this.#done;
    this.#lastReport = this.#now();
    this.#progress(this.#done, this.total);
  }
}

/** Runs a turn of the event loop. What that takes is loaded by those who come so far. */
export async function takeTurn(): Promise<void> {
  const { setImmediate } = await import("node:timers");
  await new Promise<void>((resolve) => void setImmediate(resolve));
}
