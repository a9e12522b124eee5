/**
 * Everything that can go wrong, as a closed set of codes with their exit status.
 *
 * @module
 */

/** How a failure ends the process, and whether another attempt may succeed. */
export const FAILURES = {
  "bug": { status: 1, retry: false, means: "a bug in keepsake; the stack is printed" },
  "source-unreadable": { status: 2, retry: false, means: "a source file could not be read" },
  "stage-failed": { status: 2, retry: false, means: "a stage failed in itself" },
  "worker-died": { status: 2, retry: false, means: "a stage's worker ended without an answer" },
  "timed-out": { status: 2, retry: true, means: "a stage took longer than it may" },
  "stream-broken": { status: 2, retry: false, means: "bytes were lost between two stages" },
  "storage-full": { status: 2, retry: false, means: "a disk is full" },
  "destination-refused": { status: 2, retry: false, means: "a destination refused what was sent" },
  "destination-unreachable": { status: 2, retry: true, means: "a destination did not answer" },
  "usage": { status: 3, retry: false, means: "the command line is wrong" },
  "pipeline-invalid": { status: 3, retry: false, means: "the pipeline file is wrong" },
  "source-missing": { status: 3, retry: false, means: "a path to back up does not exist" },
  "recipient-invalid": { status: 3, retry: false, means: "a recipient cannot be used" },
  "identity-wrong": { status: 3, retry: false, means: "no identity at hand opens the snapshot" },
  "permission-missing": { status: 3, retry: false, means: "a permission is missing" },
  "target-refused": { status: 3, retry: false, means: "the place to restore to cannot be used" },
  "snapshot-missing": { status: 4, retry: false, means: "there is no such snapshot" },
  "snapshot-damaged": {
    status: 4,
    retry: false,
    means: "a stored snapshot is incomplete or damaged",
  },
  "run-in-progress": { status: 11, retry: true, means: "another run holds the lock" },
  "interrupted": { status: 130, retry: false, means: "the run was interrupted" },
} as const;

/** Name of a failure; {@linkcode FAILURES} says what each means and how it ends the process. */
export type FailureCode = keyof typeof FAILURES;

/** Codes a stage may raise; the others are for the pipeline to decide. */
export type StageFailureCode = Extract<
  FailureCode,
  | "source-unreadable"
  | "source-missing"
  | "stage-failed"
  | "storage-full"
  | "destination-refused"
  | "destination-unreachable"
  | "recipient-invalid"
  | "identity-wrong"
  | "target-refused"
  | "snapshot-missing"
  | "snapshot-damaged"
>;

/** What an error says besides its message. */
export interface FailureOptions extends ErrorOptions {
  /** What the user can do about it: one imperative sentence without a full stop. */
  readonly hint?: string | undefined;
}

/** A failure the user can do something about. Anything else that is thrown counts as a bug. */
export class BackupError extends Error {
  override name = "BackupError";
  readonly code: FailureCode;
  readonly hint: string | undefined;

  constructor(code: FailureCode, message: string, { hint, cause }: FailureOptions = {}) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
  }
}

/** What a stage throws when the world, not the stage, is at fault. */
export class StageError extends BackupError {
  override name = "StageError";
  constructor(code: StageFailureCode, message: string, options?: FailureOptions) {
    super(code, message, options);
  }
}

/** A failure as it crosses from a worker: structured clone drops class, code and hint. */
export interface FailureRecord {
  readonly code: FailureCode;
  readonly message: string;
  readonly hint: string | undefined;
  /** Messages of the causes, outermost first. */
  readonly causes: readonly string[];
  /** Only for bugs. */
  readonly stack: string | undefined;
}

/** Turns whatever was thrown into data. */
export function toRecord(thrown: unknown): FailureRecord {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const causes: string[] = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    causes.push(cause.message);
  }
  const { message } = error;
  if (error instanceof BackupError) {
    return { code: error.code, message, hint: error.hint, causes, stack: undefined };
  }
  if (error instanceof Deno.errors.NotCapable) {
    return {
      code: "permission-missing",
      message: message.replace(/, (run again|specify the required) .*$/s, ""),
      hint: "Report this: the stage's permissions() leaves out what it needs",
      causes,
      stack: error.stack,
    };
  }
  if ("code" in error && error.code === "ENOSPC") {
    return { code: "storage-full", message, hint: HINT_FULL, causes, stack: undefined };
  }
  return { code: "bug", message, hint: undefined, causes, stack: error.stack };
}

/** Turns a record back into an error that can be thrown on this side. */
export function fromRecord(record: FailureRecord): Error {
  const cause = record.causes.reduceRight<Error | undefined>(
    (inner, message) => new Error(message, { cause: inner }),
    undefined,
  );
  if (record.code !== "bug") {
    return new BackupError(record.code, record.message, { hint: record.hint, cause });
  }
  const error = new Error(record.message, { cause });
  if (record.stack !== undefined) error.stack = record.stack;
  return error;
}

/** What to do about a full disk. */
export const HINT_FULL = "Free some space there, or choose another directory";

/** The exit status for whatever was thrown; what is no {@linkcode BackupError} is a bug. */
export function statusOf(thrown: unknown): number {
  return FAILURES[toRecord(thrown).code].status;
}
