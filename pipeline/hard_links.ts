/**
 * Names of one file, in a restore: where one of them is there with what the snapshot has, the others
 * become names of that file again, and no file of their own.
 *
 * @module
 */
import type { FileEntry } from "../stages/contract.ts";
import type { PlannedEntry } from "./restore_plan.ts";

/** Makes a plan in which no file that is there, and the same, is made a second time. */
export async function joinNames(planned: readonly PlannedEntry[]): Promise<PlannedEntry[]> {
  const groups = Map.groupBy(
    planned,
    ({ entry }) => entry.kind === "hardlink" ? entry.link : entry.path,
  );
  const joined = new Map<PlannedEntry, PlannedEntry>();
  for (const group of groups.values()) {
    if (group.length < 2 || group.every(({ action }) => action === group[0]!.action)) continue;
    const anchor = await findAnchor(group);
    if (anchor === undefined) continue;
    for (const one of group) {
      const isKept = one === anchor || one.action === "keep" || await isOneFile(one, anchor);
      const keep = { ...one, action: "keep" as const };
      joined.set(one, isKept ? keep : { ...one, linkTo: anchor.target });
    }
  }
  return planned.map((one) => joined.get(one) ?? one);
}

/** Whether a file is there with exactly what an entry says. */
export async function holds(target: string, { size, sha256 }: FileEntry): Promise<boolean> {
  const there = await Deno.lstat(target);
  if (!there.isFile || there.size !== size) return false;
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  const file = await Deno.open(target);
  for await (const bytes of file.readable) hash.update(bytes);
  return hash.digest("hex") === sha256;
}

/** The first of a file's names that is there with what the snapshot has. */
async function findAnchor(group: readonly PlannedEntry[]): Promise<PlannedEntry | undefined> {
  const file = group.map(({ entry }) => entry).find((entry) => entry.kind === "file");
  if (file === undefined) return undefined;
  for (const one of group) {
    // What cannot be read proves nothing, and stays as it is.
    if (one.action !== "create" && await holds(one.target, file).catch(() => false)) return one;
  }
}

async function isOneFile(one: PlannedEntry, other: PlannedEntry): Promise<boolean> {
  if (one.action === "create") return false;
  const [here, there] = await Promise.all([Deno.lstat(one.target), Deno.lstat(other.target)]);
  return here.ino !== null && here.dev === there.dev && here.ino === there.ino;
}
