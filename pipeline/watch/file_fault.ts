/**
 * What the disk has against the log and the metrics, in words.
 *
 * @module
 */
import { BackupError, type FailureCode, HINT_FULL, systemFault } from "../../stages/errors.ts";

/**
 * Makes a failure of what the system refused; what is no answer of the system stays what it is.
 *
 * @param action `Cannot <do what> "<path>"`.
 * @param key What the pipeline file names the place with.
 */
export function fileFault(error: unknown, action: string, key: "log" | "metrics"): unknown {
  // A file in the place of a directory that is to be made.
  const fault = systemFault(error, { EEXIST: "a part of its path is no directory" });
  if (fault === undefined) return error;
  const { kind, state } = fault;
  const place = `choose another place with ${key} = "…" under [pipeline]`;
  return new BackupError(CODES[kind] ?? "stage-failed", `${action}: ${state}`, {
    hint: kind === "full"
      ? `${HINT_FULL} with ${key} = "…" under [pipeline]`
      : kind === "refused"
      ? `Move away what is there, or ${place}`
      : `Check its disk and its rights, or ${place}`,
    cause: error,
  });
}

/**
 * Asks for a regular file, or none: to open a pipe waits for whoever reads it, and nothing ends that.
 * A link is one to what it leads to.
 *
 * @throws {BackupError} Where something else stands.
 */
export function requireFile(path: string, action: string, key: "log" | "metrics"): void {
  let there: Deno.FileInfo;
  try {
    there = Deno.statSync(path);
  } catch {
    return; // What is done next says why.
  }
  if (there.isFile) return;
  const state = there.isDirectory ? "it is a directory" : "it is no regular file";
  throw new BackupError("pipeline-invalid", `${action}: ${state}`, {
    hint: `Move away what is there, or choose another place with ${key} = "…" under [pipeline]`,
  });
}

const CODES: Readonly<Record<string, FailureCode>> = {
  full: "storage-full",
  forbidden: "permission-missing",
  refused: "pipeline-invalid",
};
