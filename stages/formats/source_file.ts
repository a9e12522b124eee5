/**
 * Opens and reads files that are to be backed up, so that nothing else is read in their place.
 *
 * @module
 */
import { stateOf } from "../errors.ts";
import type { Hashing } from "./hashing.ts";
import type { Pace } from "./pace.ts";

/** Which file a path meant when it was looked at. */
export type Identity = Pick<Deno.FileInfo, "dev" | "ino">;

/** Why a source file could not be read. It fails that file alone. */
export class ReadFault extends Error {
  override name = "ReadFault";
  /** A short phrase for a remark. */
  readonly reason: string;
  /** `removed`: it is no longer there. `replaced`: another stands there now and may be tried. */
  readonly kind: "failed" | "removed" | "replaced";

  constructor(reason: string, kind: ReadFault["kind"] = "failed", cause?: unknown) {
    super(reason, { cause });
    this.reason = reason;
    this.kind = kind;
  }
}

/** A short phrase that says what is wrong with a path, for whatever the file system threw. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "it leads out of what is backed up";
  if (error instanceof Deno.errors.InvalidData) return "its name is not UTF-8";
  return stateOf(error, STATES);
}

const STATES: Readonly<Record<string, string>> = {
  EIO: "input/output error",
  ENOENT: "it does not exist",
  ENOTDIR: "it is not in a directory any more",
};

/** A regular file that was found to be the one that was meant. */
export class SourceFile implements Disposable {
  readonly info: Deno.FileInfo;
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile, info: Deno.FileInfo) {
    this.#file = file;
    this.info = info;
  }

  /**
   * Opens a file, unless something else was put in its place.
   *
   * A worker's read permission is a matter of names, and opening follows links: only
   * `FsFile.stat` asks again for what the name had led to. So nothing is read before that has
   * answered, and has answered what `lstat` had said of the name.
   *
   * @param expected What `lstat` had said before; without it, what it says now.
   * @throws {ReadFault}
   */
  static open(path: string, expected?: Identity): SourceFile {
    // Right before: what was a file when its directory was listed may be a pipe by now, and to open
    // one waits for whoever writes to it.
    const there = attempt(() => identify(path));
    const meant = expected ?? there;
    const file = attempt(() => Deno.openSync(path));
    try {
      const opened = new SourceFile(file, attempt(() => file.statSync()));
      if (!opened.info.isFile || !opened.is(meant)) throw replaced();
      return opened;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Whether it is the file that had been met. */
  is({ dev, ino }: Identity): boolean {
    return this.info.dev === dev && this.info.ino === ino;
  }

  /**
   * Reads the next bytes, as many as there is room for.
   *
   * @returns How many there were: fewer than there is room for only at the file's end.
   * @throws {ReadFault}
   */
  fill(room: Uint8Array): number {
    let used = 0;
    while (used < room.length) {
      const count = attempt(() => this.#file.readSync(used === 0 ? room : room.subarray(used)));
      if (count === null) break;
      used += count;
    }
    return used;
  }

  /** Goes back to the first byte. */
  rewind(): void {
    attempt(() => this.#file.seekSync(0, Deno.SeekMode.Start));
  }

  /**
   * Tells whether the first `size` bytes, which were read with this hash, are of one state of the
   * file. Where its time leaves a doubt they are read once more: times are coarse, and a log that
   * merely grew has the same bytes still. Leaves the file at another position.
   *
   * @param now Milliseconds since 1970.
   * @throws {ReadFault}
   */
  async isSettled(
    size: number,
    hash: string,
    hashing: Hashing,
    pace: Pace,
    now: number,
  ): Promise<boolean> {
    if (this.#isUntouched(now)) return true;
    this.rewind();
    const again = await hashing.read(this, size, pace);
    return again.size === size && again.hash === hash;
  }

  /** Whether size and time are what they were when it was opened, and the time is old enough to tell. */
  #isUntouched(now: number): boolean {
    const info = attempt(() => this.#file.statSync());
    const mtime = mtimeOf(info);
    return info.size === this.info.size && mtime === mtimeOf(this.info) &&
      mtime < now - COARSEST_TIME;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The coarsest times of a file system in use: FAT counts in two seconds. */
export const COARSEST_TIME = 2000;

/** A file's time of change in milliseconds since 1970; 0 where the system has none. */
export function mtimeOf({ mtime }: Deno.FileInfo): number {
  const time = mtime?.getTime() ?? 0;
  return Number.isFinite(time) ? time : 0; // File systems know times that no Date does.
}

/** Tries to open a file that is being replaced a few times. */
export async function openPatiently(
  path: string,
  expected: Identity | undefined,
  pause: Pause,
): Promise<SourceFile> {
  let meant = expected;
  for (let tries = 1;; tries++) {
    try {
      return SourceFile.open(path, meant);
    } catch (error) {
      const isWorthMore = error instanceof ReadFault && error.kind === "replaced";
      if (!isWorthMore || tries === MAX_TRIES) throw error;
    }
    await pause(tries);
    meant = undefined;
  }
}

/** How often a file that changes is read before that is said of it. */
export const MAX_TRIES = 5;

/** Waits before the next try, longer from try to try. */
export type Pause = (tries: number) => Promise<void>;

/** 2, 4, 8, 16 ms: a program that rewrites a small file is done by then. */
export function pauseBriefly(tries: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2 ** tries));
}

/** What is for tests to set. */
export interface Surroundings {
  readonly pause: Pause;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The world as it is. */
export const WORLD: Surroundings = { pause: pauseBriefly, now: Date.now };

function identify(path: string): Identity {
  const info = Deno.lstatSync(path);
  if (!info.isFile) throw replaced();
  return info;
}

function replaced(): ReadFault {
  return new ReadFault("something else was put in its place", "replaced");
}

function attempt<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    if (error instanceof ReadFault) throw error;
    const isGone = error instanceof Deno.errors.NotFound;
    throw new ReadFault(reasonOf(error), isGone ? "removed" : "failed", error);
  }
}
