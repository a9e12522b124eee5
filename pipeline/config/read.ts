/**
 * Reads small text files that people write: the pipeline file and files of recipients.
 *
 * @module
 */
import { systemFault } from "../../stages/errors.ts";
import { quote, unreadableFile } from "./problems.ts";

/** A text, or why there is none: a phrase that completes "Cannot read …:". */
export type Reading =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string; readonly missing: boolean };

/** Bytes that a file of settings has at most. */
export const LARGEST_FILE = 256 * 1024;

/** Reads a pipeline file, without its byte order mark; throws `PipelineError`. */
export async function readPipelineFile(file: string): Promise<string> {
  const reading = await readText(file);
  if (!reading.ok) {
    const hint = reading.missing ? HINT_NONE : undefined;
    throw unreadableFile(`Cannot read ${quote(file)}: ${reading.reason}`, hint);
  }
  if (reading.text.trim() === "") {
    throw unreadableFile(`Cannot use ${quote(file)}: it is empty`, HINT_NONE);
  }
  return reading.text;
}

/** What to do where there is no pipeline file. */
export const HINT_NONE = 'Write one with "keepsake init", or name it with --config FILE';

/** Reads a file of at most {@linkcode LARGEST_FILE} bytes of UTF-8. */
export async function readText(file: string): Promise<Reading> {
  try {
    using handle = await Deno.open(file);
    const info = await handle.stat();
    if (info.isDirectory) return refuse("it is a directory");
    if (info.size > LARGEST_FILE) return refuse(tooLarge(`${kibibytes(info.size)} KiB`));
    const bytes = await readBounded(handle);
    if (bytes === undefined) return refuse(tooLarge(`more than ${kibibytes(LARGEST_FILE)} KiB`));
    return decode(bytes);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    return { ok: false, reason, missing: error instanceof Deno.errors.NotFound };
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

function decode(bytes: Uint8Array): Reading {
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    const [first, second] = bytes;
    const wide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
    return refuse(
      wide
        ? "it is UTF-16 text, and must be UTF-8"
        : `it is not UTF-8 text, in line ${firstUndecodable(bytes)}`,
    );
  }
}

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
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.NotADirectory) return "there is no such file";
  return systemFault(error)?.state;
}

function refuse(reason: string): Reading {
  return { ok: false, reason, missing: false };
}

function tooLarge(size: string): string {
  return `it is ${size}, and may be at most ${kibibytes(LARGEST_FILE)} KiB`;
}

function kibibytes(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
