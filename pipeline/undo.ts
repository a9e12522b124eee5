/**
 * Changes to a directory tree that can be taken back, all of them, as long as none is given up.
 *
 * @module
 */
import { dirname, join, sep } from "node:path";
import { BackupError, systemFault } from "../stages/errors.ts";

/** In the directory for what is replaced: a line in JSON a file, of where that was. */
export const REPLACED_LIST = "replaced.jsonl";

/**
 * What was done so far, step by step, and how each step is undone. Synchronous: nothing else comes in
 * between, and a thousand small steps take no thousand turns.
 */
export class Changes {
  readonly #aside: string;
  readonly #done: { readonly target: string; readonly undo: () => void }[] = [];
  #replaced = 0;

  /** @param aside A directory on the same file system, for what is replaced. It must outlast this. */
  constructor(aside: string) {
    this.#aside = aside;
  }

  /** Makes a directory, and those above it that are not there. */
  directories(path: string): void {
    if (isThere(path)) return;
    this.directories(dirname(path));
    this.directory(path);
  }

  /** Makes one directory. */
  directory(path: string, mode?: number): void {
    naming(path, () => Deno.mkdirSync(path, mode === undefined ? {} : { mode }));
    this.#note(path, () => Deno.removeSync(path));
  }

  /** Gives what is at `from` its place, in which something may be. */
  move(from: string, target: string): void {
    this.#keep(target);
    naming(target, () => Deno.renameSync(from, target));
    this.#note(target, () => Deno.renameSync(target, from));
  }

  /** Gives something that is there, if it still is, another name, where nothing is. */
  rename(from: string, to: string): void {
    if (!isThere(from)) return;
    naming(from, () => Deno.renameSync(from, to));
    this.#note(from, () => Deno.renameSync(to, from));
  }

  /** Makes something new in a place, in which something may be. */
  make(target: string, work: () => void): void {
    this.#keep(target);
    naming(target, work);
    this.#note(target, () => Deno.removeSync(target));
  }

  /**
   * Takes everything back, the last first.
   *
   * @returns The paths where that failed, without those that hold such: they are as the changes left
   *   them.
   */
  undo(): string[] {
    const stuck = this.#done.splice(0).toReversed().flatMap(({ target, undo }) => {
      try {
        undo();
        return [];
      } catch {
        return [target];
      }
    });
    return stuck.filter((path) => !stuck.some((other) => other.startsWith(path + sep)));
  }

  /** Puts what is there, if anything, where it can be fetched from. */
  #keep(target: string): void {
    if (!isThere(target)) return;
    const name = `replaced-${this.#replaced++}`;
    const kept = join(this.#aside, name);
    // For a person, if this process does not live to undo it, or to be done.
    const line = `${JSON.stringify({ name, was: target })}\n`;
    Deno.writeTextFileSync(join(this.#aside, REPLACED_LIST), line, { append: true, mode: 0o600 });
    naming(target, () => Deno.renameSync(target, kept));
    this.#note(target, () => Deno.renameSync(kept, target));
  }

  #note(target: string, undo: () => void): void {
    this.#done.push({ target, undo });
  }
}

/** What went wrong with one path. */
class PathFault extends Error {
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`Cannot change "${path}"`, { cause });
    this.path = path;
  }
}

function naming(path: string, change: () => void): void {
  try {
    change();
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
  const fault = systemFault(error);
  if (fault === undefined && stuck.length === 0) return error;
  const { kind, state } = fault ?? { kind: "other", state: String(error) };
  const code = kind === "full"
    ? "storage-full"
    : kind === "forbidden" || kind === "refused"
    ? "target-refused"
    : "stage-failed";
  const list = stuck.map((path) => `"${path}"`).join(", ");
  const now = stuck.length === 0
    ? "everything there is as it was"
    : `this could not be taken back: ${list}; the rest, and what was there before, is in "${aside}"`;
  const hint = stuck.length === 0
    ? "Put that right, or restore to another directory"
    : `Look at those paths, and fetch from "${aside}" what belongs there`;
  return new BackupError(code, `Cannot restore to "${directory}": ${state}${where}; ${now}`, {
    hint,
    cause: error,
  });
}
