/**
 * Everything that can go wrong, as a closed set of codes with their exit status, and what the
 * system's own refusals mean.
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
  "source-missing": { status: 3, retry: false, means: "no path to back up exists" },
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
  "too-old": {
    status: 5,
    retry: false,
    means: "a backup is older than it may be, or a session goes that is in none (status)",
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
  if (isDenied(error)) {
    return {
      code: "permission-missing",
      message: message.replace(/, (run again|specify the required) .*$/s, ""),
      hint: "Report this: the stage's permissions() leaves out what it needs",
      causes,
      stack: error.stack,
    };
  }
  const fault = systemFault(error);
  if (fault?.kind === "full" || fault?.kind === "broken") {
    const [, path] = /'([^']+)'$/.exec(message) ?? [];
    return {
      ...fault.kind === "full"
        ? { code: "storage-full", hint: HINT_FULL }
        : { code: "stage-failed", hint: "Check this machine, its disks and its connections" },
      message: `${path === undefined ? "Cannot go on" : `Cannot use "${path}"`}: ${fault.state}`,
      causes: [message, ...causes],
      stack: undefined,
    };
  }
  return { code: "bug", message, hint: undefined, causes, stack: error.stack };
}

/** Whether a permission was missing. Modules that may not be read are refused in words alone. */
export function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable ||
    (error instanceof TypeError && /^Requires \w+ access to /.test(error.message));
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

/** What the system refused. */
export interface SystemFault {
  /** As {@linkcode systemCode} answers it. */
  readonly code: string;
  /**
   * `full`: there is no room left. `forbidden`: it takes other rights. `refused`: it takes another
   * path or file system. `broken`: a device, a connection or this machine fails. Any but `broken`
   * stays so however often it is tried; of `other` nothing is known.
   */
  readonly kind: "full" | "forbidden" | "refused" | "broken" | "other";
  /** What it is like there, for the end of a sentence. */
  readonly state: string;
}

/**
 * What the system refused; `undefined` for a failure of another kind.
 *
 * @param words What a code means here, where that is more than it means everywhere. What they name
 *   counts as `refused`, unless it has a kind of its own.
 */
export function systemFault(
  error: unknown,
  words: Readonly<Record<string, string>> = {},
): SystemFault | undefined {
  const code = systemCode(error);
  if (code === undefined) return undefined;
  const [kind, state] = STATES[code] ?? ["other", `the system answers ${code}`];
  const own = words[code];
  return { code, kind: own && kind === "other" ? "refused" : kind, state: own ?? state };
}

/** What a failure says, for the end of a sentence: words of ours for what the system refused. */
export function stateOf(error: unknown, words?: Readonly<Record<string, string>>): string {
  return systemFault(error, words)?.state ?? messageOf(error);
}

/** What was thrown, in its own words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The system's name for what went wrong, such as `ENOENT`, or `error 1234` for what has no name here;
 * `undefined` when it was not the system that said so.
 */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof BackupError) return undefined;
  if (error instanceof Deno.errors.NotCapable) return undefined;
  if ("code" in error && /^E[A-Z0-9]+$/.test(String(error.code))) return String(error.code);
  // Deno has names for some of them only, and numbers differ from system to system.
  const [, number] = /\(os error (\d+)\)/.exec(error.message) ?? [];
  return number === undefined ? undefined : NUMBERS[Number(number)] ?? `error ${number}`;
}

/** The numbers without a name in Deno that a disk, a share or a full machine answers with. */
const NUMBERS: Readonly<Record<number, string>> = {
  linux: {
    ...{ 6: "ENXIO", 19: "ENODEV", 23: "ENFILE", 26: "ETXTBSY", 27: "EFBIG", 31: "EMLINK" },
    ...{ 67: "ENOLINK", 84: "EILSEQ", 112: "EHOSTDOWN", 116: "ESTALE", 117: "EUCLEAN" },
    ...{ 121: "EREMOTEIO", 122: "EDQUOT", 123: "ENOMEDIUM" },
  },
  darwin: {
    ...{ 6: "ENXIO", 19: "ENODEV", 23: "ENFILE", 26: "ETXTBSY", 27: "EFBIG", 31: "EMLINK" },
    ...{ 64: "EHOSTDOWN", 69: "EDQUOT", 70: "ESTALE", 92: "EILSEQ", 97: "ENOLINK" },
  },
  windows: { 21: "ENOMEDIUM", 223: "EFBIG", 1006: "ESTALE", 1295: "EDQUOT" },
}[Deno.build.os as string] ?? {};

const UNREACHABLE = "the machine that holds it cannot be reached";
const DISCONNECTED = "the connection to it is lost";
const GONE = "its disk is not there any more";

const STATES: Readonly<Record<string, readonly [SystemFault["kind"], string]>> = {
  EACCES: ["forbidden", "permission denied"],
  EBUSY: ["other", "something else is using it"],
  ECONNABORTED: ["broken", DISCONNECTED],
  ECONNREFUSED: ["broken", UNREACHABLE],
  ECONNRESET: ["broken", DISCONNECTED],
  EDQUOT: ["full", "the quota there is used up"],
  EEXIST: ["refused", "it is there already"],
  EFBIG: ["refused", "the file system does not take files of that size"],
  EHOSTDOWN: ["broken", UNREACHABLE],
  EHOSTUNREACH: ["broken", UNREACHABLE],
  EILSEQ: ["refused", "the file system does not take that name"],
  EIO: ["broken", "its disk or device reports an input or output error"],
  EISDIR: ["refused", "it is a directory"],
  ELOOP: ["refused", "its links lead in a circle"],
  EMFILE: ["broken", "too many files are open"],
  EMLINK: ["refused", "the file system takes no more links to it"],
  ENAMETOOLONG: ["refused", "its name or its path is too long for this system"],
  ENETDOWN: ["broken", UNREACHABLE],
  ENETUNREACH: ["broken", UNREACHABLE],
  ENFILE: ["broken", "too many files are open on this machine"],
  ENODEV: ["broken", GONE],
  ENOENT: ["other", "there is no such file or directory"],
  ENOLINK: ["broken", DISCONNECTED],
  ENOMEDIUM: ["broken", GONE],
  ENOMEM: ["broken", "this machine has no memory left"],
  ENOSPC: ["full", "the disk is full"],
  ENOTCONN: ["broken", DISCONNECTED],
  ENOTDIR: ["refused", "a part of its path is no directory"],
  ENOTEMPTY: ["other", "something is in it"],
  ENOTSUP: ["refused", "the file system cannot do that"],
  ENXIO: ["broken", GONE],
  EPERM: ["forbidden", "permission denied"],
  EREMOTEIO: ["broken", "the device at the other end reports an error"],
  EROFS: ["forbidden", "the file system is read-only"],
  ESTALE: ["broken", "the share that held it was changed or mounted anew"],
  ETIMEDOUT: ["broken", "it did not answer in time"],
  ETXTBSY: ["other", "it is a program that is running"],
  EUCLEAN: ["broken", "its file system is damaged"],
  EXDEV: ["refused", "it lies on another file system"],
};
