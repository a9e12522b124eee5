/**
 * What the disk under the state directory has against us, in words.
 *
 * @module
 */
import { BackupError, HINT_FULL, systemFault } from "../stages/errors.ts";

/**
 * Makes a failure that names the place of what the system refused. What is no answer of the system
 * stays what it is: a bug, or a failure that has its words already.
 *
 * @param action `Cannot <do what> "<path>"`.
 * @param progress How far it had come: `after 4096 bytes`.
 */
export function stateFault(error: unknown, action: string, progress?: string): unknown {
  const fault = systemFault(error);
  if (fault === undefined) return error;
  const { kind, state } = fault;
  if (kind === "full") {
    const told = progress === undefined ? state : `${state} ${progress}`;
    const hint = `${HINT_FULL} for the pipeline's "state"`;
    return new BackupError("storage-full", `${action}: ${told}`, { hint, cause: error });
  }
  const code = kind === "forbidden" ? "permission-missing" : "stage-failed";
  const hint = 'Check its disk and its rights, or choose another "state"';
  return new BackupError(code, `${action}: ${state}`, { hint, cause: error });
}
