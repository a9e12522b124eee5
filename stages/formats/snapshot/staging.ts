/**
 * Writes files and directories into places where nothing was before, so that no name leads
 * elsewhere: every directory on the way was made here, and every file is a new one. Links are never
 * made and never met.
 *
 * @module
 */
import { sep } from "node:path";
import { HINT_FULL, StageError, systemFault } from "../../errors.ts";
import { isZero } from "../tar/read_header.ts";
import { writeAll } from "../write_all.ts";
import { quoted } from "./entry_rules.ts";

/** Directories are open to their owner alone, and writable, until all is in place. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Zeros of at least this length become a hole where the file system has holes. */
const MIN_HOLE = 64 * 1024;

/** What a system call takes (`PATH_MAX`, less the byte that ends it). Windows has other limits. */
const MAX_PLACE_BYTES = { linux: 4095, darwin: 1023 }[Deno.build.os as string] ?? Infinity;

const HINT_TARGET = "Restore to another directory";

/** Where the roots of an archive are being unpacked. At most one file is open at a time. */
export class Staging {
  readonly #roots: ReadonlyMap<string, string>;
  readonly #warn: (message: string) => void;
  /** Directories made here: path in the archive to path on this machine. */
  readonly #made = new Map<string, string>();
  #file: Deno.FsFile | undefined;
  #path = "";
  #size = 0;
  #written = 0;
  #endsInHole = false;
  #keepsModes = Deno.build.os !== "windows";

  /**
   * @param roots Name of each root in the archive, and the absolute path that becomes that root.
   *   Nothing may be there yet; the directory that is to hold it must be.
   * @param warn Is told, once, when the file system cannot keep permission bits.
   */
  constructor(roots: Readonly<Record<string, string>>, warn: (message: string) => void) {
    this.#roots = new Map(Object.entries(roots));
    this.#warn = warn;
  }

  /** Whether the path is a root, or lies below one. */
  holds(path: string): boolean {
    return this.#rootOf(path) !== undefined;
  }

  /** Whether it is one of the directories that a root's own name consists of, above that root. */
  isAboveRoots(path: string): boolean {
    return [...this.#roots.keys()].some((name) => name.startsWith(`${path}/`));
  }

  /**
   * Checks before anything is made that this system can name the place.
   *
   * @throws {StageError} `target-refused` when its path would be too long.
   */
  checkLength(path: string): void {
    const root = this.#rootOf(path)!;
    const place = this.#roots.get(root)! + path.slice(root.length);
    if (place.length * 3 <= MAX_PLACE_BYTES) return;
    const { length } = new TextEncoder().encode(place);
    if (length <= MAX_PLACE_BYTES) return;
    const state = `its path has ${length} bytes there, and this system takes ${MAX_PLACE_BYTES}`;
    throw new StageError("target-refused", `Cannot write ${quoted(path)}: ${state}`, {
      hint: "Restore to a directory with a shorter path, or leave this path out",
    });
  }

  /**
   * Makes a directory, and those that lead to it from its root.
   *
   * @returns Where it is.
   * @throws {StageError} `target-refused` or `storage-full`.
   */
  directory(path: string): string {
    const known = this.#made.get(path);
    if (known !== undefined) return known;
    const place = this.#placeOf(path);
    attempt(place, () => Deno.mkdirSync(place, { mode: DIRECTORY_MODE }));
    this.#made.set(path, place);
    return place;
  }

  /** Opens a new file of that size, and makes the directories that lead to it. */
  open(path: string, size: number): void {
    const place = this.#placeOf(path);
    const options = { write: true, createNew: true, mode: FILE_MODE };
    this.#file = attempt(place, () => Deno.openSync(place, options));
    this.#path = place;
    this.#size = size;
    this.#written = 0;
    this.#endsInHole = false;
  }

  /** @throws {StageError} `storage-full`, naming the path and the bytes. */
  write(bytes: Uint8Array): void {
    const file = this.#file!;
    try {
      this.#endsInHole = bytes.length >= MIN_HOLE && isZero(bytes, 0, bytes.length);
      if (this.#endsInHole) {
        file.seekSync(bytes.length, Deno.SeekMode.Current);
        this.#written += bytes.length;
        return;
      }
      writeAll(file, bytes, (count) => this.#written += count);
    } catch (error) {
      throw explain(error, this.#path, `${this.#written} of ${this.#size} bytes are written`);
    }
  }

  /** Ends the open file. Of its mode, who it would run as is left out. */
  close(mode: number): void {
    if (this.#endsInHole) attempt(this.#path, () => this.#file!.truncateSync(this.#written));
    this.discard();
    const bits = mode & 0o777;
    if (bits === FILE_MODE || !this.#keepsModes) return;
    try {
      Deno.chmodSync(this.#path, bits);
    } catch (error) {
      // FAT has no such bits, and says so by refusing the owner.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw explain(error, this.#path);
      this.#keepsModes = false;
      this.#warn(`The file system of ${quoted(this.#path)} does not keep permissions`);
    }
  }

  /** Lets go of the open file, if there is one, as it is. */
  discard(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Name of the innermost root that the path is, or lies below. */
  #rootOf(path: string): string | undefined {
    for (let at = path.length; at > 0; at = path.lastIndexOf("/", at - 1)) {
      const above = path.slice(0, at);
      if (this.#roots.has(above)) return above;
    }
  }

  #placeOf(path: string): string {
    const root = this.#roots.get(path);
    if (root !== undefined) return root;
    const slash = path.lastIndexOf("/");
    // Not by recursion: the way may be thousands of levels long.
    const parent = path.slice(0, Math.max(slash, 0));
    const known = this.#made.get(parent);
    if (known !== undefined) return known + sep + path.slice(slash + 1);
    const missing: string[] = [];
    for (let at = slash; at > 0 && !this.#made.has(path.slice(0, at));) {
      missing.push(path.slice(0, at));
      if (this.#roots.has(path.slice(0, at))) break;
      at = path.lastIndexOf("/", at - 1);
    }
    for (const above of missing.reverse()) this.directory(above);
    return this.#made.get(parent)! + sep + path.slice(slash + 1);
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw explain(error, path);
  }
}

/** What the system refused, in words. What is no answer of the system stays what it is. */
function explain(error: unknown, path: string, progress?: string): unknown {
  const fault = systemFault(error, STATES);
  if (fault === undefined) return error;
  const { kind, state } = fault;
  const action = `Cannot write ${quoted(path)}`;
  if (kind === "full") {
    const told = progress === undefined ? state : `${state}, ${progress}`;
    return new StageError("storage-full", `${action}: ${told}`, { hint: HINT_FULL, cause: error });
  }
  return kind === "forbidden" || kind === "refused"
    ? new StageError("target-refused", `${action}: ${state}`, { hint: HINT_TARGET, cause: error })
    : new StageError("stage-failed", `${action}: ${state}`, { cause: error });
}

/** Nothing is at a place that was just made: what is met there is a name that counts as the same. */
const STATES: Readonly<Record<string, string>> = {
  EEXIST: "it is there already, or a name that differs from it only in case or Unicode form",
  EINVAL: "the file system does not take that name",
  ELOOP: "the way there leads through links",
  ENOENT: "the directory that is to hold it is not there",
  ENOTDIR: "the way there leads through what is no directory",
};
