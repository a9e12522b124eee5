/**
 * Names of one file, in a restore: where one of them is there with what the snapshot has, the others
 * become names of that file again, and no file of their own.
 *
 * @module
 */
import type { FileEntry } from "../../stages/contract.ts";
import { systemCode } from "../../stages/errors.ts";
import { Hashing } from "../../stages/formats/hashing.ts";
import { Pace } from "../../stages/formats/pace.ts";
import { ReadFault, SourceFile } from "../../stages/formats/source_file.ts";
import type { PlannedEntry } from "./plan.ts";

/** Makes a plan in which no file that is there, and the same, is made a second time. */
export async function joinNames(
  planned: readonly PlannedEntry[],
  comparing: Comparing,
): Promise<PlannedEntry[]> {
  const groups = Map.groupBy(
    planned,
    ({ entry }) => entry.kind === "hardlink" ? entry.link : entry.path,
  );
  const joined = new Map<PlannedEntry, PlannedEntry>();
  for (const group of groups.values()) {
    if (group.length < 2 || group.every(({ action }) => action === group[0]!.action)) continue;
    const anchor = await findAnchor(group, comparing);
    if (anchor === undefined) continue;
    for (const one of group) {
      const isKept = one === anchor || one.action === "keep" || await isOneFile(one, anchor);
      const keep = { ...one, action: "keep" as const };
      joined.set(one, isKept ? keep : { ...one, linkTo: anchor.target });
    }
  }
  return planned.map((one) => joined.get(one) ?? one);
}

/**
 * Compares files with what a snapshot has. Synchronous: with a hundred thousand files, the way to
 * another thread and back takes five times as long as all else. Takes turns meanwhile.
 */
export class Comparing {
  readonly pace: Pace;
  /** Only where there is something to compare. */
  #hashing: Hashing | undefined;

  constructor(signal: AbortSignal = new AbortController().signal) {
    this.pace = new Pace({ signal, progress() {} });
  }

  /**
   * Whether a file is there with exactly what an entry says.
   *
   * @param there What is known of it.
   */
  async holds(
    target: string,
    { size, sha256 }: FileEntry,
    there: Deno.FileInfo = Deno.lstatSync(target),
  ): Promise<boolean> {
    if (!there.isFile || there.size !== size) return false;
    this.#hashing ??= await Hashing.load();
    try {
      using file = SourceFile.open(target, there);
      if (file.info.size !== size) return false;
      return (await this.#hashing.read(file, size, this.pace)).hash === sha256;
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      if (error.cause === undefined) return false; // Another was put in its place meanwhile.
      throw error.cause;
    }
  }
}

/** The first of a file's names that is there with what the snapshot has. */
async function findAnchor(
  group: readonly PlannedEntry[],
  comparing: Comparing,
): Promise<PlannedEntry | undefined> {
  const file = group.map(({ entry }) => entry).find((entry) => entry.kind === "file");
  if (file === undefined) return undefined;
  for (const one of group) {
    // What cannot be read proves nothing, and stays as it is.
    const isIt = one.action !== "create" &&
      await comparing.holds(one.target, file).catch((error) => {
        comparing.pace.signal.throwIfAborted();
        if (systemCode(error) === undefined) throw error;
        return false;
      });
    if (isIt) return one;
  }
}

async function isOneFile(one: PlannedEntry, other: PlannedEntry): Promise<boolean> {
  if (one.action === "create") return false;
  const [here, there] = await Promise.all([Deno.lstat(one.target), Deno.lstat(other.target)]);
  return here.ino !== null && here.dev === there.dev && here.ino === there.ino;
}
