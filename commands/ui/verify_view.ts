/**
 * How snapshots fared, for a person.
 *
 * @module
 */
import type { VerifyReport } from "../../pipeline/verify.ts";
import { sayBytes } from "./format.ts";
import { type Outcome, renderOutcomes } from "./outcome_table.ts";
import { sayIncomplete } from "./remarks_view.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls } from "./text.ts";

/** Lays out how each snapshot fared at each destination. */
export function renderVerifications(
  { verifications }: VerifyReport,
  width: number,
  style: Style = PLAIN,
): string[] {
  const outcomes = verifications.map((one): Outcome => ({
    ...one,
    result: one.status === "damaged" ? "DAMAGED" : sayIncomplete(one.status, one),
    counts: one.status === "ok" ? [String(one.files), sayBytes(one.bytes)] : ["?", "?"],
  }));
  return renderOutcomes(["FILES", "SIZE"], outcomes, width, style);
}

/** Says why each that is not well is not. */
export function renderFailures({ verifications }: VerifyReport, style: Style = PLAIN): string[] {
  const failed = verifications.filter(({ failure }) => failure !== undefined);
  // A place that was emptied has as many as it held.
  const alike = Map.groupBy(
    failed,
    ({ destination, failure }) => JSON.stringify([destination, failure!.message, failure!.hint]),
  );
  return [...alike.values()].flatMap((list) => [
    ...list.slice(0, NAMED).flatMap(({ id, name, destination, failure }, index) => {
      const where = escapeControls(`${id}/${name} at ${destination}`);
      const line = `${style.bad("Error:")} ${where}: ${escapeControls(failure!.message)}`;
      const isLast = index === Math.min(list.length, NAMED) - 1;
      const hint = isLast ? failure!.hint : undefined;
      return hint === undefined ? [line] : [line, `  ${escapeControls(hint)}`];
    }),
    ...(list.length > NAMED ? [`  and ${list.length - NAMED} more like it: see --json`] : []),
  ]);
}

/** Snapshots that are named each, of those that fare alike. */
const NAMED = 20;
