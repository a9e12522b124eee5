/**
 * Reads small text files that people write: the pipeline file and files of recipients.
 *
 * @module
 */
import { systemFault } from "../../stages/errors.ts";
import { quote, unreadableFile } from "./problems.ts";

/** A text, or why there is none: a phrase that completes "Cannot read …:". */
export type Reading =
  | {
    readonly ok: true;
    readonly text: string;
    /** `false`: a pipe or a device, which may tell it only once. */
    readonly isFile: boolean;
  }
  | Refusal;

/** Why there is no text, and what to do about it where it should be a pipeline file. */
interface Refusal {
  readonly ok: false;
  readonly reason: string;
  readonly missing: boolean;
  readonly hint: string;
  /** What the system said, where it was the system. */
  readonly cause?: unknown;
}

/** Bytes that a file of settings has at most. */
export const LARGEST_FILE = 256 * 1024;

/** Reads a pipeline file, without its byte order mark; throws `PipelineError`. */
export async function readPipelineFile(file: string): Promise<string> {
  const reading = await readText(file);
  if (!reading.ok) {
    throw unreadableFile(`Cannot read ${quote(file)}: ${reading.reason}`, reading.hint);
  }
  if (reading.text.trim() === "") {
    const hint = reading.isFile ? HINT_EMPTY : HINT_OTHER;
    throw unreadableFile(`Cannot use ${quote(file)}: it is empty`, hint);
  }
  return reading.text;
}

const HINT_DIRECTORY = "Name the file in it with --config FILE";
const HINT_OTHER = "See that it is the pipeline file, and name another with --config FILE if not";
const HINT_UTF8 = "Save it as UTF-8 in your editor";
const HINT_ACCESS = "See that you may read it, or name another file with --config FILE";

/** It was named, or else it would have been looked for elsewhere. */
const HINT_MISSING = 'Correct its path, or write one with "keepsake init"';

/** What to do where there is nothing in a pipeline file: `init` overwrites none. */
const HINT_EMPTY = 'Remove it, and write one with "keepsake init"';

/** What to do where there is no pipeline file. */
export const HINT_NONE = 'Write one with "keepsake init", or name it with --config FILE';

/** Reads a file of at most {@linkcode LARGEST_FILE} bytes of UTF-8. */
export async function readText(file: string): Promise<Reading> {
  try {
    using handle = await Deno.open(file);
    const info = await handle.stat();
    if (info.isDirectory) return refuse(DIRECTORY, HINT_DIRECTORY);
    if (info.size > LARGEST_FILE) {
      return refuse(tooLarge(`${kibibytes(info.size)} KiB`), HINT_OTHER);
    }
    const bytes = await readBounded(handle);
    if (bytes === undefined) {
      return refuse(tooLarge(`more than ${kibibytes(LARGEST_FILE)} KiB`), HINT_OTHER);
    }
    return decode(bytes, info.isFile);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    const missing = reason === MISSING;
    const isDirectory = error instanceof Deno.errors.IsADirectory;
    const hint = missing ? HINT_MISSING : isDirectory ? HINT_DIRECTORY : HINT_ACCESS;
    return { ok: false, reason, missing, hint, cause: error };
  }
}

/** A pipe or a device tells no size, so that what is read has a bound of its own. */
async function readBounded(handle: Deno.FsFile): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(LARGEST_FILE + 1);
  let filled = 0;
  while (filled < buffer.length) {
    const count = await handle.read(buffer.subarray(filled));
    if (count === null) return buffer.subarray(0, filled);
    filled += count;
  }
  return undefined;
}

function decode(bytes: Uint8Array, isFile: boolean): Reading {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return refuse("it is UTF-16 text, and must be UTF-8", HINT_UTF8);
  }
  if (isAgeFile(bytes)) return refuse(ENCRYPTED, HINT_OTHER);
  if (first === 0) return refuse(BINARY, HINT_OTHER); // Also what a crash left of a file.
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), isFile };
  } catch {
    if (bytes.includes(0)) return refuse(BINARY, HINT_OTHER);
    return refuse(`it is not UTF-8 text, in line ${firstUndecodable(bytes)}`, HINT_UTF8);
  }
}

function isAgeFile(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, AGE.length)) === AGE;
}

const AGE = "age-encryption.org/";

/** A line feed is part of no other character, so that lines can be looked at one by one. */
function firstUndecodable(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(LINE_FEED, start);
    const stop = end === -1 ? bytes.length : end;
    if (new TextDecoder().decode(bytes.subarray(start, stop)).includes("\u{fffd}")) break;
    start = stop + 1;
  }
  return line;
}

const LINE_FEED = 0x0a;

function reasonOf(error: unknown): string | undefined {
  if (error instanceof Deno.errors.NotFound) return MISSING;
  if (error instanceof Deno.errors.NotADirectory) return MISSING;
  return systemFault(error)?.state;
}

/** The phrase for a file that is not there. */
export const MISSING = "there is no such file";
const DIRECTORY = "it is a directory";
/** The phrase for what age made, without armor. */
export const ENCRYPTED = "it is encrypted itself";
const BINARY = "it is binary, and must be text";

function refuse(reason: string, hint: string): Reading {
  return { ok: false, reason, missing: false, hint };
}

function tooLarge(size: string): string {
  return `it is ${size}, and may be at most ${kibibytes(LARGEST_FILE)} KiB`;
}

function kibibytes(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
