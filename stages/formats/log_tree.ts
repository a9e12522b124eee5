/**
 * Finds the logs of conversations, with those of their sub-agents.
 *
 * @module
 */
import { systemFault } from "../errors.ts";
import { type Look, lookAt } from "./digest_state.ts";
import { childPath } from "./paths.ts";
import { wayInto } from "./roots.ts";

/** A log, with its path below the directory of all, written with `/`. */
export interface Log {
  /** By this it is known, and told. */
  readonly path: string;
  /** Where it is, if not there: then `path` holds no secret that the name of a file does. */
  readonly file?: string;
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

const AGENT = /^agent-[^/]+$/;
const DEPTH = 12;

/** Every conversation below a directory, sorted by name. @throws What the system says of that one. */
export async function findConversations(from: string): Promise<readonly Conversation[]> {
  const mains = new Map<string, Log>();
  const agents = new Map<string, Log[]>();
  for (const log of logsBelow(from)) {
    const parts = log.path.slice(0, -".jsonl".length).split("/");
    if (!AGENT.test(parts.at(-1)!)) {
      if (parts.length <= 2) mains.set(parts.join("/"), log);
      continue;
    }
    const key = parts.length > 2 ? parts.slice(0, 2).join("/") : await sessionOf(from, log, parts);
    agents.set(key, [...agents.get(key) ?? [], log]);
  }
  return [...new Set([...mains.keys(), ...agents.keys()])].map((key) => {
    const main = mains.get(key);
    const below = agents.get(key) ?? [];
    return { key, main, agents: below, logs: [...(main ? [main] : []), ...below] };
  });
}

function logsBelow(from: string): readonly Log[] {
  const logs: Log[] = [];
  const links: string[] = [];
  for (const entry of Deno.readDirSync(from)) {
    if (entry.isSymlink) links.push(entry.name);
    else visit(from, entry.name, entry, logs, 0);
  }
  const own = Deno.realPathSync(from);
  const seen = [own];
  for (const name of links.sort()) {
    const real = folderBehind(childPath(from, name));
    if (real === undefined || wayInto(real, own) !== undefined) continue;
    // Of what is read already, under its own name or another's, a link tells nothing new.
    if (seen.some((folder) => wayInto(folder, real) !== undefined)) continue;
    seen.push(real);
    visit(from, name, { name, isFile: false, isDirectory: true, isSymlink: false }, logs, 0);
  }
  return logs.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** The true place of a project's folder that is a link: people move large ones to another disk. */
function folderBehind(path: string): string | undefined {
  try {
    return Deno.statSync(path).isDirectory ? Deno.realPathSync(path) : undefined;
  } catch (error) {
    if (systemFault(error) === undefined) throw error;
    return undefined;
  }
}

function visit(from: string, path: string, entry: Deno.DirEntry, logs: Log[], depth: number): void {
  if (entry.isFile && path.endsWith(".jsonl")) {
    const look = lookAt(childPath(from, path));
    if (look !== undefined) logs.push({ path, look });
  } else if (entry.isDirectory && depth < DEPTH) {
    for (const inner of readFolder(childPath(from, path))) {
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
async function sessionOf(from: string, log: Log, parts: readonly string[]): Promise<string> {
  const { headOf } = await import("./log_head.ts");
  const session = headOf(from, log)?.session ?? parts.at(-1)!;
  return [...parts.slice(0, -1), session].join("/");
}

/** The size of all logs. */
export function bytesOf(conversations: readonly Conversation[]): number {
  return conversations.flatMap(({ logs }) => logs).reduce((sum, { look }) => sum + look.size, 0);
}
