/**
 * Counts what a snapshot would hold, what it would leave out and what it could not read, by names,
 * sizes and modes.
 *
 * @module
 */
import type { OptionsSchema, Remark, SurveyContext, SurveyResult } from "../../contract.ts";
import { Pace } from "../pace.ts";
import { ReadFault, SourceFile } from "../source_file.ts";
import { type Found, idOf, type Remarks, type Selection, Walk, withCircumstances } from "./walk.ts";

/**
 * Walks, and reads nothing. What not everybody may read is opened, to see whether it can be.
 *
 * @throws {StageError} `source-missing` when there is nothing at all.
 */
export async function survey(
  selection: Selection,
  context: Omit<SurveyContext<OptionsSchema>, "options">,
): Promise<SurveyResult> {
  const unknown: string[] = [];
  const idle: Remark[] = [];
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [], unknown, idle };
  const walk = await Walk.open(withCircumstances(selection, context), remarks);
  const pace = new Pace(context);
  const counted = new Set<string>();
  let files = 0;
  let bytes = 0;
  for (const found of walk) {
    const { kind, mode, size } = found;
    if (kind === "file") {
      // Further names of a file hold nothing more.
      const isShared = found.nlink > 1 && found.standIn === undefined;
      if (isShared && counted.has(idOf(found))) continue;
      const reason = (mode & FOR_ALL) === FOR_ALL ? undefined : reasonAgainst(found);
      if (reason !== undefined) remarks.unreadable.push({ path: found.shown, reason });
      else {
        if (isShared) counted.add(idOf(found));
        files++;
        bytes += size;
      }
    }
    if (pace.isDue) await pace.turn();
  }
  const { skipped, unreadable } = remarks;
  return { files, bytes, skipped, unreadable, unknown, idle };
}

/** Everybody may read it. */
const FOR_ALL = 0o444;

/** Why a file cannot be read; what is gone, or another file, by now is for the run to meet. */
function reasonAgainst({ source, ...found }: Found): string | undefined {
  try {
    SourceFile.open(source, found)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    return error.kind === "failed" ? error.reason : undefined;
  }
}
