/**
 * Changes to a directory tree that can be taken back, all of them, as long as none is given up.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BackupError, systemFault } from "../../stages/errors.ts";

/** In the directory for what is replaced: a line in JSON a file, of where that was. */
export const REPLACED_LIST = "replaced.jsonl";

/** What is known of something that was there. */
export type Standing = Pick<Deno.FileInfo, "dev" | "size" | "mtime">;

/**
 * What was done so far, step by step, and how each step is undone. Synchronous: nothing else of ours
 * comes in between, and a thousand small steps take no thousand turns. What others do meanwhile is
 * never replaced, nor taken back.
 */
export class Changes {
  readonly #aside: string;
  readonly #done: { readonly target: string; readonly undo: () => void }[] = [];
  /** When all that is moved had been written, as the file system's clock has it. */
  readonly #begun: number;
  #names = 0;
  #takesLinks: boolean | undefined;

  /** @param aside A directory on the same file system, for what is replaced. It must outlast this. */
  constructor(aside: string) {
    this.#aside = aside;
    const mark = Deno.makeTempDirSync({ dir: aside });
    this.#begun = writtenAt(mark);
    Deno.removeSync(mark);
  }

  /** Makes a directory, and those above it that are not there. */
  directories(path: string): void {
    if (isThere(path)) return;
    this.directories(dirname(path));
    this.directory(path);
  }

  /** Makes one directory. Answers whether: somebody else may have done so. */
  directory(path: string, mode?: number): boolean {
    try {
      Deno.mkdirSync(path, mode === undefined ? {} : { mode });
    } catch (error) {
      const isMade = error instanceof Deno.errors.AlreadyExists && Deno.lstatSync(path).isDirectory;
      if (isMade) return false;
      throw new PathFault(path, error);
    }
    this.#note(path, () => Deno.removeSync(path));
    return true;
  }

  /** Gives a whole directory its place. Answers whether: something may be there. */
  moveDirectory(from: string, target: string): boolean {
    if (isThere(target)) return false;
    try {
      Deno.renameSync(from, target); // Replaces no more than an empty directory.
    } catch (error) {
      if (isThere(target)) return false;
      throw new PathFault(target, error);
    }
    this.#note(target, () => takeBack(target, from, this.#begun));
    return true;
  }

  /**
   * Gives a file or a link its place.
   *
   * @param was What it is to replace there; otherwise nothing may be there.
   */
  move(from: string, target: string, was?: Standing): void {
    this.#move(from, target, was, this.#begun);
  }

  /** Gives something that is there, if it still is, another name, where nothing is. */
  rename(from: string, to: string): void {
    if (!isThere(from)) return;
    naming(from, () => moveFresh(from, to));
    this.#note(from, () => moveFresh(to, from));
  }

  /** Has something new made elsewhere, at the path that `work` is given, and gives it its place. */
  make(target: string, was: Standing | undefined, work: (path: string) => void): void {
    const made = join(this.#aside, `made-${this.#names++}`);
    const since = naming(target, () => {
      work(made);
      return writtenAt(made);
    });
    this.#move(made, target, was, since);
  }

  /** Whether symbolic links can be made. */
  get takesLinks(): boolean {
    if (this.#takesLinks === undefined) {
      try {
        Deno.symlinkSync(".", join(this.#aside, `made-${this.#names++}`));
        this.#takesLinks = true;
      } catch (error) {
        // What fails for another reason will say so again.
        this.#takesLinks = !isUnable(error);
      }
    }
    return this.#takesLinks;
  }

  /**
   * Takes everything back, the last first.
   *
   * @returns The paths where that failed, without those that hold such: they are as the changes, or
   *   others since then, left them.
   */
  undo(): string[] {
    const stuck = new Set(
      this.#done.splice(0).toReversed().flatMap(({ target, undo }) => {
        try {
          undo();
          return [];
        } catch {
          return [target];
        }
      }),
    );
    const above = new Set<string>();
    for (const path of stuck) {
      for (let at = dirname(path); !above.has(at) && at !== dirname(at); at = dirname(at)) {
        above.add(at);
      }
    }
    return [...stuck].filter((path) => !above.has(path));
  }

  #move(from: string, target: string, was: Standing | undefined, since: number): void {
    if (was !== undefined) this.#keep(target, was);
    naming(target, () => moveFresh(from, target));
    this.#note(target, () => takeBack(target, from, since));
  }

  /** Puts what is there, if it still is, where it can be fetched from. */
  #keep(target: string, was: Standing): void {
    if (!isThere(target)) return;
    const name = `replaced-${this.#names++}`;
    const kept = join(this.#aside, name);
    // For a person, if this process does not live to undo it, or to be done.
    const line = `${JSON.stringify({ name, was: target })}\n`;
    Deno.writeTextFileSync(join(this.#aside, REPLACED_LIST), line, { append: true, mode: 0o600 });
    naming(target, () => Deno.renameSync(target, kept));
    this.#note(target, () => moveFresh(kept, target));
    naming(target, () => {
      const { size, mtime } = Deno.lstatSync(kept);
      // Not by its number, which some file systems make of the name.
      const isSame = size === was.size && mtime?.getTime() === was.mtime?.getTime();
      if (!isSame) throw new Deno.errors.AlreadyExists();
    });
  }

  #note(target: string, undo: () => void): void {
    this.#done.push({ target, undo });
  }
}

/** Gives something another name. Where something has that already, both stay as they are. */
function moveFresh(from: string, target: string): void {
  try {
    Deno.linkSync(from, target);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || !isUnable(error)) throw error;
    // A directory, or a file system without links; to rename would replace what is there.
    if (isThere(target)) throw new Deno.errors.AlreadyExists();
    Deno.renameSync(from, target);
    return;
  }
  try {
    Deno.removeSync(from);
  } catch (error) {
    Deno.removeSync(target);
    throw error;
  }
}

/** Takes something from its place, unless it is another, or was written to, since then. */
function takeBack(target: string, to: string, since: number): void {
  moveFresh(target, to);
  if (!isNewer(to, since)) return;
  moveFresh(to, target);
  throw new Deno.errors.AlreadyExists();
}

function isNewer(path: string, since: number): boolean {
  return writtenAt(path) > since ||
    Deno.lstatSync(path).isDirectory &&
      Array.from(Deno.readDirSync(path)).some(({ name }) => isNewer(join(path, name), since));
}

function writtenAt(path: string): number {
  return Deno.lstatSync(path).mtime!.getTime();
}

/** Whether a system refused what it cannot do there: another way may do. */
function isUnable(error: unknown): boolean {
  const fault = systemFault(error);
  return fault !== undefined && fault.kind !== "full" && fault.kind !== "broken";
}

/** What went wrong with one path. */
class PathFault extends Error {
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`Cannot change "${path}"`, { cause });
    this.path = path;
  }
}

function naming<T>(path: string, change: () => T): T {
  try {
    return change();
  } catch (cause) {
    throw new PathFault(path, cause);
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What kept a tree from being changed, and what stands there now. */
export function changeFault(
  thrown: unknown,
  directory: string,
  stuck: readonly string[],
  aside: string,
): unknown {
  const [error, where] = thrown instanceof PathFault
    ? [thrown.cause, ` at "${thrown.path}"`]
    : [thrown, ""];
  const isMet = error instanceof Deno.errors.AlreadyExists;
  const fault = isMet ? MET : systemFault(error);
  if (fault === undefined && stuck.length === 0) return error;
  const { kind, state } = fault ?? { kind: "other", state: String(error) };
  const code = kind === "full"
    ? "storage-full"
    : kind === "forbidden" || kind === "refused"
    ? "target-refused"
    : "stage-failed";
  const named = stuck.slice(0, NAMED).map((path) => `"${path}"`).join(", ");
  const list = stuck.length > NAMED ? `${named} and ${stuck.length - NAMED} more` : named;
  const now = stuck.length === 0
    ? `${isMet ? "it stays, and " : ""}everything there is as it was`
    : `this could not be taken back: ${list}; the rest, and what was there before, is in "${aside}"`;
  const hint = stuck.length > 0
    ? `Look at those paths, and fetch from "${aside}" what belongs there`
    : isMet
    ? "End what writes there and restore again, or restore to another directory"
    : "Put that right, or restore to another directory";
  return new BackupError(code, `Cannot restore to "${directory}": ${state}${where}; ${now}`, {
    hint,
    cause: error,
  });
}

/** Paths that are named each: a disk that is gone leaves as many as there are. */
const NAMED = 20;

const MET = { kind: "refused", state: "something was written meanwhile" } as const;
