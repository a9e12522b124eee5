/**
 * Directories in which a restore unpacks, and a lock in each by which the next restore knows whether
 * whoever made it still lives.
 *
 * @module
 */
import { join } from "node:path";
import { stateOf } from "../../stages/errors.ts";
import { lstatIfThere } from "../../stages/formats/durable.ts";
import { tryLock } from "../../stages/formats/try_lock.ts";
import { letGo } from "../lock.ts";
import { REPLACED_LIST } from "./undo.ts";

const PREFIX = ".keepsake-restore-";
const LOCK = "lock";
const UNNAMED = "lock.new";

/** One staging directory, locked for as long as this process lives. */
export class StagingDirectory {
  readonly path: string;
  #lock: Deno.FsFile | undefined;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /** Makes one in `directory`. */
  static async make(directory: string): Promise<StagingDirectory> {
    const path = await Deno.makeTempDir({ dir: directory, prefix: PREFIX });
    try {
      const lock = openUnnamed(path);
      await tryLock(lock);
      // What another restore finds under the name was held from the start.
      giveName(path);
      return new StagingDirectory(path, lock);
    } catch (error) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
      throw error;
    }
  }

  /** Removes it, with all that is in it. */
  async remove(): Promise<void> {
    // Without the list, nobody misses what was replaced, if this is cut short.
    await Deno.remove(join(this.path, REPLACED_LIST)).catch(() => {});
    await Deno.remove(this.path, { recursive: true }).catch(() => {});
    this.letGo();
  }

  /** Leaves it to whoever finds it, without the lock that would mark it as a leftover. */
  letGo(): void {
    if (this.#lock === undefined) return;
    try {
      Deno.removeSync(join(this.path, LOCK));
    } catch {
      // It is gone already.
    }
    letGo(this.#lock);
    this.#lock = undefined;
  }
}

function openUnnamed(path: string): Deno.FsFile {
  return Deno.openSync(join(path, UNNAMED), { write: true, createNew: true, mode: 0o600 });
}

function giveName(path: string): void {
  Deno.renameSync(join(path, UNNAMED), join(path, LOCK));
}

/**
 * Removes what restores left in a directory that were killed, but for files that they had taken away
 * from their places. Others are at work, or not ours.
 */
export async function removeLeftovers(
  directory: string,
  say: (message: string) => void,
): Promise<void> {
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    let lock: Deno.FsFile | undefined;
    try {
      if (!(await Deno.lstat(join(path, LOCK))).isFile) continue;
      lock = await Deno.open(join(path, LOCK), { read: true, write: true });
      if (!await tryLock(lock)) continue;
      if (lstatIfThere(join(path, REPLACED_LIST)) !== undefined) {
        say(
          `Kept "${path}": a restore that was killed halfway had put there what it replaced, and ${REPLACED_LIST} in it says where that was`,
        );
        continue;
      }
      await Deno.remove(path, { recursive: true });
      say(`Removed "${path}": a restore that was killed had left it`);
    } catch (error) {
      // Without a lock it was kept on purpose, or is somebody else's.
      if (error instanceof Deno.errors.NotFound) continue;
      say(`Cannot remove "${path}", which a restore left: ${stateOf(error)}`);
    } finally {
      if (lock !== undefined) letGo(lock);
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory)).flatMap(({ name, isDirectory }) =>
      isDirectory && name.startsWith(PREFIX) ? [name] : []
    );
  } catch {
    return []; // Whoever makes one there says what is wrong.
  }
}
