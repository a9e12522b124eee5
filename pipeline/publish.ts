/**
 * Puts what was unpacked and found whole into its place. Files are moved, never copied into; links
 * come last, so that nothing is ever written through one.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { Entry, SymlinkEntry } from "../stages/contract.ts";
import { BackupError, systemFault } from "../stages/errors.ts";
import { isOf, type Placement, type PlannedEntry, type RestorePlan } from "./restore_plan.ts";
import { removeLeftovers, StagingDirectory } from "./staging_directory.ts";
import { changeFault, Changes } from "./undo.ts";

/** Fresh directories next to where things will go. */
export interface Staging {
  readonly directories: readonly string[];
  /** Where each root is unpacked: root name to path. */
  into(placements: readonly Placement[]): Record<string, string>;
  /** Leaves them where they are, whatever is said later. */
  keep(): void;
  /** Removes what is left of them. */
  remove(): Promise<void>;
}

/** Tells a person what was met. */
export type Say = (message: string) => void;

/**
 * Makes a staging directory for every directory that roots go into: moving is quick, and all or
 * nothing, on one file system only. What restores that were killed left there is removed.
 *
 * @throws {BackupError} `target-refused`.
 */
export async function makeStaging(bases: readonly string[], say: Say): Promise<Staging> {
  const made = new Map<string, StagingDirectory>();
  const remove = async () => {
    for (const directory of made.values()) await directory.remove();
    made.clear();
  };
  try {
    for (const base of new Set(bases)) made.set(base, await makeNextTo(base, say));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    directories: Array.from(made.values(), ({ path }) => path),
    into: (placements) =>
      Object.fromEntries(
        placements.map((
          { root, base },
          index,
        ) => [root, join(made.get(base)!.path, String(index))]),
      ),
    keep() {
      for (const directory of made.values()) directory.letGo();
      made.clear();
    },
    remove,
  };
}

/**
 * Moves everything into place, or nothing.
 *
 * @param staging Holds what was unpacked, and gets what is replaced.
 * @param preserveMtime Whether files get the times they had.
 * @throws {BackupError} Says what stands there, where something had been done that could not be
 *   taken back. The staging directory is kept then.
 */
export async function publish(
  plan: RestorePlan,
  staging: Staging,
  preserveMtime: boolean,
  say: Say,
): Promise<void> {
  const into = staging.into(plan.placements);
  // One for each directory: nothing can be moved from one file system to another.
  const all = new Map<string, Changes>();
  const changes = new Map(plan.placements.map(({ root }) => {
    const aside = dirname(into[root]!);
    const own = all.get(aside) ?? new Changes(aside);
    all.set(aside, own);
    return [root, own];
  }));
  try {
    moveAll(plan, into, changes);
  } catch (error) {
    const stuck: string[] = [];
    for (const own of all.values()) stuck.push(...own.undo());
    if (stuck.length > 0) staging.keep();
    const [first] = plan.placements;
    throw changeFault(error, first!.base, stuck, staging.directories.join('", "'));
  }
  await finishTimesAndModes(plan.entries, preserveMtime, say);
}

function moveAll(
  { placements, entries }: RestorePlan,
  into: Readonly<Record<string, string>>,
  changes: ReadonlyMap<string, Changes>,
): void {
  const rootOf = (path: string) => placements.find((placement) => isOf(placement, path))!.root;
  const contentOf = new Map(entries.map(({ entry: { path }, content = path }) => [path, content]));
  for (const { entry, target, stale } of entries) {
    for (const ending of stale?.endings ?? []) {
      changes.get(rootOf(entry.path))!.rename(target + ending, stale!.as + ending);
    }
  }
  const changesOf = (path: string) => changes.get(rootOf(path))!;
  const moved = new Set<string>();
  for (const placement of placements) {
    const { root, target } = placement;
    const first = entries.find(({ entry }) => isOf(placement, entry.path));
    if (first === undefined) continue;
    changes.get(root)!.directories(dirname(target));
    // A root where nothing was before goes there in one piece.
    if (first.action !== "create" || first.entry.path !== root) continue;
    if (first.entry.kind !== "directory" && first.entry.kind !== "file") continue;
    if (first.linkTo !== undefined) continue;
    // But for content that is to get another name, here or in another root.
    const isMixed = entries.some(({ entry, content }) =>
      content !== undefined && (isOf(placement, content) || isOf(placement, entry.path))
    );
    if (isMixed) continue;
    changes.get(root)!.move(into[root]!, target);
    moved.add(root);
  }
  const stagedPath = (name: string) => {
    const path = contentOf.get(name) ?? name;
    const root = rootOf(path);
    return join(into[root]!, ...path.slice(root.length).split("/").filter(Boolean));
  };
  for (const { entry, target, action, linkTo } of entries) {
    if (action === "keep" || (entry.kind !== "directory" && entry.kind !== "file")) continue;
    const root = rootOf(entry.path);
    if (moved.has(root) || linkTo !== undefined) continue;
    if (entry.kind === "directory") changes.get(root)!.directory(target, 0o700);
    else changes.get(root)!.move(stagedPath(entry.path), target);
  }
  const isInPlace = ({ path, kind }: Entry) => kind === "file" && moved.has(rootOf(path));
  joinKept(entries.filter(({ entry }) => !isInPlace(entry)), entries, stagedPath, changesOf);
  makeLinks(entries, stagedPath, changesOf);
}

/** Makes further names of files that were there, and are what is restored. */
function joinKept(
  joined: readonly PlannedEntry[],
  entries: readonly PlannedEntry[],
  stagedPath: (path: string) => string,
  changesOf: (path: string) => Changes,
): void {
  const planned = new Map(entries.map((one) => [one.entry.path, one]));
  for (const { entry, target, linkTo } of joined) {
    if (linkTo === undefined) continue;
    const first = planned.get(entry.kind === "hardlink" ? entry.link : entry.path)!;
    // What was kept, or is about to be such a name itself, lies where it was unpacked.
    const isMade = first.action !== "keep" && first.target !== target;
    const source = isMade ? first.target : stagedPath(first.entry.path);
    changesOf(entry.path).make(target, () => linkOrCopy(linkTo, source, target));
  }
}

function makeLinks(
  entries: readonly PlannedEntry[],
  stagedPath: (path: string) => string,
  changesOf: (path: string) => Changes,
): void {
  /** Where the content of a file lies. What was kept is the user's own, and may be another. */
  const contents = new Map(
    entries.map((
      { entry, target, action },
    ) => [entry.path, action === "keep" ? undefined : target]),
  );
  for (const kind of ["hardlink", "symlink"] as const) {
    for (const { entry, target, action, linkTo } of entries) {
      if (entry.kind !== kind || action === "keep" || linkTo !== undefined) continue;
      const changes = changesOf(entry.path);
      const content = contents.get(entry.link);
      if (entry.kind !== "hardlink") {
        changes.make(target, () => Deno.symlinkSync((entry as SymlinkEntry).link, target));
      } else if (content !== undefined) {
        changes.make(target, () => Deno.linkSync(content, target));
      } else {
        changes.move(stagedPath(entry.link), target);
        contents.set(entry.link, target);
      }
    }
  }
}

/** Not every file system knows links, and none goes from one to another. */
function linkOrCopy(linkTo: string, source: string, target: string): void {
  try {
    Deno.linkSync(linkTo, target);
  } catch {
    Deno.copyFileSync(source, target);
  }
}

/**
 * From the inside out: a directory that may not be written to, or its time, is set at the end. All is
 * in its place by now, and what a file system does not keep is no reason to take it back.
 */
async function finishTimesAndModes(
  entries: readonly PlannedEntry[],
  preserveMtime: boolean,
  say: Say,
): Promise<void> {
  for (const { entry, target, action, linkTo } of entries.toReversed()) {
    // Another name of a file that was there has its time, which is the user's own.
    if (action === "keep" || linkTo !== undefined) continue;
    try {
      if (preserveMtime && (entry.kind === "file" || entry.kind === "directory")) {
        const time = new Date(entry.mtime);
        await Deno.utime(target, time, time);
      }
      if (entry.kind === "directory" && Deno.build.os !== "windows") {
        await Deno.chmod(target, entry.mode & 0o777);
      }
    } catch (error) {
      const fault = systemFault(error);
      if (fault === undefined) throw error;
      say(`Cannot give "${target}" its time and permissions: ${fault.state}`);
    }
  }
}

/** Next to `base` where that is the same file system, else in it or in what will hold it. */
async function makeNextTo(base: string, say: Say): Promise<StagingDirectory> {
  const there = await nearestDirectory(base);
  const beside = dirname(there.path);
  const candidates = there.path === base && await deviceOf(beside) === there.device
    ? [beside, there.path]
    : [there.path];
  let failure: unknown;
  for (const directory of candidates) {
    await removeLeftovers(directory, say);
    try {
      return await StagingDirectory.make(directory);
    } catch (error) {
      failure = error;
    }
  }
  const fault = systemFault(failure);
  if (fault === undefined) throw failure;
  const code = fault.kind === "full" ? "storage-full" : "target-refused";
  throw new BackupError(code, `Cannot restore to "${base}": ${fault.state}`, {
    hint: "Choose a directory that you may write to",
    cause: failure,
  });
}

async function nearestDirectory(path: string): Promise<{ path: string; device: number }> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) return { path, device: info.dev };
  if (info !== undefined) {
    throw new BackupError("target-refused", `Cannot restore to "${path}": it is a file`, {
      hint: "Choose a directory",
    });
  }
  return await nearestDirectory(dirname(path));
}

async function deviceOf(path: string): Promise<number | undefined> {
  return (await Deno.stat(path).catch(() => undefined))?.dev;
}
