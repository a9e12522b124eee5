/**
 * Puts what was unpacked and found whole into its place. Files are moved, never copied into; links
 * come last, so that nothing is ever written through one.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BackupError, systemFault } from "../../stages/errors.ts";
import { lstatIfThere } from "../../stages/formats/durable.ts";
import { Moving } from "./moving.ts";
import type { Placement, PlannedEntry, RestorePlan } from "./plan.ts";
import { removeLeftovers, StagingDirectory } from "./staging_directory.ts";
import { changeFault, Changes } from "./undo.ts";

/** Fresh directories next to where things will go. */
export interface Staging {
  readonly directories: readonly string[];
  /** Whether there is one for each of these. */
  serves(placements: readonly Placement[]): boolean;
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
 * Makes a staging directory for every directory that roots go into, or in a root where nobody may
 * write beside it: moving is quick, and all or nothing, on one file system only. What restores that
 * were killed left there is removed.
 *
 * @throws {BackupError} `target-refused`.
 */
export async function makeStaging(
  places: readonly Pick<Placement, "base" | "target">[],
  say: Say,
): Promise<Staging> {
  const made = new Map<string, StagingDirectory>();
  const remove = async () => {
    for (const directory of made.values()) await directory.remove();
    made.clear();
  };
  try {
    for (const [base, own] of Map.groupBy(places, ({ base }) => base)) {
      made.set(base, await makeNextTo(base, own.map(({ target }) => target), say));
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    directories: Array.from(made.values(), ({ path }) => path),
    serves: (placements) => placements.every(({ base }) => made.has(base)),
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
 * Moves everything into place, or nothing. Whatever was not to be replaced stays, also where it came
 * there since all was planned.
 *
 * @param staging Holds what was unpacked, and gets what is replaced.
 * @param preserveMtime Whether files get the times they had.
 * @returns Links that are left out, because a file system knows no such.
 * @throws {BackupError} Says what stands there, where something had been done that could not be
 *   taken back. The staging directory is kept then.
 */
export async function publish(
  plan: RestorePlan,
  staging: Staging,
  preserveMtime: boolean,
  say: Say,
): Promise<ReadonlySet<PlannedEntry>> {
  const into = staging.into(plan.placements);
  // One for each directory: nothing can be moved from one file system to another.
  const all = new Map<string, Changes>();
  let moving: Moving;
  try {
    const changes = new Map(plan.placements.map(({ root }) => {
      const aside = dirname(into[root]!);
      const own = all.get(aside) ?? new Changes(aside);
      all.set(aside, own);
      return [root, own];
    }));
    moving = new Moving(plan, into, changes);
    moving.move();
  } catch (error) {
    const stuck: string[] = [];
    for (const own of all.values()) stuck.push(...own.undo());
    if (stuck.length > 0) staging.keep();
    const [first] = plan.placements;
    throw changeFault(error, first!.base, stuck, staging.directories.join('", "'));
  }
  const { met, leftOut, copied } = moving;
  if (copied.length > 0) {
    const more = copied.length === 1 ? "" : `, and ${copied.length - 1} more`;
    say(`Made a file of its own of what was another name of one, at "${copied[0]}"${more}`);
  }
  const made = plan.entries.filter((one) => !met.has(one) && !leftOut.has(one));
  await finishTimesAndModes(made, preserveMtime, say);
  return leftOut;
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
  const failed: { readonly target: string; readonly state: string }[] = [];
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
      failed.push({ target, state: fault.state });
    }
  }
  const [first] = failed;
  if (first === undefined) return;
  const rest = failed.length === 1 ? " its" : `, and ${failed.length - 1} more, their`;
  say(`Cannot give "${first.target}"${rest} time and permissions: ${first.state}`);
}

/**
 * Next to `base` where that is the same file system, else in it or in what will hold it, or in one of
 * the directories in it that things go into.
 */
async function makeNextTo(
  base: string,
  within: readonly string[],
  say: Say,
): Promise<StagingDirectory> {
  const there = await nearestDirectory(base);
  const beside = dirname(there.path);
  const candidates = [
    ...(there.path === base && deviceOf(beside) === there.device ? [beside] : []),
    there.path,
    ...within.filter((path) => lstatIfThere(path)?.isDirectory && deviceOf(path) === there.device),
  ];
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

/** On which file system a directory lies; `undefined`: it is not there, or nobody may look. */
export function deviceOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).dev;
  } catch {
    return undefined;
  }
}
