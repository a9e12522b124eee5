/**
 * What a restore would do, path by path, before it does anything.
 *
 * @module
 */
import { dirname, isAbsolute, join, posix } from "node:path";
import type { Entry } from "../../stages/contract.ts";
import { BackupError, stateOf } from "../../stages/errors.ts";
import type { Manifest } from "../manifest.ts";
import { stampOf } from "../names.ts";
import { Comparing, joinNames } from "./hard_links.ts";
import { hasPending, StaleFiles } from "./stale_files.ts";
import type { Standing } from "./undo.ts";

/** What to do with a file that is there already: `changed` replaces what differs. */
export type Overwrite = "never" | "changed" | "always";

/** What a restore is about. */
export interface ChosenEntry {
  readonly entry: Entry;
  /** Path in the archive of a file's content, where that is another than its own. */
  readonly content?: string;
}

/** What is, or would be, done with one path. */
export interface PlannedEntry extends ChosenEntry {
  /** Where it goes. */
  readonly target: string;
  readonly action: "create" | "replace" | "keep";
  /** What was there: a directory, or what is to be replaced. */
  readonly was?: Standing;
  /** What belongs to a database that was there. */
  readonly stale?: SetAside;
  /** A file that was there with this very content, and of which this is to be another name. */
  readonly linkTo?: string;
}

/**
 * What gets another name: so that SQLite does not take it for a part of what is restored, or because
 * it has what the snapshot lacks.
 */
export interface SetAside {
  readonly why: "database" | "credentials";
  /** The name that it gets; its endings stay. Together they still are the database they were. */
  readonly as: string;
  /** `""` is the database itself, if it is there. */
  readonly endings: readonly string[];
}

/** One root of the archive and where it goes. */
export interface Placement {
  readonly root: string;
  /** The directory that a user named, or that the root came from. */
  readonly base: string;
  readonly target: string;
}

/** A whole restore, as data. */
export interface RestorePlan {
  readonly placements: readonly Placement[];
  /** In archive order; with every directory that leads to one of them. */
  readonly entries: readonly PlannedEntry[];
}

/** Where the roots go: below one directory, or where they came from. */
export function placeRoots(
  { roots, snapshot, name }: Manifest,
  target: { readonly directory: string } | "in-place",
): Placement[] {
  return roots.map((root) => {
    if (target !== "in-place") {
      const base = target.directory;
      return { root: root.name, base, target: join(base, root.name) };
    }
    if (isAbsolute(root.path)) {
      return { root: root.name, base: dirname(root.path), target: root.path };
    }
    throw new BackupError(
      "target-refused",
      `Cannot restore "${snapshot}/${name}" in place: "${root.path}" is no path of this system`,
      { hint: "Restore with --to DIRECTORY" },
    );
  });
}

/**
 * The entries that a restore is about: all, or those that `matches` and the directories that lead to
 * them. The first of a file's names that is among them becomes the file, where its own is not.
 */
export function chooseEntries(
  entries: readonly Entry[],
  matches: ((path: string) => boolean) | undefined,
): ChosenEntry[] {
  if (matches === undefined) return entries.map((entry) => ({ entry }));
  const wanted = new Set<string>();
  for (const entry of entries) {
    // A directory that matches means all that is in it.
    if (!isOrLiesBelow(entry.path, (path) => wanted.has(path) || matches(path))) continue;
    wanted.add(entry.path);
  }
  const leading = new Set([...wanted].flatMap(parentsOf));
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  /** Names that became files: by the names that their content stands under. */
  const files = new Map<string, string>();
  return entries.flatMap((entry): ChosenEntry[] => {
    const { path, kind } = entry;
    if (!wanted.has(path) && !(kind === "directory" && leading.has(path))) return [];
    if (kind !== "hardlink" || wanted.has(entry.link)) return [{ entry }];
    const file = files.get(entry.link);
    if (file !== undefined) return [{ entry: { ...entry, link: file } }];
    files.set(entry.link, path);
    return [{ entry: { ...all.get(entry.link)!, path }, content: entry.link }];
  });
}

/**
 * Looks at what is there and decides, entry by entry.
 *
 * @param now Part of the names that what is in the way gets.
 * @param isCut Whether a path's content is not all that was there when the snapshot was made.
 * @param signal Ends it, with its reason.
 * @throws {BackupError} `target-refused` when something is in the way: a link or a file where a
 *   directory has to be, or the reverse. `snapshot-damaged` for an entry of no root.
 */
export async function planEntries(
  chosen: readonly ChosenEntry[],
  placements: readonly Placement[],
  overwrite: Overwrite,
  now: Date,
  isCut: (path: string) => boolean = () => false,
  signal?: AbortSignal,
): Promise<PlannedEntry[]> {
  const comparing = new Comparing(signal);
  for (const placement of placements) {
    if (chosen.some(({ entry }) => isOf(placement, entry.path))) await refuseLinks(placement);
  }
  const planned: PlannedEntry[] = [];
  /** Directories below which nothing can be there yet. */
  const fresh = new Set<string>();
  for (const one of chosen) {
    const { entry } = one;
    const placement = placements.find((placement) => isOf(placement, entry.path));
    if (placement === undefined) {
      throw new BackupError("snapshot-damaged", `Cannot place "${entry.path}": no root holds it`, {
        hint: "Use another snapshot",
      });
    }
    const rest = entry.path.slice(placement.root.length).split("/").filter(Boolean);
    const target = join(placement.target, ...rest);
    const there = fresh.has(dirname(target)) ? undefined : infoOf(target);
    if (there === undefined && entry.kind === "directory") fresh.add(target);
    const action = there === undefined
      ? "create"
      : await decide(entry, { target, there }, overwrite, comparing);
    planned.push({
      ...{ ...one, target, action },
      ...(there !== undefined && (there.isDirectory || action === "replace") && {
        was: { dev: there.dev, size: there.size, mtime: there.mtime },
      }),
    });
    if (comparing.pace.isDue) await comparing.pace.turn();
  }
  const joined = overwrite === "always" ? planned : await joinNames(planned, comparing);
  const word = `before-restore-${stampOf(now)}`;
  return setAsideStale(joined, overwrite, fresh, word, isCut);
}

/**
 * The places again, with one more for every directory where another file system begins and something
 * is to be written: nothing can be moved from one to another.
 *
 * @param deviceOf Tells of a directory on which file system it lies.
 * @returns Those that hold others first.
 */
export function splitAtMounts(
  { placements, entries }: RestorePlan,
  deviceOf: (path: string) => number | undefined,
): Placement[] {
  const devices = new Map<string, number>();
  const mounts = new Map<string, Placement>();
  for (const { entry: { path, kind }, target, was } of entries) {
    if (kind !== "directory" || was === undefined) continue;
    devices.set(path, was.dev);
    const placement = placements.find((placement) => isOf(placement, path))!;
    const above = path === placement.root
      ? deviceOf(placement.base)
      : devices.get(posix.dirname(path));
    if (above === undefined || above === was.dev) continue;
    const mount = { root: path, base: target, target };
    const isWritten = entries.some(({ entry, action }) =>
      action !== "keep" && isOf(mount, entry.path)
    );
    if (isWritten) mounts.set(path, mount);
  }
  const own = placements.map((placement) => {
    const mount = mounts.get(placement.root);
    mounts.delete(placement.root);
    return mount ?? placement;
  });
  return [...own, ...mounts.values()];
}

/** Whether a path in the archive is the root's, or lies below it. */
export function isOf({ root }: Placement, path: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

/** What is kept, or restored as well, belongs where it is; in a new directory nothing is stale. */
function setAsideStale(
  planned: readonly PlannedEntry[],
  overwrite: Overwrite,
  fresh: ReadonlySet<string>,
  word: string,
  isCut: (path: string) => boolean,
): PlannedEntry[] {
  const files = new StaleFiles(new Set(planned.map(({ target }) => target)));
  return planned.map((one) => {
    const { entry, target, action } = one;
    const isFile = entry.kind === "file" || entry.kind === "hardlink";
    if (!isFile || fresh.has(dirname(target))) return one;
    if (action === "replace" && isCut(entry.path)) {
      const stale = {
        why: "credentials",
        as: files.freeName(target, word),
        endings: [""],
      } as const;
      return { ...one, stale };
    }
    if (action === "keep" && overwrite === "never") return one;
    const endings = files.beside(target);
    if (endings.length === 0) return one;
    // The same file is another database with changes that only lie beside it.
    if (action === "keep" && !hasPending(target, endings)) return one;
    const stale = { why: "database", as: files.freeName(target, word), endings } as const;
    return { ...one, action: action === "keep" ? "replace" : action, stale };
  });
}

/** A place, and what is there. */
interface Met {
  readonly target: string;
  readonly there: Deno.FileInfo;
}

async function decide(
  entry: Entry,
  { target, there }: Met,
  overwrite: Overwrite,
  comparing: Comparing,
): Promise<"replace" | "keep"> {
  if (entry.kind === "directory") {
    if (there.isDirectory) return "keep";
    throw inTheWay(target, there.isSymlink ? "a link" : "a file", "a directory");
  }
  if (there.isDirectory) throw inTheWay(target, "a directory", `a ${entry.kind}`);
  if (overwrite === "never") return "keep";
  if (overwrite === "always") return "replace";
  return await isSame(entry, { target, there }, comparing) ? "keep" : "replace";
}

async function isSame(
  entry: Entry,
  { target, there }: Met,
  comparing: Comparing,
): Promise<boolean> {
  if (entry.kind === "symlink") {
    return there.isSymlink && await Deno.readLink(target) === entry.link;
  }
  // Whether a hard link is one still, its other names tell.
  if (entry.kind !== "file" || !there.isFile) return false;
  const keepsModes = there.mode !== null && Deno.build.os !== "windows";
  if (keepsModes && (there.mode! & 0o777) !== (entry.mode & 0o777)) return false;
  try {
    return await comparing.holds(target, entry, there);
  } catch (error) {
    comparing.pace.signal.throwIfAborted();
    throw lookFault(error, target);
  }
}

/**
 * What leads to the directory that a user named is the user's. What a root's own name adds to that,
 * and all below it, is never written through a link.
 */
async function refuseLinks({ base, target }: Placement): Promise<void> {
  for (let path = dirname(target); path.length > base.length; path = dirname(path)) {
    const info = await Deno.lstat(path).catch(() => undefined);
    if (info?.isSymlink) throw inTheWay(path, "a link", "a directory");
  }
}

function inTheWay(target: string, there: string, wanted: string): BackupError {
  return new BackupError(
    "target-refused",
    `Cannot restore "${target}" as ${wanted}: ${there} is there`,
    {
      hint: "Move it away, or restore with --to another directory",
    },
  );
}

/** What is at a path; `undefined`: nothing. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw lookFault(error, path);
  }
}

function lookFault(error: unknown, path: string): BackupError {
  return new BackupError("target-refused", `Cannot look at "${path}": ${stateOf(error)}`, {
    hint: "Restore with --to another directory, or as a user who may look there",
    cause: error,
  });
}

function isOrLiesBelow(path: string, test: (path: string) => boolean): boolean {
  return test(path) || parentsOf(path).some(test);
}

function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
