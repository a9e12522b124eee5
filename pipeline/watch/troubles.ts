/**
 * What is wrong with a pipeline, since when, and who has to be told of it. Pure: what runs came to
 * and the clock go in.
 *
 * @module
 */
import { type FailureRecord, toRecord } from "../../stages/errors.ts";
import type { CutOff } from "../catalog/history.ts";
import type { Drill, RunReport } from "../events.ts";
import { restoreCommand, sayShrinkage } from "../run/tripwire.ts";

/** What a trouble is about, in a form that can be compared. */
export type Subject =
  | `stage ${string}`
  | `snapshot ${string}`
  /** A snapshot id and a path in its archive: something seems to be lost there. */
  | `loss ${string}`
  /** The same, once somebody has said that it may be gone: nothing is wrong with it any more. */
  | `accepted ${string}`
  /** A destination and a snapshot id: what came back was of no use. */
  | `drill ${string}`
  /** A destination and a snapshot id: not proven for longer than may be. */
  | `proof ${string}`
  /** A destination and a snapshot id: something that was stored there is gone. */
  | `store ${string}`
  | "catalog"
  | "run"
  /** Runs began and were cut off. */
  | "ending"
  | "file"
  | "pause";

/** Something that is wrong now. */
export interface Sighting {
  readonly subject: Subject;
  /** One phrase without a full stop. */
  readonly message: string;
  readonly hint: string | undefined;
  /** When it began, where that is known to be another time than when it was seen. */
  readonly since?: Date;
  /** Whether it is over as it is told: nobody has to hear that it is well again. */
  readonly passing?: boolean;
  /** Whether it is news also to those who were told of it before. */
  readonly isWorse?: boolean;
}

/** A trouble that lasts, from when it was first seen. */
export interface Trouble extends Sighting {
  readonly since: Date;
  readonly passing: boolean;
}

/** What one run showed. */
export interface Observation {
  readonly seen: readonly Sighting[];
  /** Whether a trouble is over; what a run did not come to tells nothing. */
  isWell(subject: Subject): boolean;
}

/** What somebody was told, and has not been told to be over. */
export interface Told {
  readonly subject: Subject;
  readonly since: Date;
}

/** What somebody has to be told. */
export interface News {
  readonly raised: readonly Trouble[];
  /** What is well again, and losses that were accepted. */
  readonly over: readonly Told[];
  /** What they know already, and what goes on. */
  readonly still: readonly Trouble[];
}

/** Reads off a report what is wrong, and what is not. */
export function observe(report: RunReport): Observation {
  const { dryRun, stages, snapshots, drills = [], unproven = [], failure, pause } = report;
  if (dryRun) return { seen: [], isWell: () => false };
  const seen: Sighting[] = [];
  for (const { id, status, message, failure } of stages) {
    if (status !== "failed") continue;
    const told = failure ?? { message, hint: undefined };
    seen.push({ subject: `stage ${id}`, message: told.message, hint: told.hint });
  }
  for (const { id, unreadable: [first, ...others] } of snapshots) {
    if (first === undefined) continue;
    const more = others.length === 0 ? "" : `, and ${others.length} more`;
    const message = `Cannot read "${first.path}": ${first.reason}${more}`;
    const hint = "See that it can be read, or exclude it";
    seen.push({ subject: `snapshot ${id}`, message, hint });
  }
  for (const { id, suspect } of snapshots) {
    if (suspect === undefined) continue;
    const command = restoreCommand(id, suspect.good);
    const hint = command === undefined ? undefined : `See how it was before: ${command}`;
    for (const one of suspect.shrinkages) {
      seen.push({ subject: `loss ${id}/${one.path}`, message: sayShrinkage(one), hint });
    }
  }
  for (const { id, destinations } of snapshots) {
    for (const { id: destination, missing } of destinations) {
      if (missing === undefined || missing.count === 0) continue;
      const { count, news } = missing;
      const message = count === 1
        ? "A snapshot that was stored there is gone, or its archive is"
        : `${count} snapshots that were stored there are gone, or their archives are`;
      const hint = `See which with keepsake verify --from ${destination}`;
      const subject = `store ${destination}/${id}` as const;
      seen.push({ subject, message, hint, isWorse: news > 0 });
    }
  }
  seen.push(...drills.flatMap((drill) => sightingOfDrill(drill) ?? []));
  for (const { id, destination, proven, since } of unproven) {
    const last = proven === undefined ? "never was" : `was last on ${dayOf(proven)}`;
    const message = `It is to be proven by a drill, and ${last}, stored since ${dayOf(since)}`;
    const hint = `Prove it with keepsake drill ${destination}`;
    seen.push({ subject: `proof ${destination}/${id}`, message, hint });
  }
  if (failure !== undefined) {
    seen.push({ subject: "catalog", message: failure.message, hint: failure.hint });
  }
  if (pause !== undefined) seen.push(sightingOfPause(pause, report.started));
  const left = new Map(stages.map(({ id, status }) => [id, status]));
  const made = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
  return {
    seen,
    isWell(subject) {
      const [kind, whose] = partsOf(subject);
      const [id = ""] = whose.split("/");
      // What is not in the file any more can have no trouble.
      if (whose !== "" && !left.has(id)) return true;
      if (kind === "snapshot" || kind === "loss") {
        return (made.get(id)?.contentHash ?? null) !== null;
      }
      if (kind === "stage") return left.get(id) !== "skipped"; // It did not come to act.
      if (kind === "proof") return failure === undefined;
      if (kind === "store") {
        const [, id = ""] = whose.split("/");
        const stored = made.get(id)?.destinations;
        const there = stored?.find((one) => `${one.id}/${id}` === whose);
        if (there !== undefined) return there.missing?.count === 0;
        // It goes there no more.
        return !left.has(id) || (stored !== undefined && !report.partial);
      }
      if (kind !== "drill") return true;
      return drills.some(({ destination, id, verdict }) =>
        verdict === "proven" && `${destination}/${id}` === whose
      );
    },
  };
}

/** What there is to say of a drill that failed; `undefined` of any other. */
export function sightingOfDrill(
  { id, destination, verdict, failure, flaws: [flaw] }: Drill,
): Sighting | undefined {
  if (verdict !== "failed") return undefined;
  const found = flaw === undefined ? "What came back is of no use" : `${flaw.path}: ${flaw.reason}`;
  const advice = failure?.hint === undefined ? "" : `${failure.hint}. `;
  return {
    subject: subjectOfDrill(destination, id),
    message: failure?.message ?? found,
    hint: `${advice}It is well again when this proves it: keepsake drill ${destination}`,
  };
}

/** What a drill of a snapshot id at a destination is called. */
export function subjectOfDrill(destination: string, id: string | null): Subject {
  return `drill ${destination}/${id}`;
}

/** The kind of a subject, and whose trouble it is. */
export function partsOf(subject: Subject): readonly [kind: string, whose: string] {
  const end = subject.indexOf(" ");
  return end < 0 ? [subject, ""] : [subject.slice(0, end), subject.slice(end + 1)];
}

/** Whether it is over because somebody said so, and not because it is well. */
export function isAccepted({ subject }: Told): boolean {
  return partsOf(subject)[0] === "accepted";
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}

/** What a run showed that ended with an error in the place of a report. */
export function observeError(error: unknown): Observation {
  return { seen: [{ subject: "run", ...sayingOf(toRecord(error)) }], isWell: isFile };
}

/** What a pipeline file showed that cannot be used. */
export function observeFile(error: unknown): Observation {
  return { seen: [{ subject: "file", ...sayingOf(toRecord(error)) }], isWell: () => false };
}

/** A file that led to a run is well. */
function isFile(subject: Subject): boolean {
  return subject === "file";
}

function sayingOf({ code, message, hint }: FailureRecord) {
  const [first = ""] = message.split("\n");
  return { message: code === "bug" ? `A bug in keepsake: ${first}` : first, hint };
}

/** Troubles after a run: what is seen again has the time when it was first seen. */
export function update(
  open: readonly Trouble[],
  { seen, isWell }: Observation,
  now: Date,
): Trouble[] {
  const isSeen = ({ subject }: Trouble) => seen.some((one) => one.subject === subject);
  const left = open.filter((trouble) =>
    !isSeen(trouble) && (trouble.passing || !isWell(trouble.subject))
  );
  return [
    ...left,
    ...seen.map(({ since = now, passing = false, isWorse = false, ...sighting }) => {
      const before = open.find(({ subject }) => subject === sighting.subject);
      return { ...sighting, passing, since: passing || isWorse ? since : before?.since ?? since };
    }),
  ].toSorted((a, b) => a.since.getTime() - b.since.getTime());
}

/** What somebody has to be told who was told this much; `undefined`: nothing new. */
export function newsFor(told: readonly Told[], open: readonly Trouble[]): News | undefined {
  const knows = (trouble: Trouble) =>
    told.some(({ subject, since }) =>
      // Of two pauses, each is news; so is what became worse.
      subject === trouble.subject && (trouble.passing
        ? since.getTime() === trouble.since.getTime()
        : since.getTime() >= trouble.since.getTime())
    );
  const raised = open.filter((trouble) => !knows(trouble));
  const over = told.filter(({ subject }) =>
    subject !== "pause" && open.every((trouble) => trouble.subject !== subject)
  );
  if (raised.length === 0 && over.length === 0) return undefined;
  return { raised, over, still: open.filter((trouble) => knows(trouble) && !trouble.passing) };
}

/** What there is to say of runs that were cut off. */
export function sightingOfCutOff({ count, since }: CutOff): Sighting {
  const message = count === 1
    ? "The last run was cut off: it began and told of no end"
    : `The last ${count} runs were cut off: they began and told of no end`;
  const hint = "Look in the system's log whether it was killed, ran out of memory or lost power";
  return { subject: "ending", message, hint, since };
}

/** A pause is worth a word from here on. */
const LONG_PAUSE = 7 * 86_400_000;

/** Times what is usual, it is no pause: some pipelines run once a month. */
const UNUSUAL = 3;

/**
 * When the last run began that ended, when since then much more time went by than between the runs
 * before it; `undefined`: no such pause.
 *
 * @param starts When the runs before this one began that ended, the newest first.
 */
export function pauseBefore(starts: readonly Date[], now: Date): Date | undefined {
  const [last] = starts;
  if (last === undefined) return undefined;
  const pause = now.getTime() - last.getTime();
  return pause >= Math.max(LONG_PAUSE, UNUSUAL * usualGap(starts)) ? last : undefined;
}

/**
 * Milliseconds that usually lie between two runs; 0 when nothing tells.
 *
 * @param starts When runs began, the newest first.
 */
export function usualGap(starts: readonly Date[]): number {
  const gaps = starts.slice(1)
    .map((start, index) => starts[index]!.getTime() - start.getTime())
    .filter((gap) => gap > 0)
    .toSorted((a, b) => a - b);
  return gaps[Math.floor(gaps.length / 2)] ?? 0;
}

/** What there is to say of a pause that `now` is the end of. */
export function sightingOfPause(since: Date, now: Date): Sighting {
  const days = Math.floor((now.getTime() - since.getTime()) / 86_400_000);
  return {
    subject: "pause",
    message: `No run came to an end for ${days} days, until now`,
    hint:
      "See that the machine is on, and that the schedule still stands, with keepsake schedule show",
    since,
    passing: true,
  };
}
