/**
 * One run at a time, by locks of the kernel's: they are gone the moment their holder is, however
 * that ends.
 *
 * @module
 */
import { dirname } from "node:path";
import { BackupError } from "../stages/errors.ts";
import { tryLock } from "../stages/formats/try_lock.ts";
import { stateFault } from "./state_fault.ts";

/**
 * Takes the lock at `path`, or says who has it. It is held until it is disposed of.
 *
 * The directory that holds it is locked as well where the system can do that: whoever deletes the
 * file would let a second run in otherwise.
 *
 * @throws {BackupError} `run-in-progress`; what the disk has against it.
 */
export async function acquireLock(path: string): Promise<Disposable> {
  const directory = await lockDirectory(dirname(path));
  if (directory === false) throw await inProgress(path);
  try {
    const file = await lockFile(path);
    return {
      [Symbol.dispose]() {
        letGo(file);
        if (directory) letGo(directory);
      },
    };
  } catch (error) {
    if (directory) letGo(directory);
    throw stateFault(error, `Cannot lock "${path}"`);
  }
}

/** Answers `false` when another has it, and `undefined` where directories cannot be locked. */
async function lockDirectory(path: string): Promise<Deno.FsFile | false | undefined> {
  let directory: Deno.FsFile | undefined;
  try {
    directory = await Deno.open(path);
    if (await tryLock(directory)) return directory;
    directory.close();
    return false;
  } catch {
    // Windows opens no directories, and some network shares lock only what can be written to.
    directory?.close();
    return undefined;
  }
}

async function lockFile(path: string): Promise<Deno.FsFile> {
  while (true) {
    await requireFile(path);
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      if (!await tryLock(file)) throw await inProgress(path);
      // A file that was deleted or replaced in between locks nothing: others would lock the new one.
      if (await isStillThere(path, file)) {
        await file.truncate();
        await file.write(new TextEncoder().encode(`process ${Deno.pid}\n`));
        return file;
      }
    } catch (error) {
      letGo(file);
      throw error;
    }
    letGo(file);
  }
}

/** @throws {BackupError} Where a link, or whatever else, stands: it may lead to a file of worth. */
async function requireFile(path: string): Promise<void> {
  const there = await Deno.lstat(path).catch(() => undefined);
  if (there === undefined || there.isFile) return;
  const what = there.isSymlink ? "a link" : "no regular file";
  throw new BackupError("stage-failed", `Cannot lock "${path}": it is ${what}`, {
    hint: "Remove it, and see that nobody else may write to that directory",
  });
}

/** Who took a lock last. */
export interface Holder {
  readonly process: number;
  /** Whether that process is there; `undefined` where no one can tell. */
  readonly isThere: boolean | undefined;
}

/** Who took the lock last, without a touch to it: somebody may be about to take it. */
export function holderOf(path: string): Holder | undefined {
  try {
    const [, written] = /^process (\d{1,15})\n$/.exec(Deno.readTextFileSync(path)) ?? [];
    if (written === undefined) return undefined;
    const process = Number(written);
    return { process, isThere: isThere(process) };
  } catch {
    return undefined;
  }
}

function isThere(process: number): boolean | undefined {
  // Windows has no signal that does nothing.
  if (Deno.build.os === "windows") return undefined;
  try {
    Deno.kill(process, 0 as unknown as Deno.Signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return true; // Somebody else's.
    return error instanceof Deno.errors.NotFound ? false : undefined;
  }
}

/** Unlocks and closes. Closing is not enough: a program that is being started at this moment has the file open, too. */
export function letGo(file: Deno.FsFile): void {
  try {
    file.unlockSync();
  } catch {
    // It was not locked.
  }
  file.close();
}

async function inProgress(path: string): Promise<BackupError> {
  const holder = (await Deno.readTextFile(path).catch(() => "")).trim();
  return new BackupError(
    "run-in-progress",
    `Cannot start: another run of this pipeline is under way${holder && ` (${holder})`}`,
    { hint: "Wait until it ends, or end it" },
  );
}

async function isStillThere(path: string, file: Deno.FsFile): Promise<boolean> {
  const [named, open] = await Promise.all([Deno.lstat(path).catch(() => undefined), file.stat()]);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}
