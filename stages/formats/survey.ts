/**
 * Counts what a snapshot would hold, and what it would leave out, by names and sizes alone.
 *
 * @module
 */
import type { OptionsSchema, SurveyContext, SurveyResult } from "../contract.ts";
import { Pace } from "./pace.ts";
import { type Remarks, type Selection, Walk, withCircumstances } from "./walk.ts";

/**
 * Walks, and opens nothing.
 *
 * @throws {StageError} `source-missing` or `source-unreadable` when there is nothing at all.
 */
export async function survey(
  selection: Selection,
  context: Omit<SurveyContext<OptionsSchema>, "options">,
): Promise<SurveyResult> {
  const unknown: string[] = [];
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [], unknown };
  const walk = await Walk.open(withCircumstances(selection, context), remarks);
  const pace = new Pace(context);
  let files = 0;
  let bytes = 0;
  for (const { kind, size } of walk) {
    if (kind === "file") {
      files++;
      bytes += size;
    }
    if (pace.isDue) await pace.turn();
  }
  return { files, bytes, skipped: remarks.skipped, unknown };
}
