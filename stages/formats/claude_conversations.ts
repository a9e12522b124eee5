/**
 * Finds Claude Code's conversations: their logs, and what lies beside each.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import { CLAUDE_FOLDER, claudeFolderKind } from "./claude_code.ts";

/** A conversation, by its log; or by its folder, where that is all there is. */
export interface Conversation {
  /** Absolute path of its log or folder. */
  readonly path: string;
  /** When it was last written to, in milliseconds since 1970. */
  readonly changed: number;
}

/** A file and when it was last written to. */
export interface DatedFile {
  readonly path: string;
  readonly changed: number;
}

/** The conversations of one project. */
export interface Project {
  /** Absolute path of the folder with its logs. */
  readonly path: string;
  readonly conversations: readonly Conversation[];
}

/**
 * The true places of Claude Code's folders that these paths are, lie in, or hold under the usual
 * name.
 */
export function findHomes(paths: readonly string[]): string[] {
  const homes = new Set<string>();
  const looked = new Set<string>();
  const look = (path: string) => {
    if (looked.has(path)) return;
    looked.add(path);
    const has = (name: string) => infoOf(join(path, name)) !== undefined;
    if (claudeFolderKind(basename(path), has) !== "home") return;
    const real = realPathOf(path);
    if (real !== undefined) homes.add(real);
  };
  for (const path of paths.map((path) => resolve(path))) {
    look(join(path, CLAUDE_FOLDER));
    for (let at = path;; at = dirname(at)) {
      look(at);
      if (dirname(at) === at) break;
    }
  }
  return [...homes];
}

/** The conversations in one of Claude Code's folders, project by project. */
export function findProjects(home: string): Project[] {
  // A link there leads to files of another place.
  const folder = realPathOf(join(home, "projects"));
  if (folder === undefined) return [];
  return entriesOf(folder).flatMap(({ name, isDirectory, isSymlink }) => {
    const path = isSymlink ? realPathOf(join(folder, name)) : join(folder, name);
    if (path === undefined || (isSymlink && !infoOf(path)?.isDirectory)) return [];
    return isDirectory || isSymlink ? [{ path, conversations: conversationsIn(path) }] : [];
  });
}

/** The log and everything beside it that belongs to a conversation. */
export function filesOf({ path, changed }: Conversation): DatedFile[] {
  const isLog = path.endsWith(LOG);
  const beside = filesBelow(isLog ? path.slice(0, -LOG.length) : path);
  return isLog ? [{ path, changed }, ...beside] : beside;
}

/** The directory that a project's conversations took place in; `undefined`: none of them tells. */
export function directoryOf({ conversations }: Project): string | undefined {
  const logs = conversations.filter(({ path }) => path.endsWith(LOG));
  const newest = logs.toSorted((a, b) => b.changed - a.changed).slice(0, LOOKS);
  for (const { path } of newest) {
    const [, written] = /"cwd":("(?:[^"\\]|\\.)*")/.exec(headOf(path)) ?? [];
    try {
      if (written !== undefined) return JSON.parse(written) as string;
    } catch {
      // A line that was cut off: another log may tell.
    }
  }
}

const LOG = ".jsonl";

/** Logs of a project that are looked into, and how far. Most tell in their first line. */
const LOOKS = 3;
const HEAD = 1 << 16;

function conversationsIn(folder: string): Conversation[] {
  const entries = entriesOf(folder);
  const logs = new Set(entries.flatMap(({ name }) => name.endsWith(LOG) ? [name] : []));
  return entries.flatMap(({ name, isFile, isDirectory }) => {
    const path = join(folder, name);
    if (isFile && logs.has(name)) {
      const changed = infoOf(path)?.mtime?.getTime();
      return changed === undefined ? [] : [{ path, changed }];
    }
    // What is left of a conversation whose log is gone. Other folders, such as `memory`, stay.
    if (!isDirectory || logs.has(name + LOG) || !SESSION_REGEXP.test(name)) return [];
    const times = filesBelow(path).map(({ changed }) => changed);
    return times.length === 0 ? [] : [{ path, changed: Math.max(...times) }];
  });
}

const SESSION_REGEXP = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function filesBelow(folder: string): DatedFile[] {
  return entriesOf(folder).flatMap(({ name, isFile, isDirectory }) => {
    const path = join(folder, name);
    if (isDirectory) return filesBelow(path);
    const changed = isFile ? infoOf(path)?.mtime?.getTime() : undefined;
    return changed === undefined ? [] : [{ path, changed }];
  });
}

/** What is in a directory; nothing where there is none: reading it in full says what is wrong. */
function entriesOf(path: string): Deno.DirEntry[] {
  try {
    return Array.from(Deno.readDirSync(path));
  } catch {
    return [];
  }
}

function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function realPathOf(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

function headOf(path: string): string {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(HEAD);
    return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return "";
  }
}
