/**
 * Turns what was said and done in a conversation into Markdown that nothing in it can break out of.
 *
 * @module
 */
import { sayCount, sayUtc } from "../words.ts";
import { withInner } from "./inline_agents.ts";
import {
  codeBlock,
  codeSpan,
  neutralMarkdown,
  oneLine,
  plainLine,
  shorten,
} from "./markdown_text.ts";
import {
  type Call,
  type Entry,
  type InlineAgent,
  type LogStats,
  type Piece,
  type Result,
  SHOWN,
  type Tools,
} from "./model.ts";

/** A sub-agent, with what it said and did. */
export interface Agent {
  readonly id: string;
  /** Id of the call that it was started by. */
  readonly call: string | undefined;
  readonly type: Piece | undefined;
  readonly description: Piece | undefined;
  readonly entries: readonly Entry[];
  readonly stats: LogStats;
  /** What was made of it before, in place of its entries. */
  readonly kept?: string | undefined;
}

/** How entries are shown. */
export interface ViewOptions {
  readonly tools: Tools;
  readonly agents: readonly Agent[];
  /** Takes what was made of each sub-agent. */
  readonly made?: Map<Agent, string>;
}

/** What stands above a conversation. */
export interface Head {
  readonly title: string;
  readonly session: string;
  readonly branch: string;
  /** The conversation that it goes on from; empty where that is none. */
  readonly origin: string;
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly stats: LogStats;
  readonly agents: number;
}

/** What is Claude's own; what stands between is of the program, or comes of what the user did. */
const CLAUDES: ReadonlySet<Entry["kind"]> = new Set(["assistant", "thinking", "call", "result"]);

const NUMBERS = new Intl.NumberFormat("en");

const INPUT_LENGTH = 200;
const RESULT_LENGTH = SHOWN;
const RESULT_LINES = 6;

/** The entries as Markdown, with each sub-agent below the call that started it. */
export function renderEntries(entries: readonly Entry[], options: ViewOptions): string {
  return new View(options).render(entries, 0).join("\n\n");
}

/** Sub-agents that no call of theirs is known of. */
export function renderStrays(agents: readonly Agent[], options: ViewOptions): string {
  const view = new View(options);
  return agents.flatMap((agent) => view.agent(agent, 0)).join("\n\n");
}

/** What stands above a conversation: title, times and counts. */
export function renderHead(
  { title, session, branch, origin, first, last, stats, agents }: Head,
): string {
  const facts = [
    codeSpan(session),
    origin === "" ? "" : `goes on from ${codeSpan(origin)}`,
    first === undefined ? "" : `${sayUtc(first)} to ${sayUtc(last ?? first)} UTC`,
    branch === "" ? "" : `branch ${codeSpan(shorten(branch, 120))}`,
  ];
  const counts = [
    sayCount(stats.prompts, "prompt"),
    sayCount(stats.answers, "answer"),
    sayCount(stats.calls, "tool call"),
    agents === 0 ? "" : sayCount(agents, "sub-agent"),
    sayTokens(stats.tokens),
  ];
  const join = (parts: readonly string[]) => parts.filter((part) => part !== "").join(" · ");
  return `## ${plainLine(shorten(title, 120))}\n\n${join(facts)}  \n${join(counts)}`;
}

/** `1,234 tokens in, 56 out, 7 cached, 8 from cache` */
export function sayTokens(
  [input = 0, output = 0, written = 0, read = 0]: readonly number[],
): string {
  const say = (count: number) => NUMBERS.format(count);
  return `${say(input)} tokens in, ${say(output)} out, ${say(written)} to cache, ${
    say(read)
  } from cache`;
}

class View {
  readonly #tools: Tools;
  readonly #byCall = new Map<string, Agent[]>();
  readonly #byId = new Map<string, Agent>();
  readonly #shown = new Set<string>();
  readonly #made: Map<Agent, string> | undefined;

  constructor({ tools, agents, made }: ViewOptions) {
    this.#tools = tools;
    this.#made = made;
    for (const agent of agents) {
      this.#byId.set(agent.id, agent);
      if (agent.call === undefined) continue;
      this.#byCall.set(agent.call, [...this.#byCall.get(agent.call) ?? [], agent]);
    }
  }

  render(entries: readonly Entry[], depth: number): string[] {
    const blocks: string[] = [];
    let isClaude = false;
    for (const entry of entries) {
      const made = this.#entry(entry, depth);
      if (made.length === 0) continue;
      const isBy = CLAUDES.has(entry.kind) || entry.kind === "folded" && entry.isClaude === true;
      if (isBy && !isClaude && depth === 0) blocks.push(heading("Claude", entry.time));
      isClaude = isBy || isClaude && entry.kind !== "user" && entry.kind !== "steering";
      blocks.push(...made);
    }
    return blocks;
  }

  #entry(entry: Entry, depth: number): string[] {
    switch (entry.kind) {
      case "user":
      case "steering": {
        const who = entry.kind === "user" ? "You" : "You, while Claude worked";
        const head = depth === 0 ? heading(who, entry.time) : `**Prompt**`;
        return [head, neutralMarkdown(entry.piece.text), ...images(entry.images)].filter(isText);
      }
      case "assistant":
        return [neutralMarkdown(entry.piece.text)].filter(isText);
      case "thinking":
        return folded("Thinking", [neutralMarkdown(entry.piece.text)]);
      case "folded":
        return folded(entry.title.text, [neutralMarkdown(entry.piece.text)]);
      case "output":
        return entry.piece.text.trim() === "" ? [] : [codeBlock(this.#cut(entry.piece.text))];
      case "note": {
        const said = codeSpan(shorten(oneLine(entry.piece.text), RESULT_LENGTH));
        return [`*${entry.label}${said === "" ? "" : ":"}* ${said}`.trim()];
      }
      case "queued":
        return [`*Waited to be said:* ${codeSpan(shorten(entry.piece.text, RESULT_LENGTH))}`];
      case "result":
        return this.#tools === "none" ? [] : this.#late(entry);
      case "call":
        return this.#call(entry, depth);
      case "agent":
        return this.#inner(entry, depth + 1);
    }
  }

  #call(entry: Call, depth: number): string[] {
    const named = entry.agent === undefined ? undefined : this.#byId.get(entry.agent);
    const agents = [...new Set([...this.#byCall.get(entry.id) ?? [], ...(named ? [named] : [])])];
    const inner = this.#inner(entry, depth + 1);
    const below = [...inner, ...agents.flatMap((agent) => this.agent(agent, depth + 1))];
    if (this.#tools === "none") return below;
    const name = toolName(entry.name);
    const failed = failure(entry.result);
    const result = entry.result === undefined ? [] : this.#result(entry.result);
    if (this.#tools === "full") {
      const input = entry.input.text === "" ? [] : [codeBlock(entry.input.text, "json")];
      return [`${name}${failed}`, ...input, ...below, ...result];
    }
    const input = codeSpan(shorten(oneLine(entry.input.text), INPUT_LENGTH));
    return [`${name} ${input}${failed}`.trim(), ...below, ...result];
  }

  #late({ name, result }: Extract<Entry, { kind: "result" }>): string[] {
    const what = name === undefined ? "*A late answer*" : `*A late answer of* ${toolName(name)}`;
    return [`${what}${failure(result)}`, ...this.#result(result)];
  }

  #result({ piece, images: count }: Result): string[] {
    const text = this.#cut(piece.text);
    return [...(text.trim() === "" ? [] : [codeBlock(text)]), ...images(count)];
  }

  /** Sub-agents may start each other in a circle, in a log that is damaged. */
  agent(agent: Agent, depth: number): string[] {
    if (this.#shown.has(agent.id)) return [];
    this.#shown.add(agent.id);
    const blocks = agent.kept === undefined ? this.#fold(agent, depth) : [agent.kept];
    this.#made?.set(agent, blocks.join("\n\n"));
    return blocks;
  }

  /** A sub-agent whose lines stand in its conversation's log, where its call says what it is for. */
  #inner({ inner = [] }: Call | InlineAgent, depth: number): string[] {
    const all = withInner(inner);
    const count = (kind: Entry["kind"]) => all.filter((entry) => entry.kind === kind).length;
    const counts = `${sayCount(count("assistant"), "answer")}, ${
      sayCount(count("call"), "tool call")
    }`;
    return folded(`Sub-agent (${counts})`, this.render(inner, depth));
  }

  #fold(agent: Agent, depth: number): string[] {
    const said = [
      `Sub-agent${agent.type === undefined ? "" : ` ${oneLine(agent.type.text)}`}`,
      agent.description === undefined ? "" : oneLine(agent.description.text),
    ];
    const counts = `${sayCount(agent.stats.answers, "answer")}, ${
      sayCount(agent.stats.calls, "tool call")
    }`;
    const title = `${said.filter(isText).join(": ")} (${counts})`;
    return folded(title, this.render(agent.entries, depth + 1));
  }

  #cut(text: string): string {
    if (this.#tools === "full") return text;
    const whole = text.replace(/^\n+/, "");
    let end = -1;
    let lines = 0;
    do end = whole.indexOf("\n", end + 1); while (end >= 0 && ++lines < RESULT_LINES);
    const some = end < 0 ? whole : whole.slice(0, end);
    return some.length <= RESULT_LENGTH && end >= 0 ? `${some}\n…` : shorten(some, RESULT_LENGTH);
  }
}

function toolName({ text }: Piece): string {
  return `**${plainLine(shorten(text, 100))}**`;
}

function failure(result: Result | undefined): string {
  return result?.failed ? " (failed)" : "";
}

function heading(who: string, time: string): string {
  return `### ${who}${time === "" ? "" : ` · ${time.slice(0, 16).replace("T", " ")}`}`;
}

function images(count: number): string[] {
  return count === 0 ? [] : [count === 1 ? "*An image*" : `*${count} images*`];
}

/** The blank lines make what is within Markdown again. */
function folded(title: string, blocks: readonly string[]): string[] {
  const inner = blocks.filter(isText);
  if (inner.length === 0) return [];
  const summary = shorten(oneLine(title), INPUT_LENGTH)
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return [`<details><summary>${summary}</summary>`, ...inner, "</details>"];
}

function isText(text: string): boolean {
  return text !== "";
}
