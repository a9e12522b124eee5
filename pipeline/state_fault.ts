/**
 * What the disk under the state directory has against us, in words.
 *
 * @module
 */
import { BackupError, HINT_FULL } from "../stages/errors.ts";

/**
 * Makes a failure that names the place of what the system refused. What is no answer of the system
 * stays what it is: a bug, or a failure that has its words already.
 *
 * @param action `Cannot <do what> "<path>"`.
 * @param progress How far it had come: `after 4096 bytes`.
 */
export function stateFault(error: unknown, action: string, progress?: string): unknown {
  if (error instanceof BackupError || error instanceof Deno.errors.NotCapable) return error;
  const code = systemCode(error);
  if (code === undefined) return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const state = progress === undefined ? "the disk is full" : `the disk is full ${progress}`;
    const hint = `${HINT_FULL} for the pipeline's "state"`;
    return new BackupError("storage-full", `${action}: ${state}`, { hint, cause: error });
  }
  const refusal = REFUSALS.get(code);
  return new BackupError(
    refusal === undefined ? "stage-failed" : "permission-missing",
    `${action}: ${refusal ?? (error as Error).message}`,
    { hint: 'Check its disk and its rights, or choose another "state"', cause: error },
  );
}

/** The system's name for what went wrong; `undefined` when it was not the system that said so. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && /^E[A-Z0-9]+$/.test(String(error.code))) return String(error.code);
  // Deno has no name for some of them, of which a full quota is one.
  const [, number] = /\(os error (\d+)\)/.exec(error.message) ?? [];
  return number === QUOTA_NUMBER ? "EDQUOT" : number && `os error ${number}`;
}

const QUOTA_NUMBER = Deno.build.os === "linux" ? "122" : "69";

const REFUSALS: ReadonlyMap<string, string> = new Map([
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["EROFS", "the file system is read-only"],
]);
