/**
 * What can be told of a conversation without reading it all.
 *
 * @module
 */
import { basename, join } from "node:path";
import type { Remark } from "../../contract.ts";
import { systemFault } from "../../errors.ts";
import { isText, LogReader } from "./log_reader.ts";
import type { Conversation, Log } from "./log_tree.ts";

/** What the beginning of a conversation tells. */
export interface Beginning {
  readonly cwd: string;
  /** Whether no line says where, so that the folder's name has to do. */
  readonly isGuess: boolean;
  /** Milliseconds since 1970; infinite when no line has a time. */
  readonly first: number;
  /** Whether its first lines are its own, and not another's that it goes on from. */
  readonly isOwn: boolean;
  /** Names that it shares with those that it may go on from: their sessions, and a first line. */
  readonly kin: readonly string[];
}

/** Reads as much of a conversation as it takes to know where and when it was. */
export function lookAhead(
  from: string,
  { key, main, logs }: Conversation,
  unreadable: Remark[],
): Beginning {
  const name = nameOf({ key, main });
  const folder = folderOf(name);
  const own = basename(name);
  for (const log of logs) {
    const head = headOf(from, log, folder);
    if (head === undefined) {
      unreadable.push({ path: join(from, log.path), reason: "it cannot be opened or read" });
      continue;
    }
    const { cwd, first = Infinity, session = own, uuid } = head;
    const kin = [own, session, ...(uuid === undefined ? [] : [uuid])];
    if (cwd === undefined) continue;
    return { cwd: withDrive(cwd), isGuess: false, first, isOwn: session === own, kin };
  }
  return { cwd: guessFor(key), isGuess: true, first: Infinity, isOwn: true, kin: [own] };
}

/** When a conversation that goes on from another says something of its own; infinite if never. */
export function ownTime(from: string, conversation: Conversation): number {
  const { main } = conversation;
  if (main === undefined) return Infinity;
  const own = basename(nameOf(conversation));
  try {
    using file = Deno.openSync(join(from, main.file ?? main.path));
    for (const lines of new LogReader(file).blocks()) {
      for (const { value } of lines) {
        const time = isText(value?.timestamp) ? Date.parse(value.timestamp) : NaN;
        if (!Number.isNaN(time) && isText(value?.uuid) && sessionOf(value) === own) return time;
      }
    }
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
  }
  return Infinity;
}

/** What a conversation's lines are compared with: a key may be hashes. */
function nameOf({ key, main }: Pick<Conversation, "key" | "main">): string {
  return main?.file?.replace(/\.jsonl$/, "") ?? key;
}

/** Whose line it was first: some copies say where they come from, others keep its name. */
function sessionOf({ forkedFrom, sessionId }: Readonly<Record<string, unknown>>): unknown {
  return (forkedFrom as { sessionId?: unknown } | null | undefined)?.sessionId ?? sessionId;
}

/** One place on Windows, whoever says it: editors write the drive in lower case. */
function withDrive(cwd: string): string {
  return cwd.replace(/^[a-z]:(?=[\\/])/, (drive) => drive.toUpperCase());
}

/** What stands for the place of a conversation as long as no line says where. */
export function guessFor(key: string): string {
  return folderOf(key) || key;
}

function folderOf(key: string): string {
  return key.split("/").slice(0, -1).join("/");
}

/** What the first lines of a log tell. */
export interface LogHead {
  readonly cwd?: string | undefined;
  readonly first?: number | undefined;
  readonly session?: string | undefined;
  readonly uuid?: string | undefined;
}

/** What is looked for mostly stands in the first lines. */
const HEAD_SIZE = 2 ** 13;
/** Once the place is known, so much further may be read to find one that is the folder's. */
const FURTHER = 2 ** 18;

/** What the first lines of a log tell; `undefined` when it cannot be read. */
export function headOf(
  from: string,
  { path, file: place = path }: Log,
  folder?: string,
): LogHead | undefined {
  let cwd: string | undefined;
  let first: number | undefined;
  let session: string | undefined;
  let uuid: string | undefined;
  try {
    using file = Deno.openSync(join(from, place));
    const reader = new LogReader(file, { progress: true, block: HEAD_SIZE });
    for (const lines of reader.blocks()) {
      for (const { value } of lines) {
        if (value === undefined) continue;
        const told = sessionOf(value);
        const isFirst = uuid === undefined && isText(value.uuid) && value.type !== "progress";
        // Bookkeeping has the name of the log, also above what is repeated.
        if (isText(told) && (session === undefined || isFirst)) session = told;
        if (isFirst) uuid = value.uuid as string;
        const time = isText(value.timestamp) ? Date.parse(value.timestamp) : NaN;
        if (first === undefined && !Number.isNaN(time)) first = time;
        if (!isText(value.cwd) || value.cwd === cwd) continue;
        if (isNamed(value.cwd, folder)) return { cwd: value.cwd, first, session, uuid };
        cwd ??= value.cwd;
      }
      if (cwd !== undefined && reader.offset > FURTHER) break;
    }
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
    return undefined;
  }
  return { cwd, first, session, uuid };
}

/** Whether Claude Code would keep a directory's conversations in a folder of that name. */
function isNamed(cwd: string, folder: string | undefined): boolean {
  const name = cwd.replace(/[^A-Za-z0-9]/g, "-");
  return folder === undefined || name === folder ||
    (name.length > 200 && folder.startsWith(name.slice(0, 200)));
}

/** So much of a log's end tells how old it is; where its last lines are longer, more is read. */
const END_SIZES = [2 ** 16, 2 ** 20, 2 ** 24];

/** When the newest line of a conversation was written; `undefined` when its end does not tell. */
export function newestTime(from: string, { logs }: Conversation): number | undefined {
  const times = logs.map(({ path, file: place = path, look }) => {
    try {
      using file = Deno.openSync(join(from, place));
      return newestIn(file, look.size);
    } catch (error) {
      if (systemFault(error) === undefined) throw error;
      return -Infinity;
    }
  });
  const newest = Math.max(...times);
  return Number.isFinite(newest) ? newest : undefined;
}

/** The newest time in a log's last lines: infinite when they are too long to be sure of one. */
function newestIn(file: Deno.FsFile, size: number): number {
  for (const length of END_SIZES) {
    const start = Math.max(0, size - length);
    file.seekSync(start, Deno.SeekMode.Start);
    const block = new Uint8Array(Math.min(size, length));
    const count = file.readSync(block) ?? 0;
    const text = new TextDecoder().decode(block.subarray(0, count));
    // In a line that is not there whole, its own time may be missing, and an older one stand.
    const lines = start === 0 ? text : text.slice((text.indexOf("\n") + 1) || text.length);
    const times = lines.matchAll(/"timestamp":"([0-9T:.Z+-]{10,40})"/g)
      .map(([, time]) => Date.parse(time!)).filter((time) => !Number.isNaN(time));
    const newest = times.reduce((a, b) => Math.max(a, b), -Infinity);
    if (newest > -Infinity || start === 0) return newest;
  }
  return Infinity;
}
