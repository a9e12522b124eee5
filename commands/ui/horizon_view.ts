/**
 * The purge horizon for a person: what Claude Code deletes soon, and whether it is safe.
 *
 * @module
 */
import { type Horizon, type HorizonReport, reportOf } from "../../pipeline/horizon.ts";
import { sayCount, sayPath, sayTime } from "./format.ts";
import { PLAIN, type Style } from "./style.ts";
import { escapeControls } from "./text.ts";

/** Conversations that are named each. */
const NAMED = 10;

/** Says what is about to be lost; nothing when nothing is. */
export function renderHorizonReport(
  { withinHours, endangered, paused, unseen }: HorizonReport,
  home: string | undefined,
  style: Style = PLAIN,
): string[] {
  const lines = [
    ...sayUnseen(unseen, home).map((line) => style.bad(escapeControls(line))),
    ...paused.map(({ home: folder, path, reason }) => {
      const kept = `Claude Code deletes no conversations in ${say(folder, home)} for now`;
      return `${kept}, because of ${say(path, home)}: ${reason}`;
    }).map((line) => style.careful(escapeControls(line))),
  ];
  if (endangered.length === 0) return lines;
  const one = endangered.length === 1;
  const what = `${sayCount(endangered.length, "session")} ${one ? "goes" : "go"}`;
  const title = `${what} within ${withinHours} h and ${one ? "is" : "are"} in no destination`;
  const shown = endangered.slice(0, NAMED).map(({ path, goes, preserved }) =>
    escapeControls(
      `  ${sayTime(goes)}  ${say(path, home)}${preserved.length > 0 ? " (preserved)" : ""}`,
    )
  );
  const more = endangered.length - shown.length;
  return [
    ...lines,
    style.bad(`${title}${escapeControls(sayPreserved(endangered, home))}:`),
    ...shown,
    ...(more > 0 ? [`  and ${more} more: see --json`] : []),
  ];
}

/** Says of how many there are copies on this machine, which no sweep reaches; nothing of none. */
export function sayPreserved(
  endangered: HorizonReport["endangered"],
  home: string | undefined,
): string {
  const kept = endangered.filter(({ preserved }) => preserved.length > 0);
  if (kept.length === 0) return "";
  const places = [...new Set(kept.flatMap(({ preserved }) => preserved))];
  const which = kept.length < endangered.length
    ? `${kept.length} of them`
    : kept.length === 1
    ? "it"
    : `all ${kept.length}`;
  const where = places.map((path) => say(path, home)).join(" and ");
  return `; ${which} ${kept.length === 1 ? "is" : "are"} preserved on this machine, in ${where}`;
}

/** Says where nobody can look, and why. */
export function sayUnseen(
  unseen: HorizonReport["unseen"],
  home: string | undefined,
): string[] {
  const lines = unseen.slice(0, NAMED).map(({ path, reason }) =>
    `Cannot look at sessions in "${say(path, home)}": ${reason}`
  );
  const more = unseen.length - lines.length;
  return [...lines, ...(more > 0 ? [`Cannot look at ${more} places more: see --json`] : [])];
}

/** Says how long conversations stay, which goes next, and what is about to be lost. */
export function renderHorizon(
  horizon: Horizon,
  home: string | undefined,
  style: Style = PLAIN,
): string[] {
  // Of those that are paused, the report tells.
  const active = horizon.sweeps.filter(({ paused }) => paused === undefined);
  const sweeps = active.map(({ home: folder, days, file }) => {
    const why = file === undefined ? "by its own rule" : `by ${say(file, home)}`;
    const kept = `keeps conversations for ${sayCount(days, "day")}, ${why}`;
    return escapeControls(`Claude Code ${kept} (${say(folder, home)})`);
  });
  const next = horizon.conversations.find(({ paused }) => !paused);
  const count = horizon.conversations.length;
  const held = horizon.conversations.filter(({ destinations }) => destinations.length > 0).length;
  const all = `${sayCount(count, "session")}, ${held} of them in a destination as they are now`;
  const first = next === undefined ? "" : `; the first goes from ${sayTime(next.goes)} on`;
  return [...sweeps, all + first, ...renderHorizonReport(reportOf(horizon), home, style)];
}

function say(path: string, home: string | undefined): string {
  return sayPath(path, home);
}
