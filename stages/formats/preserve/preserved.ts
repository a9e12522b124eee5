/**
 * The directory that `preserve` keeps its copies in. What this does to it never makes a byte
 * unreachable: a file is made elsewhere and gets its name when it is whole, or grows at its end; what
 * another file takes the place of has got a second name before.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { HINT_FULL, StageError, systemCode, systemFault } from "../../errors.ts";
import { flush, flushDirectory, lstatIfThere } from "../durable.ts";
import type { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import { type Identity, mtimeOf, SourceFile } from "../source_file.ts";
import { tryLock } from "../try_lock.ts";
import { writeAll } from "../write_all.ts";

/** Name of the folder in which this keeps what is not a copy of today's state. */
export const OWN_FOLDER = ".keepsake";

const LOCK = `${OWN_FOLDER}/lock`;
const VERSIONS = `${OWN_FOLDER}/versions`;
/** Files that are not whole yet, each run's in a folder of its own. */
const UNFINISHED = `${OWN_FOLDER}/unfinished`;

const PIECE = 2 ** 20;

/** Copies, by their way from the directory's root. Ways have slashes. */
export class Preserved implements Disposable {
  readonly #root: string;
  readonly #lock: Deno.FsFile;
  readonly #attempt = crypto.randomUUID().slice(0, 8);
  /** Directories that were looked at. */
  readonly #known = new Set<string>();
  /** Directories with names that a power cut would take back. */
  readonly #changed = new Set<string>();

  private constructor(root: string, lock: Deno.FsFile) {
    this.#root = root;
    this.#lock = lock;
  }

  /**
   * Opens the directory, and makes it where there is none.
   *
   * @throws {StageError} When it cannot be used, or another run is using it.
   */
  static async open(path: string): Promise<Preserved> {
    try {
      Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
      const root = Deno.realPathSync(path);
      const own = join(root, OWN_FOLDER);
      if (lstatIfThere(own) === undefined) Deno.mkdirSync(own, { mode: 0o700 });
      if (!lstatIfThere(own)!.isDirectory) {
        throw new Error("a folder of its own has another's place");
      }
      const lock = openOwn(join(root, LOCK), { create: true });
      if (await tryLock(lock)) return new Preserved(root, lock);
      lock.close();
      throw new StageError(
        "stage-failed",
        `Cannot keep copies in "${path}": another run is doing so`,
        { hint: "Wait until it ends" },
      );
    } catch (error) {
      throw explain(error, `Cannot keep copies in "${path}"`);
    }
  }

  /** The absolute path of a copy. */
  at(way: string): string {
    return join(this.#root, way);
  }

  /** Makes a directory, and those above it. What is none and has its place moves aside. */
  async makeDirectory(way: string): Promise<void> {
    if (way === "" || way === "." || this.#known.has(way)) return;
    await this.makeDirectory(dirname(way));
    const path = this.at(way);
    const info = lstatIfThere(path);
    if (info !== undefined && !info.isDirectory) await this.moveAside(way);
    if (info?.isDirectory !== true) {
      Deno.mkdirSync(path, { mode: 0o700 });
      this.#changed.add(dirname(path));
    }
    this.#known.add(way);
  }

  /** What is known of a copy; `undefined` when there is none, also where a file is above its place. */
  lookUp(way: string): Deno.FileInfo | undefined {
    try {
      return lstatIfThere(this.at(way));
    } catch (error) {
      if (systemCode(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  /** Gives a copy a second name, by its time and content, so that another may take its place. */
  async keepVersion(way: string, { hashing, pace }: NamedBy): Promise<void> {
    const path = this.at(way);
    const version = await this.#versionOf(way, path, hashing, pace);
    // The same content at the same time: a run that was killed in between did this before.
    if (lstatIfThere(version) === undefined) await giveSecondName(path, version);
    await this.#flushNames(dirname(version));
  }

  /** Moves what has the place of something of another kind to the versions. */
  async moveAside(way: string): Promise<void> {
    const path = this.at(way);
    await this.makeDirectory(`${VERSIONS}/${way}`);
    const name = `${stampOf(Deno.lstatSync(path))}-${crypto.randomUUID().slice(0, 12)}`;
    Deno.renameSync(path, this.at(`${VERSIONS}/${way}/${name}`));
    await this.#flushNames(this.at(`${VERSIONS}/${way}`));
    this.#changed.add(dirname(path));
  }

  /** Begins a new file, which gets its name with {@linkcode finish}. */
  async begin(way: string): Promise<Deno.FsFile> {
    const unfinished = this.#unfinished(way);
    await this.makeDirectory(dirname(unfinished));
    return Deno.openSync(this.at(unfinished), { write: true, createNew: true, mode: 0o600 });
  }

  /** Gives a flushed file its name, in place of whatever file has it. */
  finish(way: string): void {
    Deno.renameSync(this.at(this.#unfinished(way)), this.at(way));
    this.#changed.add(dirname(this.at(way)));
  }

  /** Removes a file that was begun: what it was to be a copy of is still there. */
  giveUp(way: string): void {
    try {
      Deno.removeSync(this.at(this.#unfinished(way)));
    } catch {
      // The next run finds it.
    }
  }

  /** Opens a copy to read it, and to write at its end. */
  reopen(way: string, expected: Identity): Deno.FsFile {
    return openOwn(this.at(way), { expected });
  }

  /** Ways of what runs that were cut short have left unfinished, each with where it lies. */
  leftovers(): Leftover[] {
    const folder = this.at(UNFINISHED);
    if (lstatIfThere(folder)?.isDirectory !== true) return [];
    return Array.from(Deno.readDirSync(folder)).flatMap(({ name, isDirectory }) =>
      isDirectory
        ? filesBelow(join(folder, name)).map((way) => ({ way, path: join(folder, name, way) }))
        : []
    );
  }

  /** Takes what is unfinished as the copy of what has none. */
  async adopt({ way, path }: Leftover): Promise<void> {
    await this.makeDirectory(dirname(way));
    Deno.renameSync(path, this.at(way));
    this.#changed.add(dirname(this.at(way)));
  }

  /** Takes what is unfinished as a version of its own. */
  async adoptAsVersion({ way, path }: Leftover, { hashing, pace }: NamedBy): Promise<void> {
    const version = await this.#versionOf(way, path, hashing, pace);
    if (lstatIfThere(version) === undefined) Deno.renameSync(path, version);
    else Deno.removeSync(path); // All of it is there.
    this.#changed.add(dirname(version));
  }

  /** Makes all new names outlast a power cut, and tidies empty folders away. */
  async settle(): Promise<void> {
    removeEmpty(this.at(UNFINISHED));
    for (const path of this.#changed) await flushDirectory(path);
  }

  [Symbol.dispose](): void {
    try {
      this.#lock.unlockSync();
    } catch {
      // Closing does it.
    }
    this.#lock.close();
  }

  #unfinished(way: string): string {
    return `${UNFINISHED}/${this.#attempt}/${way}`;
  }

  /** The absolute path of a version, below a directory that is there. */
  async #versionOf(way: string, path: string, hashing: Hashing, pace: Pace): Promise<string> {
    const info = Deno.lstatSync(path);
    using file = SourceFile.open(path, info);
    const { hash: sha256 } = await hashing.read(file, info.size, pace);
    await this.makeDirectory(`${VERSIONS}/${way}`);
    return this.at(`${VERSIONS}/${way}/${stampOf(info)}-${sha256.slice(0, 12)}`);
  }

  /** Before what they stand for loses its other name. */
  async #flushNames(directory: string): Promise<void> {
    for (let at = directory; at.length >= this.#root.length; at = dirname(at)) {
      if (this.#changed.delete(at) || at === directory) await flushDirectory(at);
    }
  }
}

/** What a version is named by. */
export interface NamedBy {
  readonly hashing: Hashing;
  readonly pace: Pace;
}

/** What a run that was cut short has left. */
export interface Leftover {
  /** Of what it was to be a copy of. */
  readonly way: string;
  readonly path: string;
}

/** Whether the next `size` bytes of both are the same. */
export async function isSameBeginning(
  file: SourceFile,
  copy: Deno.FsFile,
  size: number,
  pace: Pace,
): Promise<boolean> {
  const { Buffer } = await import("node:buffer");
  const [ours, theirs] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  for (let left = size; left > 0;) {
    const room = Math.min(left, PIECE);
    const count = file.fill(theirs.subarray(0, room));
    if (count < room || fill(copy, ours.subarray(0, room)) < room) return false;
    if (Buffer.compare(ours.subarray(0, room), theirs.subarray(0, room)) !== 0) return false;
    left -= room;
    if (pace.isDue) await pace.turn();
  }
  return true;
}

/** Copies the next `size` bytes, or what there is of them, and flushes them. */
export async function copyBytes(
  file: SourceFile,
  copy: Deno.FsFile,
  size: number,
  pace: Pace,
): Promise<number> {
  const piece = new Uint8Array(PIECE);
  let done = 0;
  while (done < size) {
    const count = file.fill(piece.subarray(0, Math.min(size - done, PIECE)));
    if (count === 0) break;
    writeAll(copy, piece.subarray(0, count));
    done += count;
    pace.add(count);
    if (pace.isDue) await pace.turn();
  }
  await flush(copy);
  return done;
}

/** An error that says what could not be done. What was no matter of the disk goes on as it is. */
export function explain(error: unknown, action: string): unknown {
  const fault = systemFault(error);
  if (fault === undefined) return error;
  const isFull = fault.kind === "full";
  return new StageError(isFull ? "storage-full" : "stage-failed", `${action}: ${fault.state}`, {
    hint: isFull ? HINT_FULL : "Check that directory and its disk, or choose another one",
    cause: error,
  });
}

/** Opens a file of ours, unless a link or something else was put in its place. */
function openOwn(
  path: string,
  { create = false, expected = lstatIfThere(path) }: {
    create?: boolean;
    expected?: Identity | undefined;
  },
): Deno.FsFile {
  const isNew = create && expected === undefined;
  const file = Deno.openSync(path, {
    read: true,
    write: true,
    createNew: isNew,
    ...(isNew && { mode: 0o600 }),
  });
  const info = file.statSync();
  if (isNew || info.isFile && info.dev === expected?.dev && info.ino === expected.ino) return file;
  file.close();
  throw new StageError("stage-failed", `Cannot use "${path}": something else has its place`, {
    hint: "Remove what was put there, and look who did it",
  });
}

/** A link where the file system has them; a copy, made elsewhere first, where it has not. */
async function giveSecondName(path: string, second: string): Promise<void> {
  try {
    await Deno.link(path, second);
  } catch (error) {
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"].includes(systemCode(error)!)) {
      throw error;
    }
    const temp = `${second}.part`;
    await Deno.copyFile(path, temp);
    {
      using file = await Deno.open(temp, { read: true, write: true });
      await flush(file);
    }
    await Deno.rename(temp, second);
  }
}

/** `20260102T030405Z` */
function stampOf(info: Deno.FileInfo): string {
  return new Date(mtimeOf(info)).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

function fill(file: Deno.FsFile, room: Uint8Array): number {
  let used = 0;
  while (used < room.length) {
    const count = file.readSync(room.subarray(used));
    if (count === null) break;
    used += count;
  }
  return used;
}

function filesBelow(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder)).flatMap(({ name, isDirectory, isFile }) =>
    isDirectory
      ? filesBelow(join(folder, name)).map((way) => `${name}/${way}`)
      : isFile
      ? [name]
      : []
  );
}

/** Removes folders that hold nothing but such folders; the system refuses to remove others. */
function removeEmpty(folder: string): void {
  if (lstatIfThere(folder)?.isDirectory !== true) return;
  for (const { name, isDirectory } of Array.from(Deno.readDirSync(folder))) {
    if (isDirectory) removeEmpty(join(folder, name));
  }
  try {
    Deno.removeSync(folder);
  } catch {
    // Something is in it.
  }
}
