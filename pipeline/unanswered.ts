/**
 * What to throw where destinations did not answer, and nothing can be done without them.
 *
 * @module
 */
import { BackupError, FAILURES } from "../stages/errors.ts";
import type { Failure } from "./events.ts";

/** A destination that could not be asked what it holds, and why. */
export interface Unanswered {
  /** Id or address. */
  readonly destination: string;
  readonly failure: Failure;
}

/** Several destinations, or one of several: the gravest failure stands for all. */
export class UnansweredError extends BackupError {
  override name = "UnansweredError";
  readonly failures: readonly Unanswered[];

  constructor(failures: readonly [Unanswered, ...Unanswered[]]) {
    const { code, hint } = failures.map(({ failure }) => failure).reduce((gravest, other) =>
      FAILURES[other.code].status > FAILURES[gravest.code].status ? other : gravest
    );
    const message = failures.map(({ destination, failure }) => `${destination}: ${failure.message}`)
      .join("; ");
    super(code, message, { hint });
    this.failures = failures;
  }
}

/**
 * The failure of those that did not answer; `undefined` where all did.
 *
 * @param answers How many others did.
 */
export function unanswered(
  [first, ...others]: readonly Unanswered[],
  answers: number,
): BackupError | undefined {
  if (first === undefined) return undefined;
  const { code, message, hint } = first.failure;
  return others.length === 0 && answers === 0
    ? new BackupError(code, message, { hint })
    : new UnansweredError([first, ...others]);
}
