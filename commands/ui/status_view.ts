/**
 * How a pipeline is, on one screen.
 *
 * @module
 */
import { createdOf } from "../../pipeline/names.ts";
import { restoreCommand, sayShrinkage } from "../../pipeline/run/tripwire.ts";
import type { PlaceStatus, Status } from "../../pipeline/status.ts";
import { sayPlace } from "../../pipeline/watch/notice.ts";
import { partsOf, subjectOfDrill, type Trouble } from "../../pipeline/watch/troubles.ts";
import type { NextRun } from "../schedule/record.ts";
import { sayAge } from "./age.ts";
import { sayBytes, sayCount, sayPath, saySeconds, sayTime } from "./format.ts";
import { sayPreserved, sayUnseen } from "./horizon_view.ts";
import { PLAIN, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { escapeControls, wrap } from "./text.ts";

/** What it is shown on, and what is known besides. */
export interface StatusView {
  readonly home: string | undefined;
  /** Columns. */
  readonly width: number;
  /** When the next run is due, and who starts it; `undefined`: nobody. */
  readonly next: NextRun | undefined;
  /** Which places are older than `--max-age` says. */
  readonly tooOld: readonly PlaceStatus[];
  /** What it says, as it was written. */
  readonly maxAge?: string | undefined;
  readonly offsetMinutes?: number | undefined;
}

/** Lays out a status: what was and what comes, each destination, and what to do. */
export function renderStatus(status: Status, view: StatusView, style: Style = PLAIN): string[] {
  const { pipeline, file, places } = status;
  const todo = todoOf(status, view);
  return [
    `${style.strong(escapeControls(pipeline))}  ${escapeControls(sayPath(file, view.home))}`,
    `Last run: ${sayLast(status, view, style)}`,
    ...sayOpen(status, view, style),
    `Next run: ${sayNext(status, view, style)}`,
    "",
    ...renderPlaces(places, status.now, view, style),
    "",
    ...(todo.length === 0 ? [style.good("All is well: there is nothing to do")] : [
      style.strong("What to do:"),
      ...todo.flatMap((line) => {
        const [first, ...more] = wrap(escapeControls(line), Math.max(20, view.width - 4));
        return [`  ${first}`, ...more.map((rest) => `    ${rest}`)];
      }),
    ]),
  ];
}

function sayLast(
  { last, now, pause, suspicions, places, troubles }: Status,
  { offsetMinutes }: StatusView,
  style: Style,
): string {
  if (last === undefined) return style.careful("none is known");
  const { started, finished, status } = last;
  const when = `${sayTime(started, offsetMinutes)}, ${sayAge(started, now)}`;
  const took = saySeconds((finished.getTime() - started.getTime()) / 1000);
  if (troubles.some(({ subject, since }) => subject === "ending" && since > started)) {
    const ended = status === 0 ? "well" : `ended with status ${status}`;
    return style.bad(`${when}: ${ended}, and those after it were cut off`);
  }
  if (status !== 0) return style.bad(`${when}: ended with status ${status} after ${took}`);
  if (pause !== undefined) return style.bad(`${when}: well, but that is long ago`);
  if (suspicions.length > 0) {
    return style.careful(`${when}: in ${took}, but something seems lost`);
  }
  if (places.some(({ damaged }) => damaged !== undefined)) {
    return style.careful(`${when}: well, in ${took}, but a copy is damaged`);
  }
  if (places.some(({ drillFailed }) => drillFailed !== undefined)) {
    return style.careful(`${when}: well, in ${took}, but a drill failed`);
  }
  return `${when}: ${style.good("well")}, in ${took}`;
}

/** The run that is at work, or was cut off when it was. */
function sayOpen({ open, now }: Status, { offsetMinutes }: StatusView, style: Style): string[] {
  if (open === undefined) return [];
  const { since, process, isAtWork } = open;
  const run = `a run that began ${sayTime(since, offsetMinutes)}, ${sayAge(since, now)}`;
  if (isAtWork === undefined) return [`Not over: ${run}: at work, or cut off`];
  return [isAtWork ? `At work:  ${run}, in process ${process}` : `Cut off:  ${style.bad(run)}`];
}

function sayNext({ now }: Status, { next, offsetMinutes }: StatusView, style: Style): string {
  if (next === undefined) return style.careful("none is scheduled");
  const { time, scheduler, trouble } = next;
  if (trouble !== undefined) return style.careful(`none of this file: ${trouble}`);
  if (time === undefined) return `by ${scheduler}, which knows when`;
  return `${sayTime(time, offsetMinutes)}, ${sayAge(time, now)}, by ${scheduler}`;
}

function renderPlaces(
  places: readonly PlaceStatus[],
  now: Date,
  { width, tooOld }: StatusView,
  style: Style,
): string[] {
  if (places.length === 0) return [style.bad("No destination gets anything")];
  const columns = [
    { title: "DESTINATION", shrinks: true },
    { title: "SNAPSHOT", shrinks: true },
    { title: "NEWEST" },
    { title: "CHECKED" },
    { title: "KEPT", align: "right" },
    { title: "SIZE", align: "right" },
    { title: "PROVEN" },
  ] as const;
  const rows = places.map((place) => [
    escapeControls(place.destination),
    escapeControls(place.snapshot),
    place.newest === undefined ? "none" : sayAge(place.newest, now),
    place.confirmed === undefined ? "never" : sayAge(place.confirmed, now),
    String(place.count),
    sayBytes(place.bytes),
    sayProven(place, now),
  ]);
  const [head = "", ...lines] = renderTable(columns, rows, width, style);
  return [
    head,
    ...lines.map((line, index) => {
      const place = places[index]!;
      const isBad = place.newest === undefined || place.damaged !== undefined ||
        place.drillFailed !== undefined;
      if (isBad || tooOld.includes(place)) return style.bad(line);
      return place.proven === undefined ? style.careful(line) : line;
    }),
    ...sayPlaceBytes(places),
  ];
}

function sayProven({ proven, damaged, drillFailed }: PlaceStatus, now: Date): string {
  if (damaged !== undefined) return `DAMAGED ${sayAge(damaged.found, now)}`;
  if (drillFailed !== undefined) return `FAILED ${sayAge(drillFailed, now)}`;
  return proven === undefined ? "never" : sayAge(proven, now);
}

/** What places take up that keep more than their snapshots, each once. */
function sayPlaceBytes(places: readonly PlaceStatus[]): string[] {
  const sizes = new Map(places.map(({ destination, placeBytes }) => [destination, placeBytes]));
  return [...sizes].flatMap(([destination, bytes]) =>
    bytes === undefined
      ? []
      : [`${escapeControls(destination)} takes up ${sayBytes(bytes)} in all, with its history`]
  );
}

/** Kinds of troubles for which there is a sentence of their own. */
const SUMMED_UP: readonly string[] = ["loss", "store"];

/** Sentences, the most urgent first. */
function todoOf(status: Status, view: StatusView): string[] {
  const { last, places, troubles, endangered, unseen, now, pause } = status;
  const blind = sayUnseen(unseen, view.home).map((line) => `${line}. See that it can be read`);
  const risks = endangered.length === 0 ? [] : [sayEndangered(endangered, view)];
  const lasting = troubles.filter(({ passing, subject }) =>
    !passing && !SUMMED_UP.includes(partsOf(subject)[0])
  );
  if (last === undefined && places.every(({ newest }) => newest === undefined)) {
    const cut = lasting.filter(({ subject }) => subject === "ending");
    const said = cut.map((trouble) => sayTrouble(trouble, view));
    return [...said, ...blind, ...risks, "Make the first backup: keepsake run"];
  }
  const told = new Set(troubles.map(({ subject }) => subject));
  const failing = [
    ...lasting.map((trouble) => sayTrouble(trouble, view)),
    ...places.flatMap((place) => sayFailedDrill(place, told, now)),
    ...status.suspicions.map((suspicion) => saySuspicion(suspicion, view)),
  ];
  const isShared = (id: string) =>
    places.filter(({ destination }) => destination === id).length > 1;
  const old = view.tooOld.filter(({ destination }) => !told.has(`stage ${destination}`)).map(
    ({ destination, snapshot, confirmed }) =>
      `${isShared(destination) ? `${snapshot} in ` : ""}${destination} is too old: ${
        confirmed === undefined
          ? "it never held what it should"
          : `checked ${sayExactAge(confirmed, now)}, which is ${
            view.maxAge === undefined ? "long ago" : `more than ${view.maxAge}`
          }`
      }. Run keepsake run`,
  );
  const unproven = places.filter(({ newest, proven, damaged, drillFailed }) =>
    newest !== undefined && [proven, damaged, drillFailed].every((time) => time === undefined)
  );
  const names = [...new Set(unproven.map(({ destination }) => destination))];
  return [
    ...failing,
    ...(status.open?.isAtWork === false
      ? ["The last run was cut off. Make its backup: keepsake run"]
      : []),
    ...sayEnd(status),
    ...blind,
    ...places.flatMap((place) => sayDamaged(place, now)),
    ...places.filter(({ missing }) => missing > 0).map(sayMissing),
    ...(failing.length === 0 && last !== undefined && last.status !== 0 &&
        last.failure === undefined
      ? ["See what went wrong: keepsake log"]
      : []),
    ...(pause === undefined
      ? []
      : [`No run came to an end for ${sayAge(pause, now).replace(" ago", "")}: run keepsake run`]),
    ...risks,
    ...old,
    ...(view.next === undefined || view.next.trouble !== undefined
      ? ["Have backups made by themselves: keepsake schedule install"]
      : []),
    ...names.map((name) => `Prove that ${name} can be read back: keepsake drill ${name}`),
  ];
}

/** What ended the last run before it came to a report, where no trouble says so already. */
function sayEnd({ last, troubles }: Status): string[] {
  const failure = last?.failure;
  if (failure === undefined || troubles.some(({ message }) => message === failure.message)) {
    return [];
  }
  const { code, message, hint } = failure;
  const todo = code === "interrupted" ? "Make its backup: keepsake run" : hint;
  return [`The last run ended: ${message}${todo === undefined ? "" : `. ${todo}`}`];
}

/** "Just now" may still be too long ago. */
function sayExactAge(time: Date, now: Date): string {
  const span = now.getTime() - time.getTime();
  return span >= 0 && span < 60_000 ? `${saySeconds(span / 1000)} ago` : sayAge(time, now);
}

function sayTrouble({ subject, since, message, hint }: Trouble, view: StatusView): string {
  const [kind] = partsOf(subject);
  const state = kind === "snapshot" ? "" : kind === "proof" ? ", overdue" : ", failing";
  const when = sayTime(since, view.offsetMinutes);
  return `${sayPlace(subject)}${state} since ${when}: ${message}${
    hint === undefined ? "" : `. ${hint}`
  }`;
}

/** A drill that failed before anybody noted what was wrong. */
function sayFailedDrill(
  { destination, snapshot, drillFailed }: PlaceStatus,
  told: ReadonlySet<string>,
  now: Date,
): string[] {
  const subject = subjectOfDrill(destination, snapshot);
  if (drillFailed === undefined || told.has(subject)) return [];
  return [
    `${sayPlace(subject)} failed ${
      sayAge(drillFailed, now)
    }. See why: keepsake drill ${destination}`,
  ];
}

/** Files that are named each. */
const NAMED = 3;

function saySuspicion(
  { id, since, good, shrinkages }: Status["suspicions"][number],
  { offsetMinutes }: StatusView,
): string {
  const named = shrinkages.slice(0, NAMED).map(sayShrinkage).join("; ");
  const more = shrinkages.length - NAMED;
  const command = restoreCommand(id, good);
  return `${id}: something seems to be lost since ${
    sayTime(createdOf(since), offsetMinutes)
  }: ${named}${more > 0 ? `; and ${more} more` : ""}. ${
    command === undefined ? "" : `Bring back how it was: ${command}. `
  }If it may be gone: keepsake accept ${id}`;
}

function sayDamaged({ destination, snapshot, damaged }: PlaceStatus, now: Date): string[] {
  if (damaged === undefined) return [];
  return [
    `${snapshot}/${damaged.name} in ${destination} was found damaged ${
      sayAge(damaged.found, now)
    }: have a good copy made with keepsake run`,
  ];
}

function sayMissing({ destination, snapshot, missing }: PlaceStatus): string {
  const count = sayCount(missing, "snapshot");
  return `${count} of ${snapshot} ${missing === 1 ? "was" : "were"} stored in ${destination}, and ${
    missing === 1 ? "is" : "are"
  } there no more: see keepsake verify`;
}

function sayEndangered(
  endangered: Status["endangered"],
  { home, offsetMinutes }: StatusView,
): string {
  const [first] = endangered;
  const when = sayTime(first!.goes, offsetMinutes);
  const count = sayCount(endangered.length, "session");
  const one = endangered.length === 1;
  return `${count} that Claude Code deletes soon ${one ? "is" : "are"} in no destination, ${
    one ? "" : "first "
  }${sayPath(first!.path, home)} from ${when} on${
    sayPreserved(endangered, home)
  }: run keepsake run, and see keepsake plan`;
}
