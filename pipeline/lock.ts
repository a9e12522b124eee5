/**
 * One run at a time, by a lock of the kernel's: it is gone the moment its holder is, however that
 * ends.
 *
 * @module
 */
import { BackupError } from "../stages/errors.ts";

/** A lock that is held. */
export interface Lock {
  release(): void;
}

/**
 * Takes the lock at `path`, or says who has it.
 *
 * @throws {BackupError} `run-in-progress`.
 */
export async function acquireLock(path: string): Promise<Lock> {
  while (true) {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
    if (!await tryLock(file)) {
      const holder = (await Deno.readTextFile(path).catch(() => "")).trim();
      file.close();
      throw new BackupError(
        "run-in-progress",
        `Cannot start: another run of this pipeline is under way${holder && ` (${holder})`}`,
        { hint: "Wait until it ends, or end it" },
      );
    }
    // A file that was deleted or replaced in between locks nothing: others would lock the new one.
    if (await isStillThere(path, file)) {
      await file.truncate();
      await file.write(new TextEncoder().encode(`process ${Deno.pid}\n`));
      return { release: () => file.close() };
    }
    file.close();
  }
}

/** Locks without waiting where the runtime can; older ones wait a moment. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if (typeof file.tryLock === "function") return await file.tryLock(true);
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), 500);
  const locked = file.lock(true).then(() => true, () => false);
  return await Promise.race([locked, late.promise]).finally(() => clearTimeout(timer));
}

async function isStillThere(path: string, file: Deno.FsFile): Promise<boolean> {
  const [named, open] = await Promise.all([Deno.stat(path).catch(() => undefined), file.stat()]);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}
