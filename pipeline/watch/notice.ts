/**
 * News → what a person reads: a title, and a few lines. Pure.
 *
 * @module
 */
import { escapeLine } from "../../stages/formats/control_characters.ts";
import { sayUtc } from "../../stages/formats/words.ts";
import {
  isAccepted,
  type News,
  partsOf,
  type Subject,
  type Told,
  type Trouble,
} from "./troubles.ts";

/** Whose news it is. */
export interface About {
  /** The pipeline's name. */
  readonly pipeline: string;
  readonly host: string;
  readonly now: Date;
}

/** One alert, for the whole of a run. */
export interface Notice extends About, News {
  /** `failure` when something began to fail, else `recovery`. */
  readonly event: "failure" | "recovery";
  readonly title: string;
  /** Lines, without the title. */
  readonly text: string;
}

/** Puts news into words. */
export function noticeOf(news: News, about: About): Notice {
  const { raised, over, still } = news;
  const { pipeline, host } = about;
  const event = raised.length > 0 ? "failure" : "recovery";
  const [first, ...others] = raised.map((trouble) => `${sayTrouble(trouble)}${saySince(trouble)}`);
  const lines = [
    ...(first === undefined ? [] : [first]),
    // Early: a service may cut the end off.
    ...hintsOf(raised).map((hint) => `What to do: ${hint}`),
    ...shorten(others),
    ...shorten(over.filter((told) => !isAccepted(told)).map(sayOne)),
    ...shorten(over.filter(isAccepted).map(sayOne)),
    ...shorten(
      still.map((trouble) => `Still failing: ${sayPlace(trouble.subject)}${saySince(trouble)}`),
    ),
  ];
  const title = `Keepsake: backup "${pipeline}" on ${host}: ${sayAll(news)}`;
  // A file's name may hold a line that looks like one of ours.
  const text = lines.map(escapeLine).join("\n");
  return { ...about, ...news, event, title: escapeLine(title), text };
}

/** More of one kind than a person reads on a phone. */
const MOST_LINES = 6;

function shorten(lines: readonly string[]): string[] {
  const rest = lines.length - MOST_LINES;
  return [...lines.slice(0, MOST_LINES), ...(rest > 0 ? [`… and ${rest} more`] : [])];
}

/** What to do about what failed first, and how to get back what may be lost; each once. */
function hintsOf(raised: readonly Trouble[]): string[] {
  const hinted = raised.filter(({ hint }) => hint !== undefined);
  const loss = hinted.find(({ subject }) => partsOf(subject)[0] === "loss");
  const chosen = [hinted[0], loss].flatMap((trouble) => trouble?.hint ?? []);
  return [...new Set(chosen)];
}

function sayAll({ raised, over }: News): string {
  if (raised.length === 0) return sayOver(over);
  const failed = raised.filter(({ passing }) => !passing);
  return failed.length === 0 ? "there was a long pause" : `${sayCount(failed)} failed`;
}

function sayOver(over: readonly Told[]): string {
  const accepted = over.filter(isAccepted);
  const well = over.filter((told) => !isAccepted(told));
  const parts = well.length === 0
    ? []
    : [`${sayCount(well)} ${well.length === 1 ? "is" : "are"} well again`];
  if (accepted.length === 1) parts.push(`${sayCount(accepted)} was accepted as gone`);
  if (accepted.length > 1) parts.push(`${accepted.length} losses were accepted`);
  return parts.join(", and ");
}

function sayCount(all: readonly Told[]): string {
  return all.length === 1 ? sayPlace(all[0]!.subject) : `${all.length} things`;
}

function sayOne(told: Told): string {
  const end = isAccepted(told) ? "Accepted as gone" : "Well again";
  return `${end}: ${sayPlace(told.subject)}${saySince(told)}`;
}

function sayTrouble({ subject, message, passing }: Trouble): string {
  return passing ? message : `${sayPlace(subject)}: ${message}`;
}

/** Where it is, as a person would say it. */
export function sayPlace(subject: Subject): string {
  switch (subject) {
    case "run":
      return "the run";
    case "ending":
      return "the end of the run";
    case "file":
      return "the pipeline file";
    case "catalog":
      return "the catalog";
    case "pause":
      return "the schedule";
  }
  const [kind, whose] = partsOf(subject);
  const [destination, id] = whose.split("/");
  switch (kind) {
    case "snapshot":
      return `${whose} (incomplete)`;
    case "loss":
      return `${whose} (perhaps lost)`;
    case "drill":
      return `the drill of ${id} at ${destination}`;
    case "proof":
      return `the proof of ${id} at ${destination}`;
    case "store":
      return `the snapshots of ${id} at ${destination}`;
  }
  return whose;
}

function saySince({ since }: Told): string {
  return ` (since ${sayMoment(since)})`;
}

/** In UTC: whoever reads it may be elsewhere. */
function sayMoment(time: Date): string {
  return `${sayUtc(time.getTime())} UTC`;
}
