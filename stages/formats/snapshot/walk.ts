/**
 * Walks what is to be backed up, in the order of the archive, by `lstat` alone.
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import type { ClaudePlace, Remark } from "../../contract.ts";
import {
  CLAUDE_FOLDER,
  type ClaudeChoice,
  type ClaudeFolder,
  claudeFolderKind,
  claudeFoldersAbove,
  claudeFoldersBelow,
  CUT,
  isStateFile,
  isUnknown,
  OLD_STATE_FILE,
  reasonToLeaveOut,
  STATE_FILE,
} from "../claude/home.ts";
import { childPath } from "../paths.ts";
import { findRoots, type FoundRoot, realPathOf, wayInto } from "../roots.ts";
import { mtimeOf, ReadFault, reasonOf } from "../source_file.ts";
import { ListedDatabases } from "../sqlite/listed_databases.ts";
import { listDirectory, type Listing } from "./directory.ts";
import { compareUtf8, tarName } from "./entries.ts";
import { idleExcludes } from "./idle_excludes.ts";

/** What is to be backed up. */
export interface Selection extends ClaudeChoice {
  /** Absolute paths of directories and files. */
  readonly paths: readonly string[];
  /** Those of them that somebody asked for: one that another one holds must not be left out silently. */
  readonly named?: readonly string[] | undefined;
  /** In gitignore syntax, relative to each path. */
  readonly exclude: readonly string[];
  /** Absolute paths of databases, which are copied as a whole. */
  readonly databases?: readonly string[] | undefined;
  /** Absolute paths of Claude Code's own folders, where what is unknown in them is to be told. */
  readonly homes?: readonly string[] | undefined;
  /** Where those folders, and parts of them, truly lie. */
  readonly places?: readonly ClaudePlace[] | undefined;
  /** Whether credentials may go in, since nobody without an identity can read them. */
  readonly sealed?: boolean | undefined;
  /** Absolute paths of what backups themselves are made of. */
  readonly avoid?: readonly string[] | undefined;
}

/** The same in the circumstances of a run. */
export function withCircumstances(
  selection: Selection,
  { avoid, sealed }: Pick<Selection, "avoid" | "sealed">,
): Selection {
  return { ...selection, avoid, sealed };
}

/** What the walk met. */
export interface Found {
  readonly kind: "file" | "directory" | "symlink";
  /** In the archive. */
  readonly path: string;
  /** Where it is read. */
  readonly source: string;
  /** Where the user sees it, who may have named a link that leads there. */
  readonly shown: string;
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  /** 0 unless it is a file. */
  readonly size: number;
  /** Text of a symbolic link, empty for the others. */
  readonly link: string;
  readonly dev: number;
  readonly ino: number | null;
  /** How many names a file has. */
  readonly nlink: number;
  /** What is read in its place: a `copy` of a database, or the file with its credentials `cut`. */
  readonly standIn?: "copy" | "cut";
}

/** What a file is on this machine, under all its names. */
export function idOf({ dev, ino }: Found): string {
  return `${dev}:${ino}`;
}

/** What there is to say of paths, which are those that the user sees. */
export interface Remarks {
  readonly unreadable: Remark[];
  readonly skipped: Remark[];
  readonly notes: Remark[];
  /** What is backed up although nobody knows what it is. */
  readonly unknown?: string[];
  /** Patterns that leave nothing out. */
  readonly idle?: Remark[];
}

/** Reason for a note on what was there when its directory was listed. */
export const REMOVED = "removed while it was being backed up";

/** Reason for a note on a file that is probably being written to by a program. */
const LIVE =
  'it looks like a live SQLite database, and a plain copy may be broken: list it in "sqlite"';

/** Reasons for what there is to say of Claude Code's files. */
const UNKNOWN = "nobody knows what it is: backed up all the same";

const EXCLUDED = "excluded";
const AVOIDED = "keepsake's own: backups, or what it needs to make them";

/** A walk over the roots that are there. */
export class Walk {
  readonly roots: readonly FoundRoot[];
  readonly #selection: Selection;
  readonly #remarks: Remarks;
  readonly #isExcluded: (way: string) => boolean;
  readonly #databases: ListedDatabases;
  /**
   * Last names of what is avoided, as systems see them that do not tell cases apart: none of it is
   * met below the root but by them.
   */
  readonly #avoidedNames: ReadonlySet<string>;
  /** Paths that are named, lie in another one and were not met yet, by their true places. */
  readonly #awaited = new Map<string, string>();

  private constructor(
    selection: Selection,
    remarks: Remarks,
    isExcluded: (way: string) => boolean,
  ) {
    this.#selection = selection;
    this.#remarks = remarks;
    this.#isExcluded = isExcluded;
    const { paths, named = [], databases = [], avoid = [] } = selection;
    this.#avoidedNames = new Set(avoid.map((place) => basename(resolve(place)).toLowerCase()));
    this.roots = findRoots([...paths, ...databases], remarks.unreadable);
    const idle = idleExcludes(selection.exclude, this.roots);
    remarks.notes.push(...idle);
    remarks.idle?.push(...idle);
    this.#databases = new ListedDatabases(databases);
    const roots = new Set(this.roots.map(({ real }) => real));
    for (const path of named) {
      const real = realPathOf(path);
      if (!roots.has(real)) this.#awaited.set(real, path);
    }
  }

  /**
   * Gets ready to walk.
   *
   * @param remarks Gets what there is to say, as the walk goes on.
   * @throws {StageError} When none of the paths is there.
   */
  static async open(selection: Selection, remarks: Remarks): Promise<Walk> {
    return new Walk(selection, remarks, await loadExcludes(selection.exclude));
  }

  /** Goes over the roots and all below them. Follows no link. */
  *[Symbol.iterator](): Generator<Found> {
    const roots = this.roots.map((root) => this.#meetRoot(root));
    // A stack of its own: a path may be thousands of levels deep.
    const stack = [inReverse(roots)];
    for (let level = stack.at(-1); level; level = stack.at(-1)) {
      const met = level.pop();
      if (met === undefined) {
        stack.pop();
        continue;
      }
      yield met.found;
      if (met.found.kind === "directory") stack.push(inReverse(this.#meetChildren(met)));
    }
    const told = new Set(this.#remarks.unreadable.map(({ path }) => path));
    const missed = [...this.#databases.missed(), ...Array.from(this.#awaited, missing)];
    this.#remarks.unreadable.push(...missed.filter(({ path }) => !told.has(path)));
  }

  #meetRoot({ name, path, real, info }: FoundRoot): Met | undefined {
    const { places = [] } = this.#selection;
    // A link's name hides nothing of what it leads to, nor do other names what is the folder's.
    const claude = [
      ...[path, real].flatMap(claudeFoldersAbove),
      ...places.filter((place) => place.path === real && place.way !== "")
        .map(({ way }): ClaudeFolder => ({ kind: "home", path: way })),
    ];
    // A cache that is asked for by name is wanted.
    const reason = this.#isAvoided(path, real)
      ? AVOIDED
      : reasonToLeaveOut(claude, { ...this.#selection, include_caches: true });
    if (reason !== undefined) {
      this.#remarks.skipped.push({ path, reason });
    } else if (strangeness(info) !== undefined) {
      this.#remarks.unreadable.push({ path, reason: `it is ${strangeness(info)}` });
    } else if (!this.#databases.isNoFile(real)) {
      const found = describe(info, name, real, path);
      const standIn = this.#standInFor(real) ?? this.#cutFor(claude, [path, real], found);
      return { found: withStandIn(found, standIn), way: "", claude };
    }
    this.#databases.meet(real);
  }

  #standInFor(source: string): Found["standIn"] {
    if (!this.#databases.has(source)) return undefined;
    this.#databases.meet(source);
    return "copy";
  }

  /** The file of Claude Code's state has its session in it. */
  #cutFor(
    claude: readonly ClaudeFolder[],
    paths: readonly string[],
    { kind, shown }: Found,
  ): Found["standIn"] {
    const { homes = [] } = this.#selection;
    if (kind !== "file" || this.#selection.sealed) return undefined;
    const isState = claude.some(isStateFile) ||
      paths.some((path) =>
        basename(path) === STATE_FILE ||
        (basename(path) === OLD_STATE_FILE && homes.includes(dirname(path)))
      );
    if (!isState) return undefined;
    this.#remarks.skipped.push({ path: shown, reason: CUT });
    return "cut";
  }

  #noteUnknown(claude: readonly ClaudeFolder[], { kind, shown }: Found): void {
    const isStrange = claude.some(({ kind: folder, path }) =>
      folder === "home" && isUnknown(path, kind === "file")
    );
    if (!isStrange || this.#selection.homes === undefined) return;
    this.#remarks.unknown?.push(shown);
    this.#remarks.notes.push({ path: shown, reason: UNKNOWN });
  }

  #meetChildren(directory: Met): (Met | undefined)[] {
    const { found } = directory;
    let listing: Listing;
    try {
      listing = listDirectory(found.source, found);
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      this.#remarks.unreadable.push({ path: found.shown, reason: error.reason });
      return [];
    }
    for (const { name, reason, isDirectory } of listing.unreadable) {
      // Its name, as it is shown, is all that is known of it: enough to leave it out.
      const isExcluded = this.#isExcluded(comparable(wayTo(directory, name), isDirectory));
      const path = childPath(found.shown, name);
      if (isExcluded) this.#remarks.skipped.push({ path, reason: EXCLUDED });
      else this.#remarks.unreadable.push({ path, reason });
    }
    const claude = claudeFoldersAt(directory, listing, this.#selection.homes);
    return Array.from(listing.children, ([name, info]) => {
      const met = this.#meetChild(directory, claude, name, info);
      const isLive = (listing.children.get(`${name}-wal`)?.size ?? 0) > 0;
      if (isLive && met?.found.kind === "file" && met.found.standIn === undefined) {
        this.#remarks.notes.push({ path: met.found.shown, reason: LIVE });
      }
      return met;
    });
  }

  #meetChild(
    directory: Met,
    claudeHere: readonly ClaudeFolder[],
    name: string,
    info: Deno.FileInfo,
  ): Met | undefined {
    const way = wayTo(directory, name);
    const claude = claudeFoldersBelow(claudeHere, name);
    const shown = childPath(directory.found.shown, name);
    const source = childPath(directory.found.source, name);
    // What somebody asks for by name is wanted, but for secrets.
    const isListed = info.isFile && this.#databases.has(source);
    const isNamed = isListed || this.#awaited.has(source);
    const choice = isNamed ? { ...this.#selection, include_caches: true } : this.#selection;
    const policy = reasonToLeaveOut(claude, choice);
    const reason = policy ??
      (this.#avoidedNames.has(name.toLowerCase()) && this.#isAvoided(shown, source)
        ? AVOIDED
        : undefined) ??
      (isListed ? undefined : this.#reasonAgainst(way, source, info));
    if (reason === undefined || policy !== undefined) this.#awaited.delete(source);
    if (reason !== undefined) {
      this.#remarks.skipped.push({ path: shown, reason });
      return;
    }
    const path = `${directory.found.path}/${name}`;
    try {
      const found = describe(info, path, source, shown);
      if (found.kind === "symlink") this.#noteLink(found);
      this.#noteUnknown(claude, found);
      const standIn = isListed ? this.#standInFor(source) : this.#cutFor(claude, [source], found);
      return { found: withStandIn(found, standIn), way, claude };
    } catch (error) {
      const isText = error instanceof Deno.errors.InvalidData;
      const reason = isText ? "its link text is not UTF-8" : reasonOf(error);
      const isGone = error instanceof Deno.errors.NotFound;
      if (isGone) this.#remarks.notes.push({ path: shown, reason: REMOVED });
      else this.#remarks.unreadable.push({ path: shown, reason });
    }
  }

  #reasonAgainst(way: string, source: string, info: Deno.FileInfo): string | undefined {
    if (this.#databases.isBeside(source)) return "a part of a database that is copied as a whole";
    return this.#isExcluded(comparable(way, info.isDirectory)) ? EXCLUDED : strangeness(info);
  }

  /** A backup that held backups would never be done. */
  #isAvoided(...names: readonly string[]): boolean {
    const { avoid = [] } = this.#selection;
    return avoid.some((place) => names.some((name) => wayInto(place, name) !== undefined));
  }

  /** A link that leads out of the sources is backed up, and what it leads to is not. */
  #noteLink({ source, shown, link }: Found): void {
    const target = resolve(dirname(source), link);
    const shownTarget = resolve(dirname(shown), link);
    const isInside = this.roots.some(({ real, path }) =>
      wayInto(real, target) !== undefined || wayInto(path, shownTarget) !== undefined
    );
    if (isInside) return;
    this.#remarks.notes.push({ path: shown, reason: `a link to "${link}", outside of the backup` });
  }
}

/** Why a path that is named was not met, although what holds it was. */
function missing([place, path]: readonly [place: string, path: string]): Remark {
  try {
    Deno.lstatSync(place);
    return { path, reason: "it lies in what is left out, or cannot be listed" };
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound;
    return { path, reason: isGone ? "it does not exist" : reasonOf(error) };
  }
}

interface Met {
  readonly found: Found;
  /** From the root. */
  readonly way: string;
  readonly claude: readonly ClaudeFolder[];
}

function wayTo({ way }: Met, name: string): string {
  return way === "" ? name : `${way}/${name}`;
}

/** As patterns are compared with it: those that end in a slash are for directories alone. */
function comparable(way: string, isDirectory: boolean): string {
  return isDirectory ? `${way}/` : way;
}

function inReverse(met: readonly (Met | undefined)[]): Met[] {
  return met
    .filter((one) => one !== undefined)
    .map((one) => ({ one, name: tarName(one.found.path, one.found.kind) }))
    .sort((a, b) => compareUtf8(b.name, a.name))
    .map(({ one }) => one);
}

function withStandIn(found: Found, standIn: Found["standIn"]): Found {
  return standIn === undefined ? found : { ...found, standIn };
}

function claudeFoldersAt(
  { found, way, claude }: Met,
  { children }: Listing,
  homes: readonly string[] = [],
): ClaudeFolder[] {
  const names = [found.shown, found.source].map((path) => basename(path));
  const name = names.find((name) => name === CLAUDE_FOLDER) ?? "";
  if (homes.includes(found.shown)) return [...claude, { kind: "home", path: "" }];
  const projects = () => namesIn(childPath(found.source, "projects"));
  const kind = claudeFolderKind(name, (name) => children.has(name), projects);
  if (kind === undefined) return [...claude];
  // Whoever backs up a folder of that name alone means the home.
  const isHome = way === "" && name === CLAUDE_FOLDER;
  return [...claude, { kind: isHome ? "home" : kind, path: "" }];
}

/** None of what is no directory, or cannot be read: whoever walks into it tells of that. */
function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name);
  } catch {
    return [];
  }
}

function describe(info: Deno.FileInfo, path: string, source: string, shown: string): Found {
  const { dev, ino, nlink } = info;
  const mode = (info.mode ?? (info.isDirectory ? 0o755 : 0o644)) & 0o7777;
  const common = { path, source, shown, mtime: mtimeOf(info), dev, ino, nlink: nlink ?? 1 };
  if (info.isSymlink) {
    // Whatever bits a system gives to links, it does not heed them.
    return { kind: "symlink", ...common, mode: 0o777, size: 0, link: Deno.readLinkSync(source) };
  }
  return info.isDirectory
    ? { kind: "directory", ...common, mode, size: 0, link: "" }
    : { kind: "file", ...common, mode, size: info.size, link: "" };
}

/** What it is, when it is nothing that an archive holds. */
function strangeness(info: Deno.FileInfo): string | undefined {
  if (info.isFile || info.isDirectory || info.isSymlink) return;
  if (info.isFifo) return "a named pipe";
  if (info.isSocket) return "a socket";
  return info.isBlockDevice || info.isCharDevice ? "a device" : "no regular file";
}

async function loadExcludes(patterns: readonly string[]): Promise<(way: string) => boolean> {
  if (patterns.length === 0) return () => false;
  const { default: ignore } = await import("ignore");
  // As git does where names that differ in case are different names.
  const rules = ignore({ ignoreCase: false }).add(patterns);
  return (way) => rules.ignores(way);
}
