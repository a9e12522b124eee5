/**
 * Puts what was unpacked and found whole into its place. Files are moved, never copied into; links
 * come last, so that nothing is ever written through one.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { SymlinkEntry } from "../stages/contract.ts";
import { BackupError, systemFault } from "../stages/errors.ts";
import type { Placement, PlannedEntry, RestorePlan } from "./restore_plan.ts";

/** Fresh directories next to where things will go. */
export interface Staging {
  readonly directories: readonly string[];
  /** Where each root is unpacked: root name to path. */
  into(placements: readonly Placement[]): Record<string, string>;
  /** Removes what is left of them. */
  remove(): Promise<void>;
}

/**
 * Makes a staging directory for every directory that roots go into: moving is quick, and all or
 * nothing, on one file system only.
 *
 * @throws {BackupError} `target-refused`.
 */
export async function makeStaging(bases: readonly string[]): Promise<Staging> {
  const made = new Map<string, string>();
  const remove = async () => {
    for (const directory of made.values()) {
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    }
  };
  try {
    for (const base of new Set(bases)) made.set(base, await makeNextTo(base));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    directories: [...made.values()],
    into: (placements) =>
      Object.fromEntries(
        placements.map(({ root, base }, index) => [root, join(made.get(base)!, String(index))]),
      ),
    remove,
  };
}

/**
 * Moves everything into place.
 *
 * @param into Where each root was unpacked.
 * @param preserveMtime Whether files get the times they had.
 */
export async function publish(
  { placements, entries }: RestorePlan,
  into: Readonly<Record<string, string>>,
  preserveMtime: boolean,
): Promise<void> {
  const moved = new Set<string>();
  for (const { root, target } of placements) {
    const first = entries.find(({ entry }) =>
      entry.path === root || entry.path.startsWith(`${root}/`)
    );
    if (first === undefined) continue;
    await Deno.mkdir(dirname(target), { recursive: true });
    // A root where nothing was before goes there in one piece.
    if (first.action !== "create" || first.entry.path !== root) continue;
    if (first.entry.kind !== "directory" && first.entry.kind !== "file") continue;
    await Deno.rename(into[root]!, target);
    moved.add(root);
  }
  const stagedPath = ({ path }: Pick<PlannedEntry["entry"], "path">) => {
    const { root } = placements.find(({ root }) => path === root || path.startsWith(`${root}/`))!;
    return {
      root,
      staged: join(into[root]!, ...path.slice(root.length).split("/").filter(Boolean)),
    };
  };
  for (const { entry, target, action } of entries) {
    if (action === "keep" || (entry.kind !== "directory" && entry.kind !== "file")) continue;
    const { root, staged } = stagedPath(entry);
    if (moved.has(root)) continue;
    if (entry.kind === "directory") await Deno.mkdir(target, { mode: 0o700 });
    else await Deno.rename(staged, target);
  }
  await makeLinks(entries, (path) => stagedPath({ path }).staged);
  await finishTimesAndModes(entries, preserveMtime);
}

async function makeLinks(
  entries: readonly PlannedEntry[],
  stagedPath: (path: string) => string,
): Promise<void> {
  /** Where the content of a file lies. What was kept is the user's own, and may be another. */
  const contents = new Map(
    entries.map((
      { entry, target, action },
    ) => [entry.path, action === "keep" ? undefined : target]),
  );
  for (const kind of ["hardlink", "symlink"] as const) {
    for (const { entry, target, action } of entries) {
      if (entry.kind !== kind || action === "keep") continue;
      if (action === "replace") await Deno.remove(target);
      if (entry.kind !== "hardlink") await Deno.symlink((entry as SymlinkEntry).link, target);
      else if (contents.get(entry.link) !== undefined) {
        await Deno.link(contents.get(entry.link)!, target);
      } else {
        await Deno.rename(stagedPath(entry.link), target);
        contents.set(entry.link, target);
      }
    }
  }
}

/** From the inside out: a directory that may not be written to, or its time, is set at the end. */
async function finishTimesAndModes(
  entries: readonly PlannedEntry[],
  preserveMtime: boolean,
): Promise<void> {
  for (const { entry, target, action } of entries.toReversed()) {
    if (action === "keep") continue;
    if (preserveMtime && (entry.kind === "file" || entry.kind === "directory")) {
      const time = new Date(entry.mtime);
      await Deno.utime(target, time, time);
    }
    if (entry.kind === "directory" && Deno.build.os !== "windows") {
      await Deno.chmod(target, entry.mode & 0o777);
    }
  }
}

/** Next to `base` where that is the same file system, else in it or in what will hold it. */
async function makeNextTo(base: string): Promise<string> {
  const there = await nearestDirectory(base);
  const beside = dirname(there.path);
  const candidates = there.path === base && await deviceOf(beside) === there.device
    ? [beside, there.path]
    : [there.path];
  let failure: unknown;
  for (const directory of candidates) {
    try {
      return await Deno.makeTempDir({ dir: directory, prefix: ".keepsake-restore-" });
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
