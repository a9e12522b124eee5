/**
 * What a restore did, or would do, for a person.
 *
 * @module
 */
import { basename } from "node:path";
import type { RestoreAction, RestoreReport } from "../../pipeline/restore.ts";
import { sayBytes, sayCount, sayPath } from "./format.ts";
import { renderUnreadable } from "./remarks_view.ts";
import { escapeControls } from "./text.ts";

/** One line for each path that would be written. */
export function renderActions(actions: readonly RestoreAction[]): string[] {
  return actions.filter(({ action }) => action !== "keep").map(({ path, action }) =>
    `${action.padEnd(7)}  ${escapeControls(path)}`
  );
}

/** Says what came back, from where and to where. */
export function renderRestore(report: RestoreReport, home: string | undefined): string[] {
  const { id, name, from, targets, files, bytes, actions, setAside, unreadable, dryRun } = report;
  const verb = dryRun ? "Would restore" : "Restored";
  const what = `${sayCount(files, "file")}, ${sayBytes(bytes)}`;
  const kept =
    actions.filter(({ action, kind }) => action === "keep" && kind !== "directory").length;
  return [
    `${verb} ${escapeControls(`${id}/${name}`)} from ${
      escapeControls(sayPath(from, home))
    }: ${what}`,
    ...targets.map((target) => `  to ${escapeControls(sayPath(target, home))}`),
    ...(kept === 0 ? [] : [
      `  kept ${sayCount(kept, "file")} that ${
        kept === 1 ? "was" : "were"
      } there already: "--overwrite changed" replaces what differs`,
    ]),
    ...setAside.map(({ path, as }) =>
      `  ${dryRun ? "would set" : "set"} aside the database ${
        escapeControls(sayPath(path, home))
      } and what lies beside it, as ${escapeControls(basename(as))}`
    ),
    ...renderUnreadable(unreadable, home),
  ];
}
