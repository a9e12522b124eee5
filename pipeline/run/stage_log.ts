/**
 * How each stage fares in a run, told as it happens and summed up at the end.
 *
 * @module
 */
import { toRecord } from "../../stages/errors.ts";
import type { PipelineStage } from "../config/pipeline.ts";
import type { Event, Failure, Listener, StageReport } from "../events.ts";
import type { Redact } from "../redact.ts";

const GRAVITY = { skipped: 0, unchanged: 1, ok: 2, failed: 3 } as const;

/** Collects the reports of a run. A stage that acts on several snapshots has one report. */
export class StageLog {
  readonly #listener: Listener;
  readonly #redact: Redact;
  readonly #reports = new Map<string, StageReport>();
  readonly #started = new Map<string, number>();
  #aside: Failure | undefined;

  constructor(listener: Listener | undefined, redact: Redact = (text) => text) {
    this.#redact = redact;
    this.#listener = (event) => {
      try {
        listener?.(event);
      } catch {
        // Whoever watches can never make a backup fail.
      }
    };
  }

  /** A stage begins to work on a snapshot. */
  start({ id }: PipelineStage, snapshot?: string): void {
    if (this.#started.has(id)) return;
    this.#started.set(id, performance.now());
    this.#listener({ type: "stage-started", stage: id, ...(snapshot && { snapshot }) });
  }

  progress(stage: string, done: number, total: number | undefined): void {
    this.#listener({ type: "stage-progress", stage, done, total });
  }

  say(level: "debug" | "info" | "warn", stage: string | undefined, message: string): void {
    this.#listener({ type: "log", level, stage, message: this.#redact(message) });
  }

  /** Passes on what has no place in a stage's report. */
  tell(event: Event): void {
    this.#listener(event);
  }

  finish(stage: PipelineStage, status: "ok" | "unchanged" | "skipped", message: string): void {
    this.#add(stage, { status, message });
  }

  fail(stage: PipelineStage, error: unknown): void {
    const failure = this.describe(error);
    this.#add(stage, { status: "failed", message: failure.message, failure });
  }

  /** Something failed that is no stage's own. The first time is the one to tell. */
  failAside(error: unknown): void {
    const failure = this.describe(error);
    if (failure.code === "bug") throw error;
    this.#aside ??= failure;
  }

  /** The first of what {@linkcode failAside} was told. */
  get failureAside(): Failure | undefined {
    return this.#aside;
  }

  /** Every stage's report, in the order of the file; what never came to act was skipped. */
  reports(stages: readonly PipelineStage[]): StageReport[] {
    return stages.map(({ id, use }) =>
      this.#reports.get(id) ?? { id, use, status: "skipped", message: "not needed", seconds: 0 }
    );
  }

  /** What was thrown, without secrets. */
  describe(error: unknown): Failure {
    const { code, message, hint } = toRecord(error);
    return { code, message: this.#redact(message), hint: hint && this.#redact(hint) };
  }

  #add(
    { id, use, stage: { kind } }: PipelineStage,
    outcome: Pick<StageReport, "status" | "message" | "failure">,
  ): void {
    const begun = this.#started.get(id);
    this.#started.delete(id);
    const before = this.#reports.get(id);
    const elapsed = begun === undefined ? 0 : (performance.now() - begun) / 1000;
    const seconds = (before?.seconds ?? 0) + elapsed;
    const graver = before !== undefined && GRAVITY[before.status] > GRAVITY[outcome.status];
    const report = graver ? { ...before, seconds } : {
      ...{ id, use, ...outcome, seconds },
      ...(kind === "prepare" && { isPrepare: true as const }),
    };
    this.#reports.set(id, report);
    this.#listener({ type: "stage-finished", report });
  }
}
