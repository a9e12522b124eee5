/**
 * The directory that holds a pipeline's catalog, lock and spool.
 *
 * @module
 */
import { BackupError, stateOf } from "../stages/errors.ts";

/** Makes it where it is not there yet. */
export async function makeStateDirectory(state: string): Promise<void> {
  try {
    await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = stateOf(cause);
    throw new BackupError("pipeline-invalid", `Cannot make "${state}" as state: ${reason}`, {
      hint: 'Choose another directory with "state" under [pipeline]',
      cause,
    });
  }
}
