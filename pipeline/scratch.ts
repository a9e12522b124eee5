/**
 * The directory in which drills put databases for as long as they look at them. What a drill that was
 * killed left there is plaintext, and removed by whatever comes next.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError } from "../stages/errors.ts";
import { acquireLock } from "./lock.ts";
import { makeStateDirectory } from "./state_directory.ts";

/** An empty directory that is gone in the end, with all that is in it. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes the directory (0700). One drill of a pipeline at a time.
 *
 * @throws {BackupError} `run-in-progress`.
 */
export async function openScratch(state: string): Promise<Scratch> {
  const home = homeOf(state);
  const path = scratchDirectory(state);
  await makeStateDirectory(home);
  const lock = await acquireLock(join(home, "lock")).catch((error) => {
    const isTaken = error instanceof BackupError && error.code === "run-in-progress";
    throw isTaken ? underWay() : error;
  });
  try {
    await remove(path);
    await makeStateDirectory(path);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await remove(path).finally(() => lock[Symbol.dispose]());
    },
  };
}

/** Removes what a drill that was killed left behind; one that is under way is left alone. */
export async function clearScratch(state: string): Promise<void> {
  const isThere = await Deno.lstat(scratchDirectory(state)).then(() => true, () => false);
  if (!isThere) return;
  try {
    await using _ = await openScratch(state);
  } catch {
    // It is under way, or its disk is not well, which is told by what needs it.
  }
}

/** Where it is, in a pipeline's state directory. */
export function scratchDirectory(state: string): string {
  return join(homeOf(state), "scratch");
}

function homeOf(state: string): string {
  return join(state, "drill");
}

function underWay(): BackupError {
  return new BackupError("run-in-progress", "Cannot drill: another drill is under way", {
    hint: "Wait until it ends, or end it",
  });
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
