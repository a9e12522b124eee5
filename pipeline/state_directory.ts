/**
 * The directory that holds a pipeline's catalog, lock and spool.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError, stateOf } from "../stages/errors.ts";

/** Makes it where it is not there yet. Others may not write to it. */
export async function makeStateDirectory(state: string): Promise<void> {
  try {
    await Deno.mkdir(state, { recursive: true, mode: 0o700 });
    const { mode } = await Deno.stat(state);
    const open = mode !== null && Deno.build.os !== "windows" ? mode & 0o022 : 0;
    // Not every file system keeps modes, and not everybody may change them.
    if (open !== 0) await Deno.chmod(state, mode! & 0o755).catch(() => {});
  } catch (cause) {
    const reason = stateOf(cause);
    throw new BackupError("pipeline-invalid", `Cannot make "${state}" as state: ${reason}`, {
      hint: 'Choose another directory with "state" under [pipeline]',
      cause,
    });
  }
}

/** Where the catalog stands. */
export function catalogFile(state: string): string {
  return join(state, "catalog.db");
}

/** Whether there is a catalog: without, nothing was ever stored from here. */
export function hasCatalog(state: string): boolean {
  try {
    Deno.lstatSync(catalogFile(state));
    return true;
  } catch {
    return false;
  }
}

/** Where it is remembered who is told how runs go, for when the pipeline file cannot say so. */
export function watchFile(state: string): string {
  return join(state, "watch.json");
}

/** Forgets it: nobody is to be told any more. */
export function forgetWatch(state: string): void {
  try {
    Deno.removeSync(watchFile(state));
  } catch {
    // As a rule there is none.
  }
}
