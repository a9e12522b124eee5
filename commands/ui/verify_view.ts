/**
 * How snapshots fared, for a person.
 *
 * @module
 */
import type { VerifyReport } from "../../pipeline/verify.ts";
import { sayBytes, saySeconds } from "./format.ts";
import { renderIncomplete } from "./remarks_view.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls } from "./text.ts";

/** Lays out how each snapshot fared at each destination. */
export function renderVerifications(
  { verifications }: VerifyReport,
  width: number,
  style: Style = PLAIN,
): string[] {
  const columns = [
    { title: "RESULT" },
    { title: "ID" },
    { title: "SNAPSHOT" },
    { title: "FILES", align: "right" },
    { title: "SIZE", align: "right" },
    { title: "TOOK", align: "right" },
    { title: "WHERE", shrinks: true },
  ] as const;
  const rows = verifications.map((one) => [
    sayResult(one),
    escapeControls(one.id),
    escapeControls(one.name),
    one.status === "ok" ? String(one.files) : "?",
    one.status === "ok" ? sayBytes(one.bytes) : "?",
    saySeconds(one.seconds),
    escapeControls(one.destination),
  ]);
  return renderTable(columns, rows, width, style);
}

/** What was not read when a snapshot was made cannot come back, however well it is kept. */
function sayResult({ status, unreadable = [] }: VerifyReport["verifications"][number]): string {
  if (status === "damaged") return "DAMAGED";
  return unreadable.length > 0 ? `${status}, incomplete` : status;
}

/** Says what the snapshots that are well lack, each once. */
export function renderLacking(
  { verifications }: VerifyReport,
  home: string | undefined,
  style: Style = PLAIN,
): string[] {
  const lacking = new Map(
    verifications.map(({ id, name, unreadable = [] }) => [`${id}/${name}`, unreadable]),
  );
  return [...lacking].flatMap(([snapshot, unreadable]) =>
    renderIncomplete(snapshot, unreadable, home, style)
  );
}

/** Says why each that is not well is not. */
export function renderFailures({ verifications }: VerifyReport, style: Style = PLAIN): string[] {
  return verifications.flatMap(({ id, name, destination, failure }) => {
    if (failure === undefined) return [];
    const where = escapeControls(`${id}/${name} at ${destination}`);
    const line = `${style.bad("Error:")} ${where}: ${escapeControls(failure.message)}`;
    return failure.hint === undefined ? [line] : [line, `  ${escapeControls(failure.hint)}`];
  });
}
