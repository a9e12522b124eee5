/**
 * Brings an append-only copy of a directory up to date.
 *
 * @module
 */
import type { OptionsSchema, PrepareContext, PrepareResult } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { Hashing } from "../hashing.ts";
import { holdsNothing, NOTHING_YET } from "../nothing_yet.ts";
import { Pace } from "../pace.ts";
import { wayInto } from "../roots.ts";
import { type Found, type Remarks, Walk } from "../snapshot/walk.ts";
import {
  COARSEST_TIME,
  mtimeOf,
  openPatiently,
  pauseBriefly,
  ReadFault,
  SourceFile,
} from "../source_file.ts";
import { sayCount } from "../words.ts";
import {
  copyBytes,
  explain,
  isSameBeginning,
  type Leftover,
  type NamedBy,
  OWN_FOLDER,
  Preserved,
} from "./preserved.ts";

/** What to keep a copy of, and where. */
export interface Preservation {
  readonly from: string;
  readonly to: string;
  readonly exclude: readonly string[];
}

/**
 * Copies what is new in `from`, appends what has grown, and keeps both of what was rewritten.
 *
 * @throws {StageError} `source-missing`; what the disk has against it.
 */
export async function preserve(
  options: Preservation,
  context: Omit<PrepareContext<OptionsSchema>, "options">,
): Promise<PrepareResult> {
  const { from, to, exclude } = options;
  if (wayInto(to, from) !== undefined) {
    throw new StageError("target-refused", `Cannot keep copies in "${to}": "${from}" lies in it`, {
      hint: 'Choose another directory with "to"',
    });
  }
  if (context.isEarly && holdsNothing(to, OWN_FOLDER)) {
    using _preserved = await Preserved.open(to); // A snapshot may name it.
    return NOTHING_YET;
  }
  requireThere(from);
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [] };
  const selection = { exclude, avoid: [to], include_secrets: false, include_caches: false };
  const walk = await Walk.open({ ...selection, paths: [from] }, remarks);
  using preserved = await Preserved.open(to);
  const work = new Preserving(preserved, await Hashing.load(), new Pace(context), remarks);
  try {
    await work.all(walk);
  } catch (error) {
    throw explain(error, `Cannot keep copies in "${to}"`);
  }
  for (const { path, reason } of remarks.notes) context.log("info", `${path}: ${reason}`);
  return { message: work.message, unchanged: work.isUnchanged, unreadable: remarks.unreadable };
}

function requireThere(from: string): void {
  try {
    Deno.statSync(from);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return; // Reading it says what is wrong.
    throw new StageError("source-missing", `Cannot keep a copy of "${from}": it does not exist`, {
      hint: 'Start Claude Code once, or change "from" in the pipeline file',
      cause: error,
    });
  }
}

/** What became of a file. */
type Outcome = "same" | "new" | "grown" | "rewritten";

/** Few enough for the handles that are open at once. */
const MOST_AT_ONCE = 16;

class Preserving {
  readonly #preserved: Preserved;
  readonly #hashing: Hashing;
  readonly #pace: Pace;
  readonly #remarks: Remarks;
  readonly #counts: Record<Outcome, number> = { same: 0, new: 0, grown: 0, rewritten: 0 };
  /** Files on their way to the disk. */
  readonly #ongoing = new Set<Promise<void>>();

  constructor(preserved: Preserved, hashing: Hashing, pace: Pace, remarks: Remarks) {
    this.#preserved = preserved;
    this.#hashing = hashing;
    this.#pace = pace;
    this.#remarks = remarks;
  }

  /** What was done, in a few words. */
  get message(): string {
    const { same, ...others } = this.#counts;
    const told = Object.entries(others).filter(([, count]) => count > 0)
      .map(([what, count]) => `${count} ${what}`);
    return told.length === 0 ? `nothing new in ${sayCount(same, "file")}` : told.join(", ");
  }

  /** Whether there was nothing to do. */
  get isUnchanged(): boolean {
    const { same: _, ...others } = this.#counts;
    return Object.values(others).every((count) => count === 0);
  }

  get #naming(): NamedBy {
    return { hashing: this.#hashing, pace: this.#pace };
  }

  async all(walk: Walk): Promise<void> {
    const leftovers = this.#preserved.leftovers();
    const waiting: Leftover[] = [];
    for (const leftover of leftovers) {
      // A beginning is a copy, too: all there is of it where the file was swept away meanwhile.
      if (this.#preserved.lookUp(leftover.way) === undefined) await this.#preserved.adopt(leftover);
      else waiting.push(leftover);
    }
    try {
      for (const found of walk) await this.#take(found, walk);
    } finally {
      await Promise.allSettled(this.#ongoing);
    }
    await Promise.all(this.#ongoing);
    for (const leftover of waiting) await this.#resolve(leftover);
    await this.#preserved.settle();
  }

  async #take(found: Found, walk: Walk): Promise<void> {
    const way = found.path.slice(walk.roots[0]!.name.length + 1);
    if (this.#pace.isDue) await this.#pace.turn();
    if (way === "") {
      if (found.kind === "directory") return;
      this.#remarks.unreadable.push({ path: found.shown, reason: "it is no directory" });
    } else if (way === OWN_FOLDER || way.startsWith(`${OWN_FOLDER}/`)) {
      const reason = "keepsake needs that name in the copy";
      this.#remarks.unreadable.push({ path: found.shown, reason });
    } else if (found.kind === "directory") await this.#preserved.makeDirectory(way);
    else if (found.kind === "symlink") {
      this.#remarks.notes.push({ path: found.shown, reason: "a link, which is not followed" });
    } else await this.#keepApart(found, way);
  }

  async #keepApart(found: Found, way: string): Promise<void> {
    try {
      this.#counts[await this.#keep(found, way)]++;
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      // Swept just now: what was kept of it before stays.
      if (error.kind === "removed") return;
      this.#remarks.unreadable.push({ path: found.shown, reason: error.reason });
    }
  }

  async #keep(found: Found, way: string): Promise<Outcome> {
    const own = this.#preserved.lookUp(way);
    if (own?.isFile && isSameByTimes(found, own)) return "same";
    const file = await openPatiently(found.source, found, pauseBriefly);
    let isHandedOver = false;
    try {
      if (own?.isFile === false) await this.#preserved.moveAside(way);
      if (own?.isFile) {
        const outcome = await this.#append(file, way, own);
        if (outcome !== undefined) return outcome;
        await this.#preserved.keepVersion(way, this.#naming);
        file.rewind();
      }
      isHandedOver = true;
      await this.#enqueue(this.#copy(found, way, file));
      return own === undefined ? "new" : "rewritten";
    } finally {
      if (!isHandedOver) file[Symbol.dispose]();
    }
  }

  /** Adds what is new at the end; `undefined` when the copy is no beginning of the file. */
  async #append(
    file: SourceFile,
    way: string,
    own: Deno.FileInfo,
  ): Promise<Outcome | undefined> {
    const { size } = file.info;
    using copy = this.#preserved.reopen(way, own);
    if (!await isSameBeginning(file, copy, own.size, this.#pace)) return undefined;
    if (size > own.size) await copyBytes(file, copy, size - own.size, this.#pace);
    stamp(file, copy);
    return size > own.size ? "grown" : "same";
  }

  /** Copies a whole file, past one that was set aside. Takes the file over. */
  async #copy(found: Found, way: string, source: SourceFile): Promise<void> {
    using file = source;
    try {
      using copy = await this.#preserved.begin(way);
      await copyBytes(file, copy, file.info.size, this.#pace);
      stamp(file, copy);
    } catch (error) {
      this.#preserved.giveUp(way);
      if (!(error instanceof ReadFault)) throw error;
      this.#remarks.unreadable.push({ path: found.shown, reason: error.reason });
      return;
    }
    this.#preserved.finish(way);
  }

  /** Flushes take their time, and the disk takes several at once in hardly more. */
  async #enqueue(work: Promise<void>): Promise<void> {
    this.#ongoing.add(work);
    work.then(() => this.#ongoing.delete(work), () => {}); // Waited for in the end.
    if (this.#ongoing.size >= MOST_AT_ONCE) await Promise.race(this.#ongoing);
  }

  /** Drops what is unfinished where the copy has all of it; else it is a version of its own. */
  async #resolve({ way, path }: Leftover): Promise<void> {
    const own = this.#preserved.lookUp(way);
    if (own?.isFile) {
      using unfinished = SourceFile.open(path);
      using copy = this.#preserved.reopen(way, own);
      const { size } = unfinished.info;
      if (await isSameBeginning(unfinished, copy, size, this.#pace)) {
        Deno.removeSync(path);
        return;
      }
    }
    await this.#preserved.adoptAsVersion({ way, path }, this.#naming);
  }
}

/**
 * Whether times prove that a copy is what its file is: the file was last touched, in whatever way,
 * well before the copy was made from it. Size and time of change alone would not: a program can set
 * that time, but not the time of the last touch.
 */
function isSameByTimes(found: Found, own: Deno.FileInfo): boolean {
  if (own.size !== found.size || mtimeOf(own) !== found.mtime) return false;
  try {
    const touched = Deno.lstatSync(found.source).ctime?.getTime();
    const copied = own.ctime?.getTime();
    return touched !== undefined && copied !== undefined && touched < copied - COARSEST_TIME;
  } catch {
    return false; // Opening it says what is wrong.
  }
}

/** Gives a copy the time that its file had when it was opened, for the next run to go by. */
function stamp(file: SourceFile, copy: Deno.FsFile): void {
  const time = new Date(mtimeOf(file.info));
  copy.utimeSync(time, time);
}
