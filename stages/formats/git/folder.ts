/**
 * Directories and locks of the git destination in the state directory, where anything may be in the
 * way.
 *
 * @module
 */
import { StageError } from "../../errors.ts";

/**
 * Makes a directory, for nobody else to read, unless it is there.
 *
 * @throws {StageError} `stage-failed` when something else is in its place.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { AlreadyExists, NotADirectory } = Deno.errors;
    const isOccupied = error instanceof AlreadyExists || error instanceof NotADirectory;
    throw isOccupied ? inTheWay(path, "directory", "something else is there", error) : error;
  }
}

/**
 * Opens a file to lock it, and makes it where there is none.
 *
 * @throws {StageError} `stage-failed` when a directory is in its place.
 */
export async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Deno.errors.IsADirectory)) throw error;
    throw inTheWay(path, "file", "it is a directory", error);
  }
}

function inTheWay(path: string, kind: string, state: string, cause: unknown): StageError {
  return new StageError("stage-failed", `Cannot use "${path}" as a ${kind}: ${state}`, {
    hint: "Move it away, and run again",
    cause,
  });
}
