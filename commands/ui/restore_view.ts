/**
 * What a restore did, or would do, for a person.
 *
 * @module
 */
import type { RestoreAction, RestoreReport } from "../../pipeline/restore.ts";
import { sayBytes, sayCount, sayPath } from "./format.ts";
import { escapeControls } from "./text.ts";

/** One line for each path. */
export function renderActions(actions: readonly RestoreAction[]): string[] {
  return actions.map(({ path, action }) => `${action.padEnd(7)}  ${escapeControls(path)}`);
}

/** Says what came back, from where and to where. */
export function renderRestore(report: RestoreReport, home: string | undefined): string[] {
  const { id, name, from, targets, files, bytes, actions, dryRun } = report;
  const verb = dryRun ? "Would restore" : "Restored";
  const what = `${sayCount(files, "file")}, ${sayBytes(bytes)}`;
  const kept = actions.filter(({ action }) => action === "keep").length;
  return [
    `${verb} ${escapeControls(`${id}/${name}`)} from ${
      escapeControls(sayPath(from, home))
    }: ${what}`,
    ...targets.map((target) => `  to ${escapeControls(sayPath(target, home))}`),
    ...(kept === 0 ? [] : [
      `  left ${sayCount(kept, "path")} as ${kept === 1 ? "it was" : "they were"}: see --overwrite`,
    ]),
  ];
}
