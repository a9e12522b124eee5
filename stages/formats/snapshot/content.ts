/**
 * Tells a source of which nothing could be read from one that is empty.
 *
 * @module
 */
import type { Remark } from "../../contract.ts";
import { StageError } from "../../errors.ts";

/**
 * Refuses what would look like a backup of nothing.
 *
 * @param hasContent Whether a file or a link is in it: directories alone are the frame of what could
 * not be read.
 * @param path The first of the roots.
 * @throws {StageError} `source-unreadable` when nothing at all could be read.
 */
export function requireContent(
  hasContent: boolean,
  path: string,
  unreadable: readonly Remark[],
): void {
  const [first, ...others] = unreadable;
  if (hasContent || first === undefined) return;
  const where = first.path === path ? "" : `nothing of it can be read: "${first.path}": `;
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  const state = `${where}${first.reason}${more}`;
  throw new StageError("source-unreadable", `Cannot back up "${path}": ${state}`, {
    hint: "Run keepsake as a user who may read it",
  });
}
