/**
 * Names of one file, in a restore: where one of them is there with what the snapshot has, the others
 * become names of that file again, and no file of their own.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import type { FileEntry } from "../stages/contract.ts";
import { systemCode } from "../stages/errors.ts";
import { Pace } from "../stages/formats/pace.ts";
import type { PlannedEntry } from "./restore_plan.ts";

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

const PIECE_SIZE = 2 ** 18;

/**
 * Compares files with what a snapshot has. Synchronous: with a hundred thousand files, the way to
 * another thread and back takes five times as long as all else. Takes turns meanwhile.
 */
export class Comparing {
  readonly pace: Pace;
  readonly #newHash: () => Hash;
  readonly #piece = new Uint8Array(PIECE_SIZE);

  private constructor(newHash: () => Hash, pace: Pace) {
    this.#newHash = newHash;
    this.pace = pace;
  }

  static async load(signal: AbortSignal = new AbortController().signal): Promise<Comparing> {
    const { createHash } = await import("node:crypto");
    return new Comparing(() => createHash("sha256"), new Pace({ signal, progress() {} }));
  }

  /** Whether a file is there with exactly what an entry says. */
  async holds(target: string, { size, sha256 }: FileEntry): Promise<boolean> {
    const there = Deno.lstatSync(target);
    if (!there.isFile || there.size !== size) return false;
    const hash = this.#newHash();
    using file = Deno.openSync(target);
    for (;;) {
      const count = file.readSync(this.#piece);
      if (count === null) return hash.digest("hex") === sha256;
      hash.update(this.#piece.subarray(0, count));
      if (this.pace.isDue) await this.pace.turn();
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
