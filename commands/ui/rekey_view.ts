/**
 * What rekeying did, and what it does not do, for a person.
 *
 * @module
 */
import type { Rekeyed, RekeyReport } from "../../pipeline/rekey.ts";
import { sayBytes } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** Lays out what becomes of each snapshot. */
export function renderRekeyed(
  snapshots: readonly Rekeyed[],
  width: number,
  style: Style = PLAIN,
): string[] {
  if (snapshots.length === 0) return ["There are no snapshots yet"];
  const columns = [
    { title: "RESULT" },
    { title: "ID" },
    { title: "SNAPSHOT" },
    { title: "STORED", align: "right" },
    { title: "WHERE" },
    { title: "NOTE", shrinks: true },
  ] as const;
  const rows = snapshots.map((one) => [
    one.status === "failed" ? "FAILED" : one.status,
    escapeControls(one.id),
    escapeControls(one.name),
    sayBytes(one.bytes),
    escapeControls(one.destination),
    one.renamed === null ? escapeControls(one.reason) : `${SAID[one.status]} ${one.renamed}`,
  ]);
  return renderTable(columns, rows, width, style);
}

const SAID: Readonly<Record<Rekeyed["status"], string>> = {
  due: "becomes",
  rekeyed: "is now",
  current: "",
  left: "",
  failed: "",
};

/** Says why each that could not be rekeyed could not. It is still there as it was. */
export function renderRekeyFailures(
  snapshots: readonly Rekeyed[],
  style: Style = PLAIN,
): string[] {
  return snapshots.flatMap(({ id, name, destination, failure }) => {
    if (failure === undefined) return [];
    const where = escapeControls(`${id}/${name} at ${destination}`);
    const line = `${style.bad("Error:")} ${where}: ${escapeControls(failure.message)}`;
    return failure.hint === undefined ? [line] : [line, `  ${escapeControls(failure.hint)}`];
  });
}

/** Says plainly what a former identity still opens. */
export function renderCaveats({ histories }: RekeyReport, style: Style = PLAIN): string[] {
  return [
    `${
      style.careful("Note:")
    } this keeps a former identity out of what is stored from now on, and no further:`,
    "  - copies that somebody made before, and those at places that this pipeline does not name, it still opens",
    ...histories.map((id) =>
      `  - the history of "${
        escapeControls(id)
      }", or the versions that it keeps, still has the old files`
    ),
    "  - who kept the file key of an archive, which the identity had opened once, needs no identity for it",
    "  What must not be read by whoever has that identity has to be encrypted anew: run --force makes new archives",
  ];
}
