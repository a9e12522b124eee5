/**
 * Finds the logs of conversations, with those of their sub-agents, and what can be told of one
 * without reading it all.
 *
 * @module
 */
import { basename, join } from "node:path";
import type { Remark } from "../contract.ts";
import { systemFault } from "../errors.ts";
import { type Look, lookAt } from "./digest_state.ts";
import { LogReader } from "./log_reader.ts";

/** A log, with its path below the directory of all, written with `/`. */
export interface Log {
  readonly path: string;
  readonly look: Look;
}

/** A conversation's own log, if it is there, and those of its sub-agents. */
export interface Conversation {
  /** Path of its own log, without the ending. */
  readonly key: string;
  readonly main: Log | undefined;
  readonly agents: readonly Log[];
  readonly logs: readonly Log[];
}

const AGENT = /^agent-[^/]+\.jsonl$/;
const DEPTH = 12;

/** Every conversation below a directory, sorted by name. @throws What the system says of that one. */
export function findConversations(from: string): readonly Conversation[] {
  const logs: Log[] = [];
  for (const entry of Deno.readDirSync(from)) visit(from, entry.name, entry, logs, 0);
  logs.sort((a, b) => a.path < b.path ? -1 : 1);
  const mains = new Map<string, Log>();
  const agents = new Map<string, Log[]>();
  for (const log of logs) {
    const parts = log.path.slice(0, -".jsonl".length).split("/");
    if (!AGENT.test(basename(log.path))) {
      if (parts.length <= 2) mains.set(parts.join("/"), log);
      continue;
    }
    const key = parts.length > 2 ? parts.slice(0, 2).join("/") : sessionOf(from, log, parts);
    agents.set(key, [...agents.get(key) ?? [], log]);
  }
  return [...new Set([...mains.keys(), ...agents.keys()])].map((key) => {
    const main = mains.get(key);
    const below = agents.get(key) ?? [];
    return { key, main, agents: below, logs: [...(main ? [main] : []), ...below] };
  });
}

function visit(from: string, path: string, entry: Deno.DirEntry, logs: Log[], depth: number): void {
  if (entry.isFile && path.endsWith(".jsonl")) {
    const look = lookAt(join(from, path));
    if (look !== undefined) logs.push({ path, look });
  } else if (entry.isDirectory && depth < DEPTH) {
    for (const inner of readFolder(join(from, path))) {
      visit(from, `${path}/${inner.name}`, inner, logs, depth + 1);
    }
  }
}

/** What vanished meanwhile, or is closed to us, holds no log that could be read. */
function readFolder(path: string): readonly Deno.DirEntry[] {
  try {
    return Array.from(Deno.readDirSync(path));
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
    return [];
  }
}

/** Sub-agents' logs once lay next to those of their conversations. */
function sessionOf(from: string, log: Log, parts: readonly string[]): string {
  const session = headOf(from, log)?.session ?? parts.at(-1)!;
  return [...parts.slice(0, -1), session].join("/");
}

/** What the beginning of a conversation tells. */
export interface Beginning {
  readonly cwd: string;
  /** Milliseconds since 1970; infinite when no line has a time. */
  readonly first: number;
  /** Whether its first lines are its own, and not another's that it goes on from. */
  readonly isOwn: boolean;
}

/** Reads as much of a conversation as it takes to know where and when it was. */
export function lookAhead(
  from: string,
  { key, logs }: Conversation,
  unreadable: Remark[],
): Beginning {
  const folder = key.split("/").slice(0, -1).join("/");
  for (const log of logs) {
    const head = headOf(from, log, folder);
    if (head === undefined) {
      unreadable.push({ path: join(from, log.path), reason: "it cannot be opened or read" });
      continue;
    }
    const { cwd, first = Infinity, session } = head;
    const isOwn = session === undefined || session === basename(key);
    if (cwd !== undefined) return { cwd, first, isOwn };
  }
  // No line says where; the folder's name is all there is.
  return { cwd: folder || key, first: Infinity, isOwn: true };
}

interface LogHead {
  readonly cwd?: string | undefined;
  readonly first?: number | undefined;
  readonly session?: string | undefined;
}

/** What is looked for mostly stands in the first lines. */
const HEAD_SIZE = 2 ** 13;
/** Once the place is known, so much further may be read to find one that is the folder's. */
const FURTHER = 2 ** 18;

function headOf(from: string, { path }: Log, folder?: string): LogHead | undefined {
  let cwd: string | undefined;
  let first: number | undefined;
  let session: string | undefined;
  try {
    using file = Deno.openSync(join(from, path));
    const reader = new LogReader(file, { progress: true, block: HEAD_SIZE });
    for (const lines of reader.blocks()) {
      for (const { value } of lines) {
        if (value === undefined) continue;
        if (session === undefined && isText(value.sessionId)) session = value.sessionId;
        const time = isText(value.timestamp) ? Date.parse(value.timestamp) : NaN;
        if (first === undefined && !Number.isNaN(time)) first = time;
        if (!isText(value.cwd) || value.cwd === cwd) continue;
        if (isNamed(value.cwd, folder)) return { cwd: value.cwd, first, session };
        cwd ??= value.cwd;
      }
      if (cwd !== undefined && reader.offset > FURTHER) break;
    }
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
    return undefined;
  }
  return { cwd, first, session };
}

/** Whether Claude Code would keep a directory's conversations in a folder of that name. */
function isNamed(cwd: string, folder: string | undefined): boolean {
  const name = cwd.replace(/[^A-Za-z0-9]/g, "-");
  return folder === undefined || name === folder ||
    (name.length > 200 && folder.startsWith(name.slice(0, 200)));
}

/** So much of a log's end tells how old it is. */
const END_SIZE = 2 ** 16;

/** When the newest line of a conversation was written; `undefined` when its end does not tell. */
export function newestTime(from: string, { logs }: Conversation): number | undefined {
  const times = logs.map(({ path, look }) => {
    try {
      using file = Deno.openSync(join(from, path));
      file.seekSync(Math.max(0, look.size - END_SIZE), Deno.SeekMode.Start);
      const block = new Uint8Array(END_SIZE);
      const count = file.readSync(block) ?? 0;
      const text = new TextDecoder().decode(block.subarray(0, count));
      return Math.max(
        ...text.matchAll(/"timestamp":"([0-9T:.Z+-]{10,40})"/g).map(([, time]) => Date.parse(time!))
          .filter((time) => !Number.isNaN(time)),
      );
    } catch (error) {
      if (systemFault(error) === undefined) throw error;
      return -Infinity;
    }
  });
  const newest = Math.max(...times);
  return Number.isFinite(newest) ? newest : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
