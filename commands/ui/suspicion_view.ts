/**
 * What seems to be lost, for a person.
 *
 * @module
 */
import type { Suspicion } from "../../pipeline/catalog/suspicions.ts";
import { restoreCommand, sayShrinkage } from "../../pipeline/run/tripwire.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls } from "./text.ts";

/** Files that are named each. */
const NAMED = 20;

/**
 * Says what is missing since when, and what can be done about it.
 *
 * @param isAccepted Whether that is accepted now, and no more in the way of pruning.
 */
export function renderSuspicion(
  id: string,
  { since, good, shrinkages }: Suspicion,
  style: Style = PLAIN,
  isAccepted = false,
): string[] {
  const command = restoreCommand(id, good);
  const more = shrinkages.length - NAMED;
  return [
    `${style.careful("SUSPECT")} ${escapeControls(id)}: something seems to be lost since ${since}`,
    ...shrinkages.slice(0, NAMED).map((one) => `    ${escapeControls(sayShrinkage(one))}`),
    ...(more > 0 ? [`    and ${more} more: see --json`] : []),
    ...(command === undefined ? [] : [`  How it was before: ${escapeControls(command)}`]),
    ...(isAccepted ? [] : [
      `  Until it is back, or "keepsake accept ${
        escapeControls(id)
      }" says that it may be gone, nothing is pruned`,
    ]),
  ];
}
