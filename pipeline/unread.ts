/**
 * What a prepare stage could not read, as the failure that it is.
 *
 * @module
 */
import type { PrepareResult } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";

/** Paths that the message names. */
const NAMED = 3;

/** The failure of a stage that did its work but for some files; `undefined` when it read them all. */
export function unreadFailure(result: PrepareResult | void): BackupError | undefined {
  const unread = result?.unreadable ?? [];
  if (unread.length === 0) return undefined;
  const named = unread.slice(0, NAMED).map(({ path, reason }) => `"${path}": ${reason}`);
  const more = unread.length > NAMED ? `; and ${unread.length - NAMED} more` : "";
  return new BackupError("source-unreadable", `Cannot read ${named.join("; ")}${more}`, {
    hint: "Let them be read, and run again; what could be read is done",
  });
}
