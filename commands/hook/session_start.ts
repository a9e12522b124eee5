/**
 * What a session is told when it begins: facts, in few words, or nothing.
 *
 * Imports next to nothing: a session waits for it.
 *
 * @module
 */
import type { HookFacts } from "../../pipeline/hook_facts.ts";
import { CONTROLS_REGEXP, sayCount, sayUtc } from "../../pipeline/words.ts";

/** Digests that are new in one directory. */
export interface PendingDigests {
  readonly directory: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

/** What there is to say. */
export interface Circumstances {
  /** What the last run left; `undefined`: nothing. */
  readonly facts: HookFacts | undefined;
  /** Whether that is so because it may not be read. */
  readonly closed?: boolean;
  /** What was known to be lost or damaged when somebody last looked: one sentence each. */
  readonly doubts?: readonly string[];
  readonly pending: readonly PendingDigests[];
  readonly now: number;
  /** Milliseconds after which the last good backup is stale. */
  readonly maxAge: number;
}

/** What is said: to the model all of it, to the person what is wrong. */
export interface Said {
  readonly context: readonly string[];
  readonly warnings: readonly string[];
}

const CLOSED =
  "Keepsake cannot tell how the backup is: what its runs left may not be read by this user";

/** So long before a conversation goes it is time to say so. */
const NOTICE_MS = 48 * 3_600_000;

/** What is named one by one, before the rest is counted. */
const NAMED = 20;

/** Says what is new and what is wrong. */
export function sayFacts(circumstances: Circumstances): Said {
  const { facts, closed, doubts = [], pending, now, maxAge } = circumstances;
  const others = [...sayDoubts(doubts, facts), ...sayEndangered(facts, now)];
  const warningsWith = (say: (failure: string) => string) => [
    ...(closed ? [CLOSED] : sayBackup(facts, now, maxAge, say)),
    ...others,
  ];
  const context = [...pending.flatMap(sayPending), ...warningsWith(withoutQuotes)];
  return { context, warnings: warningsWith(printable) };
}

/**
 * The answer in Claude Code's form; empty when there is nothing to say.
 *
 * @param most Characters that an answer may have: Claude Code takes no more.
 */
export function renderAnswer({ context, warnings }: Said, most = 10_000): string {
  if (context.length === 0) return "";
  const answer = (context: readonly string[], warnings: readonly string[]) =>
    JSON.stringify({
      hookSpecificOutput: {
        hookEventName: "SessionStart",
        additionalContext: context.join("\n"),
      },
      ...(warnings.length > 0 && { systemMessage: warnings.join("\n") }),
    });
  // Escaping makes text longer than it looks: what is said twice, and long, is cut until it fits.
  for (let room = most; room > 100; room = Math.floor(room * 0.7)) {
    const text = answer(cut(context, room), cut(warnings, room / 4));
    if (text.length <= most) return text;
  }
  return "";
}

function cut(lines: readonly string[], room: number): string[] {
  const kept: string[] = [];
  let left = room;
  for (const line of lines) {
    if (line.length > left) return [...kept, `${line.slice(0, Math.max(left - 2, 0))} …`];
    kept.push(line);
    left -= line.length + 1;
  }
  return kept;
}

function sayPending({ directory, files }: PendingDigests): string[] {
  if (files.length === 0) return [];
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const names = files.slice(0, NAMED).map(({ name, bytes }) =>
    `${printable(name)} (${sayBytes(bytes)})`
  );
  const more = files.length - names.length;
  return [
    `Keepsake wrote ${sayCount(files.length, "digest")} of conversations, ${
      sayBytes(total)
    } in all, ` +
    `that no session was told of yet, in ${printable(directory)}: ${names.join(", ")}${
      more > 0 ? ` and ${more} more` : ""
    }`,
  ];
}

function sayBackup(
  facts: HookFacts | undefined,
  now: number,
  maxAge: number,
  say: (failure: string) => string,
): string[] {
  if (facts === undefined) return ["Keepsake has made no backup here yet, as far as is known"];
  const { pipeline, finished, status, failures, succeeded } = facts;
  const name = `backup "${printable(pipeline)}"`;
  const lines: string[] = [];
  if (status !== 0) {
    const why = failures.slice(0, 5).map((failure) => `; ${say(failure)}`).join("");
    lines.push(
      `The last run of ${name} ended with status ${status}, ${sayAge(now - finished)}${why}`,
    );
  }
  if (succeeded === null) lines.push(`No run of ${name} has ended well yet, as far as is known`);
  // What lies ahead of the clock says nothing.
  else if (now - succeeded > maxAge || succeeded > now + NOTICE_MS) {
    lines.push(`The last run of ${name} that ended well was ${sayAge(now - succeeded)}`);
  }
  return lines;
}

function sayDoubts(doubts: readonly string[], facts: HookFacts | undefined): string[] {
  if (doubts.length === 0) return [];
  const named = doubts.slice(0, NAMED).map((doubt) => `\n  ${printable(doubt)}`).join("");
  const more = doubts.length - NAMED;
  const where = facts === undefined ? "" : ` in backup "${printable(facts.pipeline)}"`;
  const title = `Keepsake knows of loss or damage${where}, as of the last look:`;
  return [title + named + (more > 0 ? `\n  and ${more} more` : "")];
}

function sayEndangered(facts: HookFacts | undefined, now: number): string[] {
  const soon = (facts?.endangered ?? []).filter(({ goes }) => goes <= now + NOTICE_MS);
  if (soon.length === 0) return [];
  const one = soon.length === 1;
  const names = soon.slice(0, NAMED).map(({ path, goes }) =>
    `\n  ${printable(path)} (${goes <= now ? "any time" : `from ${sayUtc(goes)} UTC on`})`
  );
  const more = soon.length - names.length;
  const title = `${sayCount(soon.length, "session")} ${one ? "goes" : "go"} within 48 h and ${
    one ? "is" : "are"
  } in no destination, as of the last run${sayPreserved(soon)}:`;
  return [title + names.join("") + (more > 0 ? `\n  and ${more} more` : "")];
}

function sayPreserved(soon: HookFacts["endangered"]): string {
  const kept = soon.filter(({ preserved }) => preserved).length;
  if (kept === 0) return "";
  const which = kept < soon.length ? `${kept} of them` : soon.length === 1 ? "it" : `all ${kept}`;
  return `; ${which} ${kept === 1 ? "is" : "are"} preserved on this machine`;
}

function sayBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function sayAge(milliseconds: number): string {
  if (milliseconds < 0) return "at a time that lies ahead of the clock";
  const hours = Math.floor(milliseconds / 3_600_000);
  if (hours < 1) return "less than an hour ago";
  return hours < 48 ? `${sayCount(hours, "hour")} ago` : `${Math.floor(hours / 24)} days ago`;
}

/**
 * A failure without what stands in quotes, which others wrote: a server that keeps the backups is not
 * to speak to the model.
 */
function withoutQuotes(failure: string): string {
  return printable(failure.replace(/".*"/s, "…"));
}

/** Names of files can hold anything: here they stay on one line. */
function printable(text: string): string {
  return text.replaceAll(CONTROLS_REGEXP, "�");
}
