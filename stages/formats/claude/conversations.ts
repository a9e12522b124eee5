/**
 * Finds Claude Code's conversations: their logs, and what lies beside each.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import type { Remark } from "../../contract.ts";
import { stateOf, systemCode } from "../../errors.ts";
import { SourceFile } from "../source_file.ts";
import { CLAUDE_FOLDER, claudeFolderKind } from "./home.ts";

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

/** Is told of each place that is there and cannot be looked at, perhaps more than once. */
export type OnUnseen = (remark: Remark) => void;

/**
 * The true places of Claude Code's folders that these paths are, lie in, or hold under the usual
 * name.
 */
export function findHomes(paths: readonly string[], onUnseen: OnUnseen = ignore): string[] {
  const homes = new Set<string>();
  const looked = new Set<string>();
  const named = new Set(paths.map((path) => resolve(path)));
  const look = (path: string) => {
    if (looked.has(path)) return;
    looked.add(path);
    // Of what lies above, nobody says that it could be Claude Code's.
    const isMeant = basename(path) === CLAUDE_FOLDER || named.has(path);
    const tell = isMeant ? telling(path, onUnseen) : ignore;
    const has = (name: string) => infoOf(join(path, name), tell) !== undefined;
    const projects = () => entriesOf(join(path, "projects"), tell).map(({ name }) => name);
    if (claudeFolderKind(basename(path), has, projects) !== "home") return;
    const real = realPathOf(path, onUnseen);
    if (real !== undefined) homes.add(real);
  };
  for (const path of named) {
    look(join(path, CLAUDE_FOLDER));
    for (let at = path;; at = dirname(at)) {
      look(at);
      if (dirname(at) === at) break;
    }
  }
  return [...homes];
}

/** The conversations in one of Claude Code's folders, project by project. */
export function findProjects(home: string, onUnseen: OnUnseen = ignore): Project[] {
  // A link there leads to files of another place.
  const folder = realPathOf(join(home, "projects"), onUnseen);
  if (folder === undefined) return [];
  return entriesOf(folder, onUnseen).flatMap(({ name, isDirectory, isSymlink }) => {
    const path = isSymlink ? realPathOf(join(folder, name), onUnseen) : join(folder, name);
    if (path === undefined || (isSymlink && !infoOf(path, onUnseen)?.isDirectory)) return [];
    return isDirectory || isSymlink
      ? [{ path, conversations: conversationsIn(path, onUnseen) }]
      : [];
  });
}

/** The log and everything beside it that belongs to a conversation. */
export function filesOf(
  { path, changed }: Conversation,
  onUnseen: OnUnseen = ignore,
): DatedFile[] {
  const isLog = path.endsWith(LOG);
  const beside = filesBelow(isLog ? path.slice(0, -LOG.length) : path, onUnseen);
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

function conversationsIn(folder: string, onUnseen: OnUnseen): Conversation[] {
  const entries = entriesOf(folder, onUnseen);
  const logs = new Set(entries.flatMap(({ name }) => name.endsWith(LOG) ? [name] : []));
  return entries.flatMap(({ name, isFile, isDirectory }) => {
    const path = join(folder, name);
    if (isFile && logs.has(name)) {
      const changed = infoOf(path, onUnseen)?.mtime?.getTime();
      return changed === undefined ? [] : [{ path, changed }];
    }
    // What is left of a conversation whose log is gone. Other folders, such as `memory`, stay.
    if (!isDirectory || logs.has(name + LOG) || !SESSION_REGEXP.test(name)) return [];
    const times = filesBelow(path, onUnseen).map(({ changed }) => changed);
    return times.length === 0 ? [] : [{ path, changed: Math.max(...times) }];
  });
}

const SESSION_REGEXP = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function filesBelow(folder: string, onUnseen: OnUnseen): DatedFile[] {
  return entriesOf(folder, onUnseen).flatMap(({ name, isFile, isDirectory }) => {
    const path = join(folder, name);
    if (isDirectory) return filesBelow(path, onUnseen);
    const changed = isFile ? infoOf(path, onUnseen)?.mtime?.getTime() : undefined;
    return changed === undefined ? [] : [{ path, changed }];
  });
}

/** What is in a directory; nothing where there is none. */
function entriesOf(path: string, onUnseen: OnUnseen): Deno.DirEntry[] {
  return attempt(() => Array.from(Deno.readDirSync(path)), path, onUnseen) ?? [];
}

function infoOf(path: string, onUnseen: OnUnseen): Deno.FileInfo | undefined {
  return attempt(() => Deno.statSync(path), path, onUnseen);
}

function realPathOf(path: string, onUnseen: OnUnseen): string | undefined {
  return attempt(() => Deno.realPathSync(path), path, onUnseen);
}

/** What is not there is nothing to speak of; what cannot be looked at may hold anything. */
function attempt<T>(look: () => T, path: string, onUnseen: OnUnseen): T | undefined {
  try {
    return look();
  } catch (error) {
    const isAbsent = ABSENT.has(systemCode(error) ?? "");
    if (!isAbsent) onUnseen({ path, reason: stateOf(error) });
    return undefined;
  }
}

const ABSENT: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR"]);

/** Names the folder in place of what was looked for in it. */
function telling(path: string, onUnseen: OnUnseen): OnUnseen {
  return ({ reason }) => onUnseen({ path, reason });
}

function ignore(): void {}

function headOf(path: string): string {
  try {
    using file = SourceFile.open(path);
    const bytes = new Uint8Array(HEAD);
    return new TextDecoder().decode(bytes.subarray(0, file.fill(bytes)));
  } catch {
    return "";
  }
}
