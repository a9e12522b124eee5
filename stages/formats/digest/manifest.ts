/**
 * The page above all digests: what there is, in numbers, and what is worth a look.
 *
 * @module
 */
import { sayUtc } from "../words.ts";
import { counted, type Meta } from "./file.ts";
import { codeSpan, plainLine, shorten } from "./markdown_text.ts";
import { add, type LogStats, sumStats } from "./model.ts";
import type { ProjectState } from "./state.ts";

/** All that was counted, over all projects. */
export interface Totals {
  readonly projects: number;
  readonly conversations: number;
  readonly agents: number;
  readonly lines: number;
  readonly prompts: number;
  readonly answers: number;
  readonly calls: number;
  readonly broken: number;
  /** Lines that were too long to be read. */
  readonly oversized: readonly Place[];
  readonly secrets: number;
  /** Secrets by rule, log and line, never by value. */
  readonly redactions: readonly Redaction[];
  /** Input, output, written to the cache, read from it. */
  readonly tokens: readonly number[];
  /** What is not known, by shape. */
  readonly unknown: Readonly<Record<string, number>>;
}

/** A line of a log. */
export interface Place {
  /** Path of the conversation's log, without the ending; a sub-agent's stands below it. */
  readonly session: string;
  readonly line: number;
}

/** Where secrets stand in a log. */
export interface Redaction extends Place {
  readonly rule: string;
  readonly count: number;
}

/** Adds projects up, in their order. Of those without a digest it counts what was not understood. */
export function sumUp(states: readonly ProjectState[], empty: readonly ProjectState[]): Totals {
  const metas = states.flatMap(metasOf);
  const sum = sumStats(metas.map(({ stats }) => stats));
  const others = [...empty, ...states].flatMap(hiddenOf(metas));
  const hidden = sumStats(others.map(({ meta }) => meta.stats));
  const redactions = states.flatMap(shownOf).flatMap(redactionsOf);
  return {
    projects: states.length,
    conversations: metas.length,
    agents: metas.reduce((total, { agents }) => total + agents, 0),
    ...countsOf(sum),
    lines: sum.lines + hidden.lines,
    broken: sum.broken + hidden.broken,
    oversized: [...states.flatMap(shownOf), ...others].flatMap(oversizedOf),
    secrets: redactions.reduce((total, { count }) => total + count, 0),
    redactions,
    tokens: sum.tokens,
    unknown: sumStats([sum, hidden]).unknown,
  };
}

/** The page as Markdown. The same projects, in the same order, give the same page. */
export function renderManifest(states: readonly ProjectState[], totals: Totals): string {
  const [work, tokens]: [string[][], string[][]] = [[], []];
  for (const state of states) {
    const metas = metasOf(state);
    const sum = sumStats(metas.map(({ stats }) => stats));
    const last = Math.max(...metas.map((meta) => meta.last ?? 0));
    const agents = metas.reduce((total, meta) => total + meta.agents, 0);
    const link = `[${plainLine(state.slug)}](${encodeURI(`${state.slug}.md`)})`;
    const numbers = [metas.length, agents, sum.prompts, sum.answers, sum.calls];
    work.push([
      ...[link, codeSpan(shorten(state.cwd, 60)), last > 0 ? sayUtc(last) : ""],
      ...numbers.map(say),
    ]);
    tokens.push([link, ...sum.tokens.map(say)]);
  }
  const { conversations, agents, prompts, answers, calls } = totals;
  const sums = [conversations, agents, prompts, answers, calls];
  work.push(["**All**", "", "", ...sums.map(say)]);
  tokens.push(["**All**", ...totals.tokens.map(say)]);
  const leftOut = states.flatMap(({ slug, leftOut }) =>
    leftOut.toReversed().map(({ title, last }) =>
      `- ${plainLine(slug)}: ${last === undefined ? "" : `${sayUtc(last)} `}${
        plainLine(shorten(title, 80))
      }`
    )
  );
  const unknown = Object.entries(totals.unknown).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([shape, count]) => `- ${say(count)} × ${codeSpan(shape)}`);
  const oversized = totals.oversized.map(({ session, line }) =>
    `- ${codeSpan(session)}, line ${line}`
  );
  return [
    "# Digests",
    "Each line of a log counts once, also where a resumed or forked conversation repeats it. " +
    "Prompts are what you told Claude, and what it told its sub-agents; answers are what it said, " +
    "also as a sub-agent.",
    table(WORK, 3, work),
    "## Tokens",
    table(TOKENS, 1, tokens),
    ...(leftOut.length === 0 ? [] : ["## Left out for their size", leftOut.join("\n")]),
    ...(totals.broken + totals.oversized.length + unknown.length === 0 ? [] : [
      "## Not understood",
      `${say(totals.broken)} broken ${totals.broken === 1 ? "line" : "lines"}.`,
      ...(totals.oversized.length === 0 ? [] : ["Too long to be read:", oversized.join("\n")]),
      ...(unknown.length === 0 ? [] : [unknown.join("\n")]),
    ]),
    ...(totals.redactions.length === 0 ? [] : [
      "## Secrets that were redacted",
      "Rotate those that are still valid: they stand in the logs.",
      table(
        ["Rule", "Conversation", "Line", "Times"],
        2,
        totals.redactions.map((
          { rule, session, line, count },
        ) => [plainLine(rule), codeSpan(session), String(line), String(count)]),
      ),
    ]),
  ].join("\n\n") + "\n";
}

/** Side by side they would be wider than a forge's page. */
const WORK = [
  ...["Digest", "Project", "Last", "Conversations", "Sub-agents", "Prompts", "Answers"],
  "Tool calls",
];
const TOKENS = ["Digest", "In", "Out", "To cache", "From cache"];

/** A table of which all columns after the first so many are numbers. */
function table(heads: readonly string[], texts: number, rows: readonly (readonly string[])[]) {
  const aligned = heads.map((_, column) => column < texts ? "---" : "---:");
  return [heads, aligned, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function say(count: number): string {
  return count.toLocaleString("en");
}

function metasOf({ shown, leftOut }: ProjectState): readonly Meta[] {
  return counted([...shown, ...leftOut]);
}

/** A conversation, and the project whose state knows its logs. */
interface Known {
  readonly state: ProjectState;
  readonly meta: Meta;
}

function shownOf(state: ProjectState): Known[] {
  return metasOf(state).map((meta) => ({ state, meta }));
}

/** Finds the conversations that were read, and of which nothing is shown: each once. */
function hiddenOf(shown: readonly Meta[]): (state: ProjectState) => Known[] {
  const known = new Set(shown.map(({ key }) => key));
  return (state) =>
    Object.values(state.conversations)
      .filter(({ meta: { key } }) => !known.has(key) && known.add(key))
      .map(({ meta }) => ({ state, meta }));
}

function countsOf({ prompts, answers, calls }: LogStats) {
  return { prompts, answers, calls };
}

function redactionsOf(known: Known): Redaction[] {
  return logsOf(known).flatMap(([session, { secrets }]) => {
    const counts: Record<string, number> = {};
    for (const [place, count] of Object.entries(secrets)) add(counts, place, count);
    return Object.entries(counts).map(([place, count]) => {
      const [rule = "", line = ""] = place.split(" ");
      return { rule, session, line: Number(line), count };
    });
  });
}

function oversizedOf(known: Known): Place[] {
  return logsOf(known).flatMap(([session, { oversized = [] }]) =>
    oversized.map((line) => ({ session, line }))
  );
}

/** The logs where they are known; else what the digest remembers of a conversation. */
function logsOf({ state, meta: { key, stats } }: Known): (readonly [string, LogStats])[] {
  const logs = state.conversations[key]?.logs;
  return logs === undefined
    ? [[key, stats]]
    : Object.entries(logs).map(([path, log]) => [path.replace(/\.jsonl$/, ""), log.stats]);
}
