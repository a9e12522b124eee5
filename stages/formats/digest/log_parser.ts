/**
 * What is said and done in a conversation log, line by line. Tolerant: the format is Claude Code's
 * own and changes every month, so that what is not known is counted, and nothing throws.
 *
 * It is long because it is the one place that knows the types of lines, blocks and attachments.
 *
 * @module
 */
import { InlineAgents, withInner } from "./inline_agents.ts";
import {
  FILES,
  HOOK_NOTES,
  SILENT_ATTACHMENTS,
  SILENT_LINES,
  SILENT_PARTS,
  SILENT_SYSTEM,
} from "./known_types.ts";
import { isText, type LogLine } from "./log_reader.ts";
import {
  add,
  type Call,
  type Entry,
  fingerprint,
  type LogStats,
  newStats,
  type Piece,
  type Result,
  type Tools,
  WINDOW,
} from "./model.ts";
import { briefInput, planOf } from "./tool_input.ts";

/** How a log's lines become entries. */
export interface ParserContext {
  readonly tools: Tools;
  /** Which log a line's uuid belongs to; taken by the first that has it. */
  readonly owners: Map<string, string>;
}

/** What a log says of itself. */
export interface Heading {
  branch?: Piece | undefined;
  /** The log whose lines it repeats, the newest where those of several are. */
  origin?: string;
  /** Times of its first and last line, in milliseconds since 1970. */
  first?: number | undefined;
  last?: number | undefined;
  /** `told`: the newest summary, in whatever log, that names a line of it. */
  titles: { custom?: Piece; made?: Piece; summary?: Piece; told?: Piece; prompt?: Piece };
}

type Value = Readonly<Record<string, unknown>>;

/** Calls without an answer that are remembered when they are settled. */
const WAITING_KEPT = 32;

/** Messages of which the use of tokens may still be told again. */
const MESSAGES_KEPT = 16;

/** Reads one log. What is `open` may still change: answers of tools belong to calls before them. */
export class LogParser {
  readonly heading: Heading;
  readonly stats: LogStats;
  readonly entries: Entry[] = [];
  /** Pieces of text that came since this was emptied. */
  fresh: Piece[] = [];
  /** Titles of other conversations, by the uuid of a line in them. */
  readonly summaries: [leaf: string, title: Piece][] = [];
  /** Uuids that this log is the first to have. */
  readonly uuids: string[] = [];
  /** The newest messages' use of tokens, which every line of a message repeats. */
  readonly usages: Map<string, readonly number[]>;
  readonly #log: string;
  readonly #isAgent: boolean;
  readonly #tools: Tools;
  readonly #owners: Map<string, string>;
  readonly #calls = new Map<string, Call>();
  readonly #agents = new InlineAgents();
  /** Where entries go: among the conversation's own, or those of a sub-agent in it. */
  #into: Entry[] = this.entries;
  /** What calls that are settled were of, by their id, where they have no answer. */
  readonly #settled: Map<string, Piece>;
  #line = 0;
  #time = "";

  constructor(log: string, { tools, owners }: ParserContext, before?: {
    readonly heading: Heading;
    readonly stats: LogStats;
    readonly entries: readonly Entry[];
    readonly usages: readonly [string, readonly number[]][];
    readonly waiting: readonly [string, Piece][];
    readonly time?: string;
  }) {
    this.#log = log;
    this.#isAgent = /(?:^|\/)agent-[^/]+$/.test(log);
    this.#tools = tools;
    this.#owners = owners;
    this.heading = structuredClone(before?.heading ?? { titles: {} });
    this.stats = structuredClone(before?.stats ?? newStats());
    this.stats.broken -= this.stats.unfinished;
    this.stats.lines -= this.stats.unfinished;
    this.stats.unfinished = 0;
    this.usages = new Map(before?.usages);
    this.#time = before?.time ?? "";
    for (const entry of structuredClone(before?.entries ?? []) as Entry[]) {
      this.entries.push(entry);
    }
    for (const entry of withInner(this.entries)) {
      if (entry.kind === "call" || entry.kind === "agent") this.#agents.adopt(entry.tip, entry);
      if (entry.kind !== "call" || entry.result !== undefined || entry.id === "") continue;
      this.#calls.set(entry.id, entry);
      if (entry.asked !== undefined) this.#agents.begin(entry);
    }
    this.#settled = new Map(before?.waiting.filter(([id]) => !this.#calls.has(id)));
  }

  /** The newest time, which is that of all lines up to the next that has one. */
  get time(): string {
    return this.#time;
  }

  /** The newest calls without an answer: their ids, and what they are of. */
  get waiting(): readonly [string, Piece][] {
    const open = [...this.#calls].map(([id, { name }]): [string, Piece] => [id, name]);
    return [...this.#settled, ...open].slice(-WAITING_KEPT);
  }

  /** Takes a line, which tells nothing when it cannot be read. */
  take({ number, value, isUnfinished, isOversized, hasHole }: LogLine): void {
    this.stats.lines++;
    this.#line = number;
    if (isUnfinished) this.stats.unfinished++;
    if (value === undefined) {
      if (isOversized) this.stats.oversized.push(number);
      else this.stats.broken++;
      return;
    }
    if (hasHole) this.stats.broken++;
    const { type, uuid } = value;
    if (type === "progress") return;
    if (typeof uuid === "string" && uuid !== "") {
      const owner = this.#owners.get(uuid);
      if (owner !== undefined) {
        this.stats.repeated++;
        if (owner !== this.#log) this.heading.origin = owner;
        return;
      }
      this.#owners.set(uuid, this.#log);
      this.uuids.push(uuid);
    }
    this.#note(value);
    this.#into = this.entries;
    // In a sub-agent's own log, all lines are such.
    if (value.isSidechain === true && !this.#isAgent) this.#into = this.#innerOf(value);
    if (type === "user") this.#user(value);
    else if (type === "assistant") this.#assistant(value);
    else if (type === "system") this.#system(value);
    else if (type === "attachment") this.#attachment(value);
    else if (type === "queue-operation") this.#queue(value);
    else if (type === "summary") this.#summary(value);
    else if (type === "custom-title") this.#title("custom", value.customTitle);
    else if (type === "ai-title") this.#title("made", value.aiTitle);
    else if (typeof type !== "string" || !SILENT_LINES.has(type)) {
      this.#unknown("line", type, value);
    }
  }

  /** Where the entries of a sub-agent go that stands in its conversation's log. */
  #innerOf(value: Value): Entry[] {
    let host = this.#agents.hostOf(value.parentUuid, textOf(field(value.message, "content")));
    if (host === undefined) {
      host = { kind: "agent", time: this.#time };
      this.entries.push(host);
    }
    this.#agents.adopt(value.uuid, host);
    return host.inner ??= [];
  }

  #note(value: Value): void {
    const { heading } = this;
    if (heading.branch === undefined && isText(value.gitBranch)) {
      heading.branch = this.#beginning(value.gitBranch);
    }
    const time = isText(value.timestamp) && TIME.test(value.timestamp)
      ? Date.parse(value.timestamp)
      : NaN;
    if (Number.isNaN(time) || time < 0) return;
    this.#time = value.timestamp as string;
    // Bookkeeping may be older or newer than what is said around it.
    if (value.uuid === undefined) return;
    heading.first = Math.min(heading.first ?? time, time);
    heading.last = Math.max(heading.last ?? time, time);
  }

  #user(value: Value): void {
    const content = this.#contentOf(value);
    if (value.isCompactSummary === true) {
      this.#fold("Summary of the conversation so far", textOf(content));
      for (const block of blocksOf(content)) {
        if (typeof block.text !== "string") this.#unknown("block", block.type, block);
      }
      return;
    }
    const texts: string[] = [];
    let images = 0;
    for (const block of blocksOf(content)) {
      // Each by itself: a tag that one of them mentions is not closed by another.
      if (block.type === "text" && typeof block.text === "string") texts.push(quiet(block.text));
      else if (block.type === "image") images++;
      else if (block.type === "tool_result") this.#result(block, value);
      else if (block.type === "document") texts.push("*(a document)*");
      else this.#unknown("block", block.type, block);
    }
    if (texts.length === 0 && images === 0) return;
    this.stats.images += images;
    const said = this.#takeOut(texts.join("\n\n"));
    if (value.isMeta === true) this.#fold("Handed to Claude", said);
    else if (INTERRUPTIONS.has(said) && images === 0) this.#remark("You interrupted", "");
    else if (said !== "" || images > 0) this.#say("user", said, images);
  }

  /** What was said, wherever it stands: some messages are no more than a text. */
  #contentOf(value: Value): unknown {
    const { type, message } = value;
    if (typeof message === "string") return message;
    const content = field(message, "content") ?? value.content;
    if (content !== undefined) return content;
    if (typeof message !== "object") this.#unknown("line", type, value);
    else this.#unknown("message", type, message as Value);
  }

  #say(kind: "user" | "steering", text: string, images: number): void {
    this.stats.prompts++;
    this.#unqueue(text);
    if (this.#into === this.entries) this.heading.titles.prompt ??= this.#beginning(text, true);
    this.#into.push({ kind, time: this.#time, piece: this.#piece(text), images });
  }

  /** What waited is said now. */
  #unqueue(text: string): void {
    const queued = this.entries.findLastIndex((entry) =>
      entry.kind === "queued" && entry.original === fingerprint(text)
    );
    if (queued >= 0) this.entries.splice(queued, 1);
  }

  /** Tells what tags say in words. Answers the text that is left. */
  #takeOut(text: string): string {
    if (!text.includes("<")) return text.trim();
    let hasCommand = false;
    const left = text.replace(COMMAND, (_, name: string, rest: string) => {
      const args = /<command-args>([^]*?)<\/command-args>/.exec(rest)?.[1] ?? "";
      const command = `${name.trim()} ${args.trim()}`.trim();
      hasCommand = true;
      this.#unqueue(command);
      this.#remark("Command", command);
      return "";
    });
    return left.replace(TAGS, (_, tag: string, attributes: string, inner: string) => {
      const said = inner.trim();
      if (said === "") return "";
      if (tag === "bash-input") {
        this.#unqueue(said);
        this.#remark("Ran", said);
      } else if (tag === "command-message" || tag === "command-args") {
        // Some versions put the message, which says nothing new, before the name.
        if (!hasCommand) this.#remark("Command", said);
      } else if (OUTPUTS.has(tag)) this.#output(said);
      else if (tag === "teammate-message") {
        const from = /teammate_id="([^"]*)"/.exec(attributes)?.[1] ?? "a teammate";
        this.#fold(`Message from ${from}`, said);
      } else if (tag === "user-memory-input") this.#remark("To remember", said);
      else this.#remark("From the editor", said);
      return "";
    }).trim();
  }

  #assistant(value: Value): void {
    const { message } = value;
    this.#usage(field(message, "id"), field(message, "usage"));
    const isClaude = field(message, "model") !== SYNTHETIC;
    for (const block of blocksOf(this.#contentOf(value))) {
      if (block.type === "text" && typeof block.text === "string") {
        if (isClaude) this.#answer(block.text);
        else this.#report(block.text, value.isApiErrorMessage === true);
      } else if (block.type === "thinking" && typeof block.thinking === "string") {
        if (block.thinking.trim() !== "") {
          const piece = this.#piece(block.thinking);
          this.#into.push({ kind: "thinking", time: this.#time, piece });
        }
      } else if (block.type === "tool_use" || block.type === "server_tool_use") this.#call(block);
      else if (block.type === "image") this.#image();
      else if (typeof block.type === "string" && block.type.endsWith("tool_result")) {
        this.#result(block, value);
      } else if (block.type !== "redacted_thinking") this.#unknown("block", block.type, block);
    }
  }

  #answer(text: string): void {
    if (text.trim() === "") return;
    this.stats.answers++;
    this.#into.push({ kind: "assistant", time: this.#time, piece: this.#piece(text) });
  }

  /** What Claude Code says in Claude's place. */
  #report(text: string, isError: boolean): void {
    const said = text.trim();
    if (said === "" || said === "No response requested.") return;
    if (isError) this.#remark("API error", said.replace(/^API Error:? */i, ""));
    else this.#remark("Claude Code", said);
  }

  #image(): void {
    this.stats.images++;
    this.#into.push({
      kind: "note",
      time: this.#time,
      label: "An image",
      piece: this.#piece(""),
    });
  }

  /** Lines of one message repeat its use of tokens; the last is right. */
  #usage(id: unknown, usage: unknown): void {
    if (typeof usage !== "object" || usage === null) return;
    const told = usage as Value;
    const counts = [
      countOf(told.input_tokens),
      countOf(told.output_tokens),
      countOf(told.cache_creation_input_tokens),
      countOf(told.cache_read_input_tokens),
    ];
    const { usages, stats: { tokens } } = this;
    const before = isText(id) ? usages.get(id) : undefined;
    for (let i = 0; i < counts.length; i++) tokens[i]! += counts[i]! - (before?.[i] ?? 0);
    if (!isText(id)) return;
    usages.delete(id); // It is the newest now.
    if (usages.size === MESSAGES_KEPT) usages.delete(usages.keys().next().value!);
    usages.set(id, counts);
  }

  #call(block: Value): void {
    this.stats.calls++;
    const name = isText(block.name) ? block.name : "a tool";
    const id = isText(block.id) ? block.id : "";
    const plan = planOf(name, block.input);
    if (plan !== "") this.#plan(plan);
    // It would be told once more.
    const isBrief = this.#tools === "none" || plan !== "" && this.#tools === "short";
    const entry: Call = {
      kind: "call",
      time: this.#time,
      id,
      name: this.#beginning(name),
      input: this.#ofTool(isBrief ? "" : briefInput(name, block.input, this.#tools)),
    };
    this.#into.push(entry);
    if (id === "") return;
    this.#calls.set(id, entry);
    const prompt = field(block.input, "prompt");
    if (this.#into !== this.entries || !STARTERS.has(name)) return;
    entry.asked = fingerprint(isText(prompt) ? prompt : "");
    this.#agents.begin(entry);
  }

  #plan(text: string): void {
    // Where all of the input is shown, its secrets are counted there.
    const piece = this.#keep({
      text,
      line: this.#line,
      ...(this.#tools === "full" && { again: true }),
    });
    const title = this.#beginning("Plan");
    this.#into.push({ kind: "folded", time: this.#time, title, piece, isClaude: true });
  }

  #result(block: Value, { toolUseResult }: Value): void {
    let images = 0;
    const texts: string[] = [];
    for (const part of blocksOf(block.content)) {
      if (part.type === "text" && typeof part.text === "string") {
        if (texts.length === 0 || !isAgentNote(part.text)) texts.push(part.text);
      } else if (part.type === "image") images++;
      else if (!SILENT_PARTS.has(part.type)) {
        this.#unknown("block", part.type, part);
      }
    }
    this.stats.images += images;
    const text = quiet(texts.join("\n"));
    const piece = this.#ofTool(this.#tools === "none" ? "" : text);
    const result: Result = { piece, failed: block.is_error === true, images };
    const id = isText(block.tool_use_id) ? block.tool_use_id : "";
    const call = this.#calls.get(id);
    const agent = field(toolUseResult, "agentId");
    if (call === undefined) {
      const name = this.#settled.get(id);
      this.#settled.delete(id);
      this.#into.push({ kind: "result", time: this.#time, ...(name && { name }), result });
    } else {
      call.result = result;
      if (isText(agent)) call.agent = agent;
      this.#calls.delete(id);
      this.#agents.end(call);
    }
  }

  #system(value: Value): void {
    const { subtype } = value;
    if (subtype === "compact_boundary" || subtype === "microcompact_boundary") {
      const trigger = field(value.compactMetadata, "trigger");
      const tokens = field(value.compactMetadata, "preTokens");
      const said = [
        isText(trigger) ? trigger : "",
        typeof tokens === "number" ? `${tokens.toLocaleString("en")} tokens before` : "",
      ];
      this.stats.compactions++;
      this.#remark("Compacted", said.filter((part) => part !== "").join(", "));
    } else if (subtype === "stop_hook_summary") {
      for (const error of Array.isArray(value.hookErrors) ? value.hookErrors : []) {
        this.#remark("A hook failed", textOf(error));
      }
    } else if (subtype === "api_error") {
      this.#remark("API error", nameOf(value.error) || nameOf(value.cause));
    } else if (subtype === "away_summary") this.#fold("While you were away", textOf(value.content));
    else if (isText(value.content)) {
      const said = this.#takeOut(quiet(value.content));
      if (said !== "") this.#remark("Claude Code", said);
    } else if (isText(subtype) && !SILENT_SYSTEM.has(subtype)) {
      this.#unknown("system", subtype, value);
    }
  }

  #attachment(value: Value): void {
    const attachment = field(value, "attachment");
    const type = field(attachment, "type");
    const get = (key: string) => field(attachment, key);
    if (type === "queued_command") {
      const prompt = get("prompt");
      const said = this.#takeOut(quiet(textOf(prompt)));
      const images = blocksOf(prompt).filter((block) => block.type === "image").length;
      this.stats.images += images;
      if (said !== "" || images > 0) this.#say("steering", said, images);
      else if (textOf(prompt) === "") this.#unknown("attachment", type, attachment as Value);
    } else if (type === "hook_blocking_error") {
      this.#remark("A hook stopped this", textOf(field(get("blockingError"), "blockingError")));
    } else if (isText(type) && HOOK_NOTES.has(type)) {
      const [label, key] = HOOK_NOTES.get(type)!;
      this.#remark(label, textOf(get(key)));
    } else if (type === "teammate_mailbox" && Array.isArray(get("messages"))) {
      for (const message of get("messages") as unknown[]) {
        const from = field(message, "from");
        this.#fold(`Message from ${isText(from) ? from : "a teammate"}`, textOf(message));
      }
    } else if (isText(type) && FILES.has(type)) {
      const path = get("displayPath") ?? get("filename") ?? get("path") ?? get("uri");
      this.#remark(FILES.get(type)!, isText(path) ? path : "");
    } else if (!isText(type) || !SILENT_ATTACHMENTS.has(type)) {
      this.#unknown("attachment", type, attachment as Value);
    }
  }

  #queue(value: Value): void {
    const said = quiet(textOf(value.content)).trim();
    if (value.operation === "enqueue" && said !== "") {
      const piece = this.#piece(said);
      this.#into.push({ kind: "queued", time: this.#time, piece, original: fingerprint(said) });
    }
  }

  #summary(value: Value): void {
    if (!isText(value.summary)) return;
    const title = this.#beginning(value.summary);
    if (isText(value.leafUuid)) this.summaries.push([value.leafUuid, title]);
    else this.heading.titles.summary = title;
  }

  #title(which: "custom" | "made", title: unknown): void {
    if (isText(title)) this.heading.titles[which] = this.#beginning(title);
  }

  #remark(label: string, text: string): void {
    const piece = this.#beginning(text);
    this.#into.push({ kind: "note", time: this.#time, label, piece });
  }

  #fold(label: string, text: string): void {
    if (text.trim() === "") return;
    const [title, piece] = [this.#beginning(label), this.#piece(text)];
    this.#into.push({ kind: "folded", time: this.#time, title, piece });
  }

  #output(text: string): void {
    const piece = this.#ofTool(text);
    this.#into.push({ kind: "output", time: this.#time, piece });
  }

  /** Counts what is not known by its shape: names of keys, never what they hold. */
  #unknown(what: string, type: unknown, value: Value): void {
    const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
    const named = keys.filter((key) => NAME.test(key)).sort().slice(0, 12);
    const more = keys.length > named.length ? ", …" : "";
    const name = typeof type === "string" && NAME.test(type) ? type : "(no name)";
    add(this.stats.unknown, `${what} ${name} {${named.join(", ")}${more}}`);
  }

  #piece(text: string): Piece {
    return this.#keep({ text, line: this.#line });
  }

  /** What a tool was asked or answered, or as much of it as is of use. */
  #ofTool(text: string): Piece {
    return this.#tools === "full" ? this.#piece(text) : this.#beginning(text);
  }

  /** As much of a text as is of use where it is not shown whole. */
  #beginning(text: string, again = false): Piece {
    const isCut = text.length > WINDOW;
    return this.#keep({
      text: beginningOf(text),
      line: this.#line,
      ...(again && { again }),
      ...(isCut && { isCut }),
    });
  }

  #keep(piece: Piece): Piece {
    if (piece.text !== "") this.fresh.push(piece);
    return piece;
  }
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/;

/** Names that a program gives; others may be somebody's data. */
const NAME = /^[A-Za-z_][A-Za-z_-]{0,39}$/;

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

/** What programs put into prompts for Claude alone stands between two of these. */
const NOISE = /<(\/?)(system-reminder|task-notification|local-command-caveat)>/g;
const CAVEAT = "Caveat: The messages below were generated by the user while running local commands";

/** A text without that. */
function quiet(text: string): string {
  const rest = text.startsWith(CAVEAT) ? text.slice((text.indexOf("\n") + 1) || text.length) : text;
  return rest.includes("<system-") || rest.includes("<task-") || rest.includes("<local-")
    ? withoutNoise(rest)
    : rest;
}

/** Of several tags that begin, the last one is closed: those before it are only spoken of. */
function withoutNoise(text: string): string {
  const begun = new Map<string, number>();
  const noise: { readonly start: number; readonly end: number }[] = [];
  for (const { 0: tag, 1: slash, 2: name, index } of text.matchAll(NOISE)) {
    if (slash === "") {
      begun.set(name!, index);
      continue;
    }
    const start = begun.get(name!);
    if (start === undefined) continue;
    while (noise.length > 0 && noise.at(-1)!.start > start) noise.pop();
    noise.push({ start, end: index + tag.length });
    for (const [inner, place] of begun) {
      if (place >= start) begun.delete(inner);
    }
  }
  let left = "";
  let at = 0;
  for (const { start, end } of noise) {
    left += text.slice(at, start);
    at = end;
  }
  return left + text.slice(at);
}

const COMMAND =
  /<command-name>([^]*?)<\/command-name>((?:\s*<(command-message|command-args|command-contents|skill-format)>[^]*?<\/\3>)*)/g;
const TAGS =
  /<(bash-input|bash-stdout|bash-stderr|local-command-stdout|local-command-stderr|teammate-message|user-memory-input|ide_opened_file|ide_selection|ide_diagnostics|command-message|command-args)((?:\s[^>]*)?)>([^]*?)<\/\1>/g;
/** What a sub-agent's answer ends with, for Claude alone: how to call it again, what it took. */
const AGENT_NOTE = /^agentId: [\w-]+ \([^()]*\)\s*(?:<usage>[^<]*<\/usage>)?\s*$/;

function isAgentNote(text: string): boolean {
  return text.length < 500 && AGENT_NOTE.test(text);
}

/** What stands in the user's place when Claude was stopped. */
const INTERRUPTIONS: ReadonlySet<string> = new Set([
  "[Request interrupted by user]",
  "[Request interrupted by user for tool use]",
]);
/** The model of what Claude Code says in Claude's place. */
const SYNTHETIC = "<synthetic>";
/** The tools that start sub-agents. */
const STARTERS: ReadonlySet<string> = new Set(["Task", "Agent"]);
const OUTPUTS = new Set([
  ...["bash-stdout", "bash-stderr", "local-command-stdout", "local-command-stderr"],
]);

/** As much of a text as is of use. A copy: a part of a text keeps all of it in memory. */
function beginningOf(text: string): string {
  return text.length > WINDOW ? ` ${text.slice(0, WINDOW)}`.slice(1) : text;
}

/** Of a value that was JSON: the keys that are asked for are none that every object has. */
function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Value)[key] : undefined;
}

/** Content is a list of blocks, or one alone; a text is as good as a block of it. */
function blocksOf(content: unknown): readonly Value[] {
  if (content === undefined || content === null) return [];
  return Array.isArray(content) ? content.map(blockOf) : [blockOf(content)];
}

function blockOf(value: unknown): Value {
  if (typeof value === "string") return { type: "text", text: value };
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Value : {};
}

/** What an error is called, however deep in it that stands. */
function nameOf(error: unknown, depth = 4): string {
  const inner = field(error, "error");
  const deeper = depth > 0 && inner !== undefined ? nameOf(inner, depth - 1) : "";
  const names = [deeper, field(error, "type"), field(error, "code"), field(error, "message")];
  return names.filter(isText).find((name) => name !== "error") ?? "";
}

function textOf(content: unknown): string {
  return blocksOf(content).map(({ text }) => isText(text) ? text : "").filter(isText).join("\n\n");
}
