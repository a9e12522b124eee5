/**
 * Keeps archives in a directory: a second disk, a NAS mount, a USB stick.
 *
 * Longer than most: all that makes sure of bytes on a disk, and says what is wrong with it, is here.
 *
 * @module
 */
import {
  defineDestination,
  options,
  path,
  type SpoolFile,
  StageError,
  type StoredFile,
  systemCode,
  systemFault,
} from "./contract.ts";
import { flush, flushDirectory, lstatIfThere } from "./formats/durable.ts";
import { Hashing } from "./formats/hashing.ts";
import { Pace } from "./formats/pace.ts";
import { childPath } from "./formats/paths.ts";
import { shellWord } from "./formats/shell.ts";
import { isManifest } from "./formats/stored_names.ts";
import { writeAll } from "./formats/write_all.ts";

export default defineDestination({
  name: "local",
  summary: "Keeps archives in a directory",
  description:
    "A second disk, a mounted share, a USB stick. Each file is written under another name, flushed, read back and only then given its own name.",
  options: options({
    path: path("Directory that holds the archives.", {
      example: "~/.local/share/keepsake/backups",
    }),
  }),

  permissions: ({ path }, operation) =>
    operation === "run" || operation === "remove"
      ? { read: [path], write: [path] }
      : { read: [path] },

  prepare: async (operation) => operation === "run" && await import("xxhash-wasm"),
  takesFiles: true,
  location: ({ path }) => path,
  directory: ({ path }) => path,
  byHand: ({ path }) => ({
    tools: [],
    before: [
      `Connect the disk or share that holds ${path}; on another machine, write its place there.`,
    ],
    lines: [`cp -R ${shellWord(path)} stored`],
  }),
  addressForm: 'a directory, such as "/mnt/usb/keepsake" or "./keepsake"',
  // A bare word is more probably a misspelt destination than a directory, and what ends in `.git` a
  // repository.
  fromAddress: (address) =>
    /^(?!git\+|.*\.git[/\\]?(?:#|$))(\.{1,2}$|[^:]*[/\\]|[a-z]:[/\\])/i.test(address)
      ? { path: address }
      : undefined,

  async run({ options: { path: root }, files, owner, signal, log, progress }) {
    // Names of files hold dots: an owner with dots could pass for the end of another's name.
    const ending = `.${owner.replaceAll(/[^A-Za-z0-9_-]/g, "_")}.part`;
    // A worker that was ended may still be writing, or about to rename: no name is used again.
    const attempt = crypto.randomUUID().slice(0, 8);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    // What could never be stored is told before anything is.
    for (const { key } of files) locate(root, key);
    if (makeRoot(root)) log("info", `Made the directory "${root}"`);
    removeLeftovers(root, ending);
    const kept: Kept[] = [];
    for (const file of files) {
      const place = locate(root, file.key);
      const { folder, name, path: final } = place;
      const temp = childPath(folder, `.${name}.${attempt}${ending}`);
      try {
        signal.throwIfAborted();
        await makeFolder(root, folder);
        const pace = new Pace({
          signal,
          progress: (bytes) => progress(done + Math.min(bytes, file.size), total),
        });
        kept.push(await store(file, place, temp, pace));
      } catch (error) {
        // An archive that gets no manifest is of use to nobody, and takes room.
        if (isSurelyMissing(final)) await takeBack(kept);
        throw isFull(error)
          ? full(file, final, 0, error)
          : explain(error, `Cannot store "${final}"`);
      }
      progress(done += file.size, total);
    }
    for (const one of kept) {
      try {
        // Others may store under the same names, or remove: what is confirmed is what is there now.
        if (isStill(one)) continue;
        const pace = new Pace({ signal, progress: () => progress(done, total) });
        await requireSame(one.file, one.path, pace);
      } catch (error) {
        await takeBack(kept);
        throw explain(error, `Cannot store "${one.path}"`);
      }
    }
    return { location: root };
  },

  list({ options: { path: root }, mustExist = false, ids, log }) {
    return Promise.try(() => {
      const closed: { readonly action: string; readonly error: unknown }[] = [];
      const files = foldersOf(root, mustExist).flatMap((folder) => {
        const action = `Cannot list "${childPath(root, folder)}"`;
        try {
          return filesOf(root, folder);
        } catch (error) {
          if (isMissing(error)) return []; // Removed meanwhile.
          if (!isForbidden(error) || ids?.includes(folder)) throw explain(error, action, true);
          if (!isOthers(folder)) closed.push({ action, error });
          return [];
        }
      });
      // What is not shown may be all that there is.
      const [first] = closed;
      if (first !== undefined && files.length === 0 && ids === undefined) {
        throw explain(first.error, first.action, true);
      }
      for (const { action, error } of closed) {
        log("warn", `${action}: ${systemFault(error)!.state}`);
      }
      return files;
    });
  },

  async fetch({ options: { path: root }, key, output, signal, progress }) {
    const place = locate(root, key);
    const { path: final } = place;
    const action = `Cannot fetch "${final}"`;
    try {
      const size = fileAt(place)?.size;
      if (size === undefined) {
        throw new StageError("snapshot-missing", `${action}: there is no such file`, {
          hint: `Check that "${root}" is the right directory, and that its disk is connected`,
        });
      }
      using file = await Deno.open(final);
      let done = 0;
      for (;;) {
        signal.throwIfAborted();
        const count = file.readSync(output.space());
        if (count === null) break;
        await output.commit(count);
        progress(done += count, size);
      }
    } catch (error) {
      throw explain(error, action);
    }
  },

  async remove({ options: { path: root }, keys }) {
    // A snapshot exists when its manifest does: a crash halfway must not leave a manifest alone.
    const manifests = keys.filter(isManifest);
    await removeAll(root, manifests);
    await removeAll(root, keys.filter((key) => !isManifest(key)));
  },
});

const BLOCK = 2 ** 18;
/** How much is written before the disk is told to start on it; twice that may wait. */
const FLUSH_EVERY = 256 * BLOCK;

/** A file that is stored. */
interface Kept {
  readonly file: SpoolFile;
  readonly path: string;
  /** What tells it from any other that may come in its place. */
  readonly info: Deno.FileInfo | undefined;
  /** Whether this run put it there. */
  readonly isOurs: boolean;
}

async function store(
  file: SpoolFile,
  { folder, path: final }: Place,
  temp: string,
  pace: Pace,
): Promise<Kept> {
  const isOurs = lstatIfThere(final) === undefined && await put(file, temp, final, pace);
  const info = isOurs ? lstatIfThere(final) : await requireSame(file, final, pace);
  try {
    await flushFolder(folder);
  } catch (error) {
    // A name that may not outlast a power cut was never given.
    if (isOurs) await Deno.remove(final).catch(() => {});
    throw error;
  }
  return { file, path: final, info, isOurs };
}

/** Writes a file and reads it back; whether it has got its name, which is another's otherwise. */
async function put(file: SpoolFile, temp: string, final: string, pace: Pace): Promise<boolean> {
  try {
    if (!await move(file.path, temp)) await copy(file, temp, final, pace);
    const work = [differenceAt(temp, file, pace, true), flushFile(temp, final)] as const;
    // Both to their end, also when one fails: the file is removed then.
    await Promise.allSettled(work);
    const [difference] = await Promise.all(work);
    if (difference !== undefined) {
      throw refused(final, `what was written reads back differently, ${difference}`);
    }
    return publish(temp, final);
  } finally {
    removeTemp(temp);
  }
}

/** Gives a file its name as well, unless another has it; whether it has got it. */
function publish(temp: string, final: string): boolean {
  try {
    Deno.linkSync(temp, final);
  } catch {
    if (lstatIfThere(final) !== undefined) return false;
    // Not every file system knows links; to have looked beforehand has to do there.
    Deno.renameSync(temp, final);
  }
  return true;
}

/**
 * Takes the temporary name away right after a file has got its own: a manifest that kept both, as
 * when a run is killed in between, would keep them until something is stored again.
 */
function removeTemp(temp: string): void {
  try {
    Deno.removeSync(temp);
  } catch {
    // It was renamed, or stays until then.
  }
}

/** Makes sure that a file is ours, byte by byte; answers what was known of it before that. */
async function requireSame(file: SpoolFile, path: string, pace: Pace): Promise<Deno.FileInfo> {
  const info = lstatIfThere(path);
  if (info === undefined) throw refused(path, "it was there, and is gone");
  if (!info.isFile) throw refused(path, `it is a ${kindOf(info)}`);
  const difference = await differenceAt(path, file, pace);
  if (difference === undefined) return info;
  throw refused(path, `another file has that name, ${difference}`);
}

/** Whether a stored file is untouched, as far as that can be told without reading it. */
function isStill({ path, info }: Kept): boolean {
  const now = lstatIfThere(path);
  return now !== undefined && now.ino === info?.ino && now.size === info.size &&
    now.mtime?.getTime() === info.mtime?.getTime();
}

/** Takes back what this run put there, the manifest first: one that stays keeps its archive. */
async function takeBack(kept: readonly Kept[]): Promise<void> {
  try {
    for (const one of kept.toReversed()) {
      if (one.isOurs && isStill(one)) await Deno.remove(one.path);
      if (lstatIfThere(one.path) !== undefined) return;
    }
  } catch {
    // The failure is the one to report.
  }
}

/** Saves a copy where the spool is on the same file system. */
async function move(from: string, to: string): Promise<boolean> {
  return await Deno.rename(from, to).then(() => true, () => false);
}

async function copy(file: SpoolFile, temp: string, final: string, pace: Pace): Promise<void> {
  using from = await Deno.open(file.path);
  using to = await Deno.open(temp, { write: true, createNew: true, mode: 0o600 });
  const block = new Uint8Array(BLOCK);
  let written = 0;
  let flushed = 0;
  let flushing: Promise<unknown> = Promise.resolve();
  try {
    for (let count = from.readSync(block); count !== null; count = from.readSync(block)) {
      writeAll(to, block.subarray(0, count), (taken) => written += taken);
      if (pace.isDue) await pace.turn();
      if (written - flushed < FLUSH_EVERY) continue;
      // A slow disk is heard of on the way, not in one flush at the end that nobody knows the end of.
      await requireFlushed(flushing);
      flushed = written;
      flushing = flushAs(final, to).catch((error) => error);
    }
    await requireFlushed(flushing);
    await flushAs(final, to);
  } catch (error) {
    throw isFull(error) ? full(file, final, written, error) : error;
  } finally {
    await flushing;
  }
}

async function requireFlushed(flushing: Promise<unknown>): Promise<void> {
  const failure = await flushing;
  if (failure !== undefined) throw failure;
}

/**
 * How the bytes at `path` differ from what they should be; `undefined` when they do not.
 *
 * @param isOurs Whether nobody else can have made them: then a quick hash will do, if there is one.
 */
async function differenceAt(
  path: string,
  { size, sha256, xxh64 }: SpoolFile,
  pace: Pace,
  isOurs = false,
): Promise<string | undefined> {
  const isQuick = isOurs && xxh64 !== undefined && Hashing.isQuick;
  const expected = isQuick ? xxh64 : sha256;
  const hash = (isQuick ? await Hashing.quick() : await Hashing.load()).begin();
  const block = new Uint8Array(BLOCK);
  using file = await Deno.open(path);
  let read = 0;
  for (let count = file.readSync(block); count !== null; count = file.readSync(block)) {
    hash.update(block.subarray(0, count));
    read += count;
    pace.add(count);
    if (pace.isDue) await pace.turn();
  }
  const found = hash.digest();
  if (read !== size || found !== expected) {
    return `${read} bytes with hash ${found} for ${size} with ${expected}`;
  }
  return undefined;
}

/** Makes the directory that holds everything; whether there was none. */
function makeRoot(root: string): boolean {
  const action = `Cannot store snapshots in "${root}"`;
  let info;
  try {
    if (lstatIfThere(root) === undefined) {
      Deno.mkdirSync(root, { recursive: true, mode: 0o700 });
      return true;
    }
    info = Deno.statSync(root);
  } catch (error) {
    throw explain(error, action);
  }
  if (info.isDirectory) return false;
  throw new StageError("destination-refused", `${action}: it is a file`, {
    hint: "Choose another directory, or move the file away",
  });
}

/** Makes the folder of one snapshot. A link in its place could lead anywhere. */
async function makeFolder(root: string, folder: string): Promise<void> {
  if (lstatIfThere(folder) === undefined) {
    try {
      await Deno.mkdir(folder, { mode: 0o700 });
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error; // Another was faster.
    }
    try {
      await flushFolder(root);
    } catch (error) {
      // Whoever finds it there does not flush its name again.
      await Deno.remove(folder).catch(() => {});
      throw error;
    }
  }
  const info = lstatIfThere(folder);
  if (info?.isDirectory === false) throw refused(folder, `it is a ${kindOf(info)}`);
}

/** Removes what a run that was killed left behind. The names of others are not touched. */
function removeLeftovers(root: string, ending: string): void {
  for (const name of foldersOf(root, false)) {
    const folder = childPath(root, name);
    try {
      for (const { name, isFile } of Deno.readDirSync(folder)) {
        if (isFile && name.startsWith(".") && name.endsWith(ending)) {
          Deno.removeSync(childPath(folder, name));
        }
      }
    } catch (error) {
      if (!isForbidden(error)) throw explain(error, `Cannot clean "${folder}"`);
    }
  }
}

async function removeAll(root: string, keys: readonly string[]): Promise<void> {
  const places = keys.map((key) => locate(root, key));
  for (const place of places) {
    try {
      if (fileAt(place) !== undefined) await Deno.remove(place.path);
    } catch (error) {
      throw explain(error, `Cannot remove "${place.path}"`);
    }
  }
  for (const folder of new Set(places.map(({ folder }) => folder))) await flushFolder(folder);
}

/** Names of the folders in the directory; none when it is not there yet. */
function foldersOf(root: string, mustExist: boolean): readonly string[] {
  try {
    if (lstatIfThere(root) === undefined) {
      if (!mustExist) return [];
      throw new StageError(
        "destination-unreachable",
        `Cannot list "${root}": there is no such directory`,
        {
          hint:
            "Connect its disk, or correct the path; for a run to begin anew there, make the directory",
        },
      );
    }
    return Array.from(Deno.readDirSync(root))
      .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
      .map(({ name }) => name);
  } catch (error) {
    throw explain(error, `Cannot list "${root}"`, true);
  }
}

function filesOf(root: string, folder: string): readonly StoredFile[] {
  const path = childPath(root, folder);
  return Array.from(Deno.readDirSync(path))
    .filter(({ name, isFile }) => isFile && !name.startsWith("."))
    .flatMap(({ name }) => {
      const size = lstatIfThere(childPath(path, name))?.size;
      return size === undefined ? [] : [{ key: `${folder}/${name}`, size }]; // Removed meanwhile.
    });
}

/** Where a file stands, or will. */
interface Place {
  readonly folder: string;
  readonly name: string;
  readonly path: string;
}

/** Turns a key into a place that is certain to lie two levels below the directory. */
function locate(root: string, key: string): Place {
  const [first = "", name = "", ...more] = key.split("/");
  if (more.length === 0 && NAME_REGEXP.test(first) && NAME_REGEXP.test(name)) {
    const folder = childPath(root, first);
    return { folder, name, path: childPath(folder, name) };
  }
  throw new StageError("stage-failed", `Cannot use "${key}" as the name of a stored file`, {
    hint: "Name the snapshot and the file, with a slash between them",
  });
}

/** A name that starts with a dot is a temporary one, or leads up. */
// deno-lint-ignore no-control-regex
const NAME_REGEXP = /^[^.\\/:\x00-\x1f][^\\/:\x00-\x1f]*$/;

/** What is known of a file that stands where it should, with no link on the way. */
function fileAt({ folder, path }: Place): Deno.FileInfo | undefined {
  const info = lstatIfThere(folder)?.isDirectory ? lstatIfThere(path) : undefined;
  return info?.isFile ? info : undefined;
}

/** Whether nothing is there; not when that cannot be told. */
function isSurelyMissing(path: string): boolean {
  try {
    return lstatIfThere(path) === undefined;
  } catch {
    return false;
  }
}

/** Whether a folder's name is none that snapshots have, such as `lost+found`. */
function isOthers(folder: string): boolean {
  return !/^[a-z0-9-]{1,32}$/.test(folder);
}

function kindOf({ isSymlink, isDirectory }: Deno.FileInfo): string {
  return isSymlink ? "link" : isDirectory ? "directory" : "file";
}

async function flushFile(path: string, final: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  await flushAs(final, file);
}

/**
 * What stands above the destination's directory is out of the stage's reach: where that directory is
 * new, the file system's own order has to do.
 */
async function flushFolder(path: string): Promise<void> {
  await flushDirectory(path, (directory) => flushAs(path, directory));
}

/**
 * Says what is wrong with `path` where it fails, which is not worth another try: the system says once
 * that bytes are lost, takes them for written from then on, and a second flush of the same file finds
 * nothing wrong.
 */
async function flushAs(path: string, file: Deno.FsFile): Promise<void> {
  try {
    await flush(file);
  } catch (error) {
    const fault = systemFault(error);
    if (fault === undefined || fault.kind === "full") throw error;
    throw new StageError("destination-refused", `Cannot flush "${path}": ${fault.state}`, {
      hint: "Check the disk and its connection, and run again",
      cause: error,
    });
  }
}

function isMissing(error: unknown): boolean {
  return systemCode(error) === "ENOENT";
}

function isFull(error: unknown): boolean {
  return systemFault(error)?.kind === "full";
}

function isForbidden(error: unknown): boolean {
  return ["EACCES", "EPERM"].includes(systemCode(error)!);
}

function full({ size }: SpoolFile, path: string, written: number, cause: unknown): StageError {
  const { state } = systemFault(cause)!;
  return new StageError(
    "storage-full",
    `Cannot store "${path}": ${state}, ${written} of ${size} bytes were written`,
    { hint: `Free ${size - written} bytes there, or choose another directory`, cause },
  );
}

function refused(path: string, state: string): StageError {
  return new StageError("destination-refused", `Cannot store "${path}": ${state}`, {
    hint: "Check the disk, move away what should not be there, and run again",
  });
}

/** Names the place at fault. Mistakes of ours and missing permissions pass as they are. */
function explain(error: unknown, action: string, unreachable = false): unknown {
  const fault = systemFault(error, STATES);
  if (fault === undefined) return error;
  const { kind, state } = fault;
  const isRefusal = kind === "forbidden" || (kind === "refused" && !unreachable);
  const code = isRefusal ? "destination-refused" : "destination-unreachable";
  const isFull = kind === "full";
  const hint = isFull
    ? "Free some space there, or choose another directory"
    : "Check that the disk is connected and that the directory may be used";
  return new StageError(isFull ? "storage-full" : code, `${action}: ${state}`, {
    hint,
    cause: error,
  });
}

const STATES: Readonly<Record<string, string>> = {
  EEXIST: "it is a link to nothing",
  ENOTDIR: "it, or a directory above it, is a file",
};
