/**
 * The page above all digests: what there is, in numbers, and what is worth a look.
 *
 * @module
 */
import { add, type LogStats, sumStats } from "./conversation_model.ts";
import { sayTime } from "./conversation_view.ts";
import type { Meta } from "./digest_file.ts";
import type { ProjectState } from "./digest_state.ts";
import { codeSpan, plainLine, shorten } from "./markdown_text.ts";

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
  readonly secrets: number;
  /** Secrets by rule, log and line, never by value. */
  readonly redactions: readonly Redaction[];
  /** Input, output, written to the cache, read from it. */
  readonly tokens: readonly number[];
  /** What is not known, by shape. */
  readonly unknown: Readonly<Record<string, number>>;
}

/** Where secrets stand in a log. */
export interface Redaction {
  readonly rule: string;
  /** Path of the conversation's log, without the ending; a sub-agent's stands below it. */
  readonly session: string;
  readonly line: number;
  readonly count: number;
}

/** Adds projects up. Of those without a digest it counts what was not understood. */
export function sumUp(states: readonly ProjectState[], empty: readonly ProjectState[]): Totals {
  const metas = states.flatMap(metasOf);
  const sum = sumStats(metas.map(({ stats }) => stats));
  const hidden = sumStats(hiddenOf([...empty, ...states], metas).map(({ stats }) => stats));
  const redactions = states.flatMap(redactionsOf);
  return {
    projects: states.length,
    conversations: metas.length,
    agents: metas.reduce((total, { agents }) => total + agents, 0),
    ...countsOf(sum),
    lines: sum.lines + hidden.lines,
    broken: sum.broken + hidden.broken,
    secrets: redactions.reduce((total, { count }) => total + count, 0),
    redactions,
    tokens: sum.tokens,
    unknown: sumStats([sum, hidden]).unknown,
  };
}

/** The page as Markdown. The same projects give the same page. */
export function renderManifest(states: readonly ProjectState[], totals: Totals): string {
  const sorted = states.toSorted((a, b) => a.cwd < b.cwd ? -1 : 1);
  const [work, tokens]: [string[][], string[][]] = [[], []];
  for (const state of sorted) {
    const metas = metasOf(state);
    const sum = sumStats(metas.map(({ stats }) => stats));
    const last = Math.max(...metas.map((meta) => meta.last ?? 0));
    const agents = metas.reduce((total, meta) => total + meta.agents, 0);
    const link = `[${plainLine(state.slug)}](${encodeURI(`${state.slug}.md`)})`;
    const numbers = [metas.length, agents, sum.prompts, sum.answers, sum.calls];
    work.push([
      ...[link, codeSpan(shorten(state.cwd, 60)), last > 0 ? sayTime(last) : ""],
      ...numbers.map(say),
    ]);
    tokens.push([link, ...sum.tokens.map(say)]);
  }
  const { conversations, agents, prompts, answers, calls } = totals;
  const sums = [conversations, agents, prompts, answers, calls];
  work.push(["**All**", "", "", ...sums.map(say)]);
  tokens.push(["**All**", ...totals.tokens.map(say)]);
  const leftOut = sorted.flatMap(({ slug, leftOut }) =>
    leftOut.toReversed().map(({ title, last }) =>
      `- ${plainLine(slug)}: ${last === undefined ? "" : `${sayTime(last)} `}${
        plainLine(shorten(title, 80))
      }`
    )
  );
  const unknown = Object.entries(totals.unknown).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([shape, count]) => `- ${say(count)} × ${codeSpan(shape)}`);
  return [
    "# Digests",
    "Each line of a log counts once, also where a resumed or forked conversation repeats it. " +
    "Prompts are what you said, answers what Claude said, in main conversations and sub-agents.",
    table(WORK, 3, work),
    "## Tokens",
    table(TOKENS, 1, tokens),
    ...(leftOut.length === 0 ? [] : ["## Left out for their size", leftOut.join("\n")]),
    ...(totals.broken === 0 && unknown.length === 0 ? [] : [
      "## Not understood",
      `${say(totals.broken)} broken ${totals.broken === 1 ? "line" : "lines"}.`,
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
  return [...shown, ...leftOut];
}

/** Conversations that were read, and of which nothing is shown. */
function hiddenOf(states: readonly ProjectState[], shown: readonly Meta[]): readonly Meta[] {
  const known = new Set(shown.map(({ key }) => key));
  const metas = states.flatMap(({ conversations }) =>
    Object.values(conversations).map(({ meta }) => meta)
  );
  return metas.filter(({ key }) => !known.has(key) && known.add(key));
}

function countsOf({ prompts, answers, calls }: LogStats) {
  return { prompts, answers, calls };
}

/** From the logs where they are known; else from what the digest remembers of a conversation. */
function redactionsOf(state: ProjectState): Redaction[] {
  const redactions: Redaction[] = [];
  for (const { key, stats } of metasOf(state)) {
    const logs = state.conversations[key]?.logs;
    const sources = logs === undefined
      ? [[key, stats.secrets] as const]
      : Object.entries(logs).map(([path, log]) =>
        [path.replace(/\.jsonl$/, ""), log.stats.secrets] as const
      );
    for (const [session, secrets] of sources) {
      const counts: Record<string, number> = {};
      for (const [place, count] of Object.entries(secrets)) add(counts, place, count);
      for (const [place, count] of Object.entries(counts)) {
        const [rule = "", line = ""] = place.split(" ");
        redactions.push({ rule, session, line: Number(line), count });
      }
    }
  }
  return redactions;
}
