/**
 * Reads the logs of one conversation, only what is new in them where that will do, and makes its part
 * of a digest.
 *
 * @module
 */
import { basename, join } from "node:path";
import type { Remark } from "../../contract.ts";
import { systemFault } from "../../errors.ts";
import type { ContentHash, Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import type { Secret, SecretScanner } from "../secrets/scanner.ts";
import { readWhole } from "../small_file.ts";
import { ReadFault, SourceFile } from "../source_file.ts";
import { type Agent, renderEntries, renderHead, renderStrays } from "./conversation_view.ts";
import { type Fragment, textOf } from "./file.ts";
import { withInner } from "./inline_agents.ts";
import { safeName } from "./log_names.ts";
import { type Heading, LogParser } from "./log_parser.ts";
import { LogReader } from "./log_reader.ts";
import type { Conversation, Log } from "./log_tree.ts";
import { cleanText, oneLine, shorten } from "./markdown_text.ts";
import {
  add,
  type Entry,
  type LogStats,
  newStats,
  type Piece,
  SHOWN,
  sumStats,
  type Tools,
  WINDOW,
} from "./model.ts";
import type { ConversationState, LogState, Mark, Place } from "./state.ts";

/** What reading takes. */
export interface ReaderContext {
  readonly from: string;
  readonly tools: Tools;
  /** Which log a line's uuid belongs to. */
  readonly owners: Map<string, string>;
  /** Loaded; `undefined`: secrets stay. */
  readonly scanner: SecretScanner | undefined;
  readonly hashing: Hashing;
  readonly pace: Pace;
  readonly unreadable: Remark[];
  /** Takes what each log held. */
  readonly marks: Map<string, Mark>;
}

/** A conversation that was read. Plain data. */
export interface Reading {
  readonly key: string;
  /** Of the conversation itself, where that is there, and of its sub-agents. */
  readonly logs: readonly KnownLog[];
  readonly agents: number;
  /** Its Markdown, in UTF-8. */
  readonly body: Uint8Array;
  /** Letters of it that stay as they are. */
  readonly settled: number;
  readonly places: Readonly<Record<string, Place>>;
  /** From the newest prompt on, or that of what waits before it for an answer or to be said. */
  readonly open: readonly Entry[];
  /** Whether something that the digest holds may not be in the logs any more. */
  readonly replaces: boolean;
}

/** What one log comes to. */
interface KnownLog {
  readonly path: string;
  readonly state: Omit<LogState, "open">;
  readonly summaries: LogParser["summaries"];
}

interface ReadLog {
  readonly log: Pick<Log, "path">;
  readonly state: Omit<LogState, "open">;
  /** What is to be shown: all of it, or what is not settled. */
  readonly entries: readonly Entry[];
  readonly summaries: LogParser["summaries"];
  readonly about: About;
  /** Of one that was not read again: its text, unless that stands in what stays as it is. */
  readonly kept?: Kept;
}

type Kept = { readonly text: string } | "stands";

/** A conversation that was read as if there were no other. Plain data. */
export interface Apart {
  readonly reading: Reading | undefined;
  readonly marks: readonly (readonly [path: string, mark: Mark])[];
  readonly unreadable: readonly Remark[];
}

/** Reads a conversation of which nothing is known, wherever that is done. */
export async function readApart(
  conversation: Conversation,
  context: Omit<ReaderContext, "owners" | "unreadable" | "marks">,
): Promise<Apart> {
  const marks = new Map<string, Mark>();
  const unreadable: Remark[] = [];
  const own = { owners: new Map<string, string>(), unreadable, marks };
  const reading = await new ConversationReader({ ...context, ...own }).read(conversation);
  return { reading, marks: [...marks], unreadable };
}

/** Notes whose the lines are that were read of logs before. */
export function takeOwners(
  logs: Readonly<Record<string, Pick<LogState, "uuids">>>,
  owners: Map<string, string>,
): void {
  for (const [path, state] of Object.entries(logs)) {
    for (const uuid of uuidsOf(state)) owners.set(uuid, path);
  }
}

/** What stands next to the log of a sub-agent. */
interface About {
  readonly call?: string;
  readonly type?: Piece;
  readonly description?: Piece;
}

/** Reads and renders conversations. */
export class ConversationReader {
  readonly #context: ReaderContext;

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  /**
   * Reads what is new, or all; `undefined` when none of it can be read, or what is left of it is
   * as it was.
   *
   * @param held What was known of it when it was read last, also where that is of no more use than
   * to see what is missing.
   */
  async read(
    conversation: Conversation,
    known?: ConversationState,
    before?: Fragment,
    held: ConversationState | undefined = known,
  ): Promise<Reading | undefined> {
    const onward = known !== undefined && before !== undefined
      ? await this.#readOn(conversation, known, before)
      : undefined;
    if (onward !== undefined) return onward;
    if (conversation.main === undefined && before !== undefined && held !== undefined) {
      const rest = await this.#readRest(conversation, held, before);
      if (rest !== undefined) return rest === "same" ? undefined : rest;
    }
    this.#disown(held?.logs);
    const { main, agents } = conversation;
    const mainRead = main && await this.#readLog(main);
    const agentsRead: ReadLog[] = [];
    for (const agent of agents) {
      const read = await this.#readLog(agent);
      if (read !== undefined) agentsRead.push(read);
    }
    const readings = [...(mainRead ? [mainRead] : []), ...agentsRead];
    if (readings.length === 0) return undefined;
    const logs = readings.map(({ log: { path }, state }) => ({ path, state }));
    const replaces = before !== undefined && this.#lacks(logs, agentsRead.length, held, before);
    return this.#draw(conversation, mainRead, agentsRead, "", replaces);
  }

  /**
   * Takes over what was read apart; `undefined` when a line of it was said elsewhere before, or its
   * own log is gone, so that it must be read with that in mind.
   */
  adopt(
    { reading, marks, unreadable }: Apart,
    before: Fragment | undefined,
    held: ConversationState | undefined,
  ): Reading | undefined {
    const { owners } = this.#context;
    const hasOwn = ({ path }: Pick<KnownLog, "path">) => path === ownPath(reading!);
    if (reading && held?.logs[ownPath(reading)] && !reading.logs.some(hasOwn)) return undefined;
    this.#disown(held?.logs);
    const logs = (reading?.logs ?? []).map(({ path, state }) => ({ path, uuids: uuidsOf(state) }));
    if (logs.some(({ uuids }) => uuids.some((uuid) => owners.has(uuid)))) return undefined;
    for (const { path, uuids } of logs) {
      for (const uuid of uuids) owners.set(uuid, path);
    }
    for (const [path, mark] of marks) this.#context.marks.set(path, mark);
    this.#context.unreadable.push(...unreadable);
    if (reading === undefined || before === undefined) return reading;
    return { ...reading, replaces: this.#lacks(reading.logs, reading.agents, held, before) };
  }

  /** Goes on where the last run stopped, if all that it read is still there. */
  async #readOn(
    { key, main, agents }: Conversation,
    known: ConversationState,
    before: Fragment,
  ): Promise<Reading | undefined> {
    const state = main && known.logs[main.path];
    if (main === undefined || state === undefined) return undefined;
    if (known.places === undefined) return undefined;
    const mainRead = await this.#readLog(main, state);
    if (mainRead === undefined) return undefined;
    const text = textOf([before.body]);
    const agentsRead: ReadLog[] = [];
    if (!await this.#readOpenAgents(agents, known, text, mainRead, agentsRead)) {
      for (const { log: { path }, state } of [mainRead, ...agentsRead]) {
        this.#disown({ [path]: state });
        this.#context.marks.delete(path);
      }
      return undefined;
    }
    agentsRead.sort((a, b) => a.log.path < b.log.path ? -1 : 1);
    return this.#draw({ key }, mainRead, agentsRead, text.slice(0, known.settled), false);
  }

  /** Adds what is new of the sub-agents of a conversation whose own log is gone, at its end. */
  async #readRest(
    conversation: Conversation,
    { logs }: ConversationState,
    { meta: { title, first, last }, body }: Fragment,
  ): Promise<Reading | "same" | undefined> {
    const path = ownPath(conversation);
    const own = logs[path];
    if (own === undefined) return undefined;
    const reads: ReadLog[] = [];
    for (const log of conversation.agents) {
      const old = logs[log.path];
      const read = await this.#readLog(log, old && { ...old, open: [] });
      if (read === undefined) {
        for (const { log: { path }, state } of reads) this.#disown({ [path]: state });
        return undefined;
      }
      reads.push(old && read.entries.length === 0 ? { ...read, kept: "stands" } : read);
    }
    if (reads.every(({ log, state }) => state.offset === logs[log.path]?.offset)) return "same";
    const there = new Set([path, ...reads.map(({ log }) => log.path)]);
    const none = { entries: [], summaries: [], about: {}, kept: "stands" as const };
    for (const [path, state] of Object.entries(logs)) {
      if (!there.has(path)) reads.push({ log: { path }, state, ...none });
    }
    // It may be known without its words.
    const titles = { custom: { text: title, line: 0 } };
    const state = { ...own, heading: { ...own.heading, first, last, titles } };
    return this.#draw(
      conversation,
      { log: { path }, state, ...none },
      reads,
      textOf([body]),
      false,
    );
  }

  /**
   * Reads the sub-agents of what is still open. All others must be as they were, or gone; if not,
   * the answer is `false`, and all is to be read again.
   */
  async #readOpenAgents(
    agents: readonly Log[],
    known: ConversationState,
    text: string,
    main: ReadLog,
    reads: ReadLog[],
  ): Promise<boolean> {
    const calls = new Set<string>();
    const note = ({ entries }: ReadLog) => {
      for (const entry of entries) {
        if (entry.kind !== "call") continue;
        calls.add(entry.id);
        if (entry.agent !== undefined) calls.add(`agent ${entry.agent}`);
      }
    };
    note(main);
    const left = new Map<Log, About>();
    for (const log of agents) left.set(log, this.#about(log));
    for (let found = true; found;) {
      found = false;
      for (const [log, { call = "" }] of [...left]) {
        if (!calls.has(call) && !calls.has(`agent ${agentIdOf(log)}`)) continue;
        const old = known.logs[log.path];
        if (old !== undefined) this.#disown({ [log.path]: old });
        const read = await this.#readLog(log);
        if (read === undefined) return false;
        note(read);
        reads.push(read);
        if (old !== undefined && this.#isLess(read.state, old)) return false;
        left.delete(log);
        found = true;
      }
    }
    const there = new Set([main.log.path, ...agents.map(({ path }) => path)]);
    const gone = Object.keys(known.logs).filter((path) => !there.has(path));
    const places = new Map<string, Place>();
    for (const path of [...Array.from(left.keys(), ({ path }) => path), ...gone]) {
      const place = known.places?.[path];
      if (place !== undefined) places.set(path, place);
    }
    for (const [log, about] of left) {
      const state = known.logs[log.path];
      if (state === undefined || !await this.#isAsItWas(log, state)) return false;
      this.#context.marks.set(log.path, { look: log.look.text, hash: state.hash });
      const kept = keptOf(log.path, places, text);
      reads.push({ log, state, entries: [], summaries: [], about, kept });
    }
    for (const path of gone) {
      const call = places.get(path)?.call;
      const about = call === undefined ? {} : { call };
      const kept = keptOf(path, places, text);
      const state = known.logs[path]!;
      reads.push({ log: { path }, state, entries: [], summaries: [], about, kept });
    }
    return true;
  }

  async #isAsItWas({ path, file: place = path, look }: Log, state: LogState): Promise<boolean> {
    if (look.size !== state.offset) return false;
    try {
      using file = await Deno.open(join(this.#context.from, place));
      return await this.#holds(file, state, this.#context.hashing.begin());
    } catch (error) {
      if (systemFault(error) === undefined) throw error;
      return false;
    }
  }

  #disown(logs: Readonly<Record<string, Pick<LogState, "uuids">>> = {}): void {
    const { owners } = this.#context;
    for (const [path, state] of Object.entries(logs)) {
      for (const uuid of uuidsOf(state)) {
        if (owners.get(uuid) === path) owners.delete(uuid);
      }
    }
  }

  /** Whether logs that were read anew say less than they did. */
  #lacks(
    logs: readonly Pick<KnownLog, "path" | "state">[],
    agents: number,
    held: ConversationState | undefined,
    before: Fragment,
  ): boolean {
    if (held === undefined && agents < before.meta.agents) return true;
    const now = new Map(logs.map(({ path, state }) => [path, state]));
    const old = Object.entries(held?.logs ?? {});
    // Where no uuids tell, what others say now makes up for nothing.
    if (
      old.some(([path, state]) =>
        state.uuids === "" && this.#isLess(now.get(path) ?? { stats: newStats() }, state)
      )
    ) return true;
    const stats = sumStats(logs.map(({ state }) => state.stats));
    const uuids = old.map(([, { uuids }]) => uuids).filter((uuids) => uuids !== "").join(" ");
    return this.#isLess({ stats }, { stats: before.meta.stats, uuids });
  }

  /** Whether lines are gone: by their uuids, and as not every line has one, by what was counted. */
  #isLess(
    { stats: now }: Pick<LogState, "stats">,
    { stats, uuids }: Pick<LogState, "stats" | "uuids">,
  ): boolean {
    const { owners } = this.#context;
    const told = ({ lines, broken, repeated }: LogStats) => lines - broken - repeated;
    return uuidsOf({ uuids }).some((uuid) => !owners.has(uuid)) ||
      uuids === "" && told(now) < told(stats) || now.prompts < stats.prompts ||
      now.answers < stats.answers || now.calls < stats.calls;
  }

  /** Reads a log, all or from where `before` stopped; `undefined` when that cannot be done. */
  async #readLog(log: Log, before?: LogState): Promise<ReadLog | undefined> {
    const { from, tools, owners, hashing, pace, unreadable, marks } = this.#context;
    const path = join(from, log.path);
    try {
      using file = Deno.openSync(join(from, log.file ?? log.path));
      const hash = hashing.begin();
      if (before !== undefined) {
        if (!await this.#holds(file, before, hash)) return undefined;
      }
      const parser = new LogParser(
        log.path,
        { tools, owners },
        before && {
          ...before,
          entries: before.open,
        },
      );
      const lines = new LogReader(file, {
        offset: before?.offset ?? 0,
        lines: before?.lines ?? 0,
        whole: tools === "full",
      });
      const seen = (bytes: Uint8Array) => {
        hash.update(bytes);
        pace.add(bytes.length);
      };
      for (const block of lines.blocks(seen)) {
        for (const line of block) parser.take(line);
        await this.#clean(parser);
        if (pace.isDue) await pace.turn();
      }
      await this.#nameAgents(withInner(parser.entries));
      const sum = hash.digest();
      marks.set(log.path, {
        look: log.look.text,
        // A part that is still being written is not in the hash.
        hash: lines.offset === log.look.size ? sum : "",
      });
      const { heading, stats, waiting, time } = parser;
      const uuids = [...(before?.uuids ? [before.uuids] : []), ...parser.uuids].join(" ");
      const state = {
        ...{ offset: lines.offset, lines: lines.lines, hash: sum },
        ...{ heading, stats, usages: [...parser.usages], waiting, uuids, time },
      };
      return {
        log,
        state,
        entries: parser.entries,
        summaries: parser.summaries,
        about: this.#about(log),
      };
    } catch (error) {
      const fault = systemFault(error);
      if (fault === undefined) throw error;
      unreadable.push({ path, reason: fault.state });
      return undefined;
    }
  }

  /** Whether the log still begins with what was read of it; feeds that to the hash. */
  async #holds(file: Deno.FsFile, { offset, hash: expected }: LogState, hash: ContentHash) {
    const { pace } = this.#context;
    const block = new Uint8Array(2 ** 18);
    for (let left = offset; left > 0;) {
      const count = file.readSync(block.subarray(0, Math.min(left, block.length)));
      if (count === null) return false;
      hash.update(block.subarray(0, count));
      left -= count;
      if (pace.isDue) await pace.turn();
    }
    return hash.digest() === expected;
  }

  /** Replaces secrets in what came in, before it goes anywhere. */
  #clean(parser: LogParser): Promise<void> {
    const { scanner } = this.#context;
    if (scanner !== undefined) {
      for (const piece of parser.fresh) {
        piece.text = redactPiece(scanner, piece, ({ rule }) => {
          if (!piece.again) add(parser.stats.secrets, `${rule} ${piece.line}`);
        });
      }
    }
    parser.fresh = [];
    return Promise.resolve();
  }

  /** Calls name sub-agents as their logs are named: one with a secret in it is a hash. */
  async #nameAgents(entries: readonly Entry[]): Promise<void> {
    const { scanner } = this.#context;
    if (scanner === undefined) return;
    for (const entry of entries) {
      if (entry.kind !== "call" || entry.agent === undefined) continue;
      entry.agent = await safeName(entry.agent, scanner);
    }
  }

  #about({ path, file: place = path }: Log): About {
    if (!basename(path).startsWith("agent-")) return {};
    try {
      // A pipe there would be waited for.
      using file = SourceFile.open(
        join(this.#context.from, place.replace(/\.jsonl$/, ".meta.json")),
      );
      const about: unknown = JSON.parse(readWhole(file, MOST_ABOUT));
      if (typeof about !== "object" || about === null) return {};
      const { toolUseId, agentType, description } = about as Record<string, unknown>;
      const piece = (text: unknown): Piece | undefined =>
        typeof text === "string" ? { text: this.#redact(text), line: 0 } : undefined;
      const [type, said] = [piece(agentType), piece(description)];
      return {
        ...(typeof toolUseId === "string" && { call: toolUseId }),
        ...(type && { type }),
        ...(said && { description: said }),
      };
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof ReadFault) return {};
      throw error;
    }
  }

  #redact(text: string): string {
    const { scanner } = this.#context;
    const piece = { text: text.slice(0, WINDOW), isCut: text.length > WINDOW };
    return scanner === undefined ? piece.text : redactPiece(scanner, piece);
  }

  /** Makes Markdown of what was read, after what is settled. */
  #draw(
    { key }: Pick<Conversation, "key">,
    main: ReadLog | undefined,
    agents: readonly ReadLog[],
    settled: string,
    replaces: boolean,
  ): Reading {
    const shown = agents.map(({ log, state, entries, about, kept }): Agent => ({
      id: agentIdOf(log),
      call: about.call,
      type: about.type,
      description: about.description,
      entries,
      stats: state.stats,
      kept: typeof kept === "object" ? kept.text : undefined,
    }));
    const view = { tools: this.#context.tools, agents: shown };
    const entries = main?.entries ?? [];
    const start = openFrom(entries);
    const open = entries.slice(start);
    const closed = renderEntries(entries.slice(0, start), view);
    const before = [settled.trimEnd(), closed].filter((text) => text !== "").join("\n\n");
    const strays = straysOf(shown.filter((_, place) => agents[place]!.kept !== "stands"), entries);
    const made = new Map<Agent, string>();
    const rest = [
      renderEntries(open, { ...view, made }),
      renderStrays(strays, { ...view, made }),
    ];
    const text = [before, ...rest].filter((text) => text !== "").join("\n\n");
    return {
      key,
      logs: [...(main ? [main] : []), ...agents].map((read) => ({
        path: read.log.path,
        state: read.state,
        summaries: read === main ? read.summaries : [],
      })),
      agents: agents.length,
      body: ENCODER.encode(text),
      settled: before.length,
      places: placesOf(agents, shown, made, text, before.length),
      open: main === undefined ? [] : open,
      replaces,
    };
  }

  /** Makes a conversation's part of the digest. Others may know its title. */
  render(reading: Reading, all: readonly Reading[]): {
    readonly fragment: Fragment;
    readonly state: ConversationState;
  } {
    const { key, logs, agents, body, settled, places, open } = reading;
    const { meta, head } = this.#headOf({ key, logs, agents }, all);
    const states = logs.map(({ path, state }, place): [string, LogState] => [
      path,
      { ...state, open: place === 0 ? open : [] },
    ]);
    return {
      fragment: { meta, head, body },
      state: { meta, logs: Object.fromEntries(states), settled, places },
    };
  }

  /** What stands above a conversation that did not change, where another one tells its title now. */
  retitle(
    { meta: { key, agents, title }, logs: held }: ConversationState,
    all: readonly Reading[],
  ): Pick<Fragment, "meta" | "head"> | undefined {
    const logs = Object.entries(held).map(([path, state]) => ({ path, state }));
    const titles = logs[0]?.state.heading.titles;
    if (title === "" || titles?.summary !== undefined) return undefined;
    const before = titles?.told;
    const made = this.#headOf({ key, logs, agents }, all);
    return titles?.told === before ? undefined : made;
  }

  #headOf(
    { key, logs, agents }: {
      readonly key: string;
      readonly logs: readonly Pick<KnownLog, "path" | "state">[];
      readonly agents: number;
    },
    all: readonly Reading[],
  ): Pick<Fragment, "meta" | "head"> {
    const stats = sumStats(logs.map(({ state }) => state.stats));
    const headings = logs.map(({ state }) => state.heading);
    const times = headings.flatMap(({ first, last }) => [first, last]).filter(isNumber);
    const title = this.#titleOf(logs, all) ?? "Untitled";
    const meta = {
      key,
      title: shorten(oneLine(title), 120),
      first: times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b)),
      last: times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b)),
      agents,
      stats,
    };
    const branch = headings.find((heading) => heading.branch !== undefined)?.branch?.text ?? "";
    const origin = headings[0]?.origin?.replace(/\.jsonl$/, "") ?? key;
    const isOwn = origin === key || origin.startsWith(`${key}/`);
    const head = renderHead({
      ...{ ...meta, session: basename(key), branch },
      origin: isOwn ? "" : basename(origin),
    });
    return { meta, head };
  }

  #titleOf(
    logs: readonly Pick<KnownLog, "path" | "state">[],
    all: readonly Reading[],
  ): string | undefined {
    const { owners } = this.#context;
    const headings: Heading[] = logs.map(({ state }) => state.heading);
    const own = headings[0]?.titles ?? {};
    if (own.summary === undefined) {
      const paths = new Set(logs.map(({ path }) => path));
      for (const [leaf, title] of all.flatMap(({ logs: [main] }) => main?.summaries ?? [])) {
        if (paths.has(owners.get(leaf) ?? "")) own.told = title;
      }
    }
    const { custom, made, summary, told, prompt } = own;
    const titles = [custom, made, summary, told, prompt, headings[1]?.titles.prompt];
    const texts = titles.map((piece) => piece?.text.trim().split("\n")[0] ?? "");
    return texts.find((text) => text !== "");
  }
}

const ENCODER = new TextEncoder();

/** Bytes of what stands next to the log of a sub-agent; more is none of that. */
const MOST_ABOUT = 2 ** 20;

/** Further back than so many entries before the newest prompt, nothing is waited for. */
const WAITED = 500;

/** Where what may still change begins: at a prompt, so that it looks alike however often it does. */
function openFrom(entries: readonly Entry[]): number {
  const newest = promptAt(entries, entries.length - 1);
  const waiting = entries.findIndex((entry, place) =>
    place > newest - WAITED &&
    (entry.kind === "queued" ||
      entry.kind === "call" && entry.result === undefined && entry.id !== "")
  );
  return waiting < 0 ? newest : promptAt(entries, Math.min(waiting, newest));
}

/** The place of the newest prompt up to one. */
function promptAt(entries: readonly Entry[], last: number): number {
  return Math.max(0, entries.findLastIndex(({ kind }, place) => place <= last && kind === "user"));
}

/** What may be shown of a piece: without secrets, and where it was cut, without the half of one. */
function redactPiece(
  scanner: SecretScanner,
  { text, isCut = false }: Pick<Piece, "text" | "isCut">,
  tell?: (secret: Secret) => void,
): string {
  // What stands within a secret and is not shown would hide it.
  const clean = text.includes("\x1b") ? cleanText(text) : text;
  if (!isCut) return scanner.redact(clean, tell);
  // Replacing a secret moves what follows it; so that what was kept to look at alone is not shown
  // then, it ends here. One letter more tells whoever shortens it that there is more.
  const most = Math.max(0, Math.min(SHOWN + 1, clean.length - (WINDOW - SHOWN - 1)));
  return `${scanner.redact(clean, tell, most)}…`;
}

/** The path of a conversation's own log, whether or not that is there. */
function ownPath({ key }: Pick<Conversation, "key">): string {
  return `${key}.jsonl`;
}

function agentIdOf({ path }: Pick<Log, "path">): string {
  return basename(path).slice("agent-".length, -".jsonl".length);
}

/** Those that stand below no call; of some that start each other, in a damaged log, the first. */
function straysOf(agents: readonly Agent[], entries: readonly Entry[]): Agent[] {
  const byCall = new Map<string, Agent[]>();
  const byId = new Map(agents.map((agent) => [agent.id, agent]));
  for (const agent of agents) {
    if (agent.call === undefined) continue;
    byCall.set(agent.call, [...byCall.get(agent.call) ?? [], agent]);
  }
  const startedBy = (entries: readonly Entry[]) =>
    entries.flatMap((entry) => {
      if (entry.kind !== "call") return [];
      const named = entry.agent === undefined ? undefined : byId.get(entry.agent);
      return [...byCall.get(entry.id) ?? [], ...(named ? [named] : [])];
    });
  const shown = new Set<Agent>();
  const show = (agent: Agent) => {
    if (shown.has(agent)) return;
    shown.add(agent);
    startedBy(agent.entries).forEach(show);
  };
  startedBy(entries).forEach(show);
  const called = new Set(
    agents.flatMap((agent) => startedBy(agent.entries).filter((other) => other !== agent)),
  );
  const strays = new Set<Agent>();
  for (const agent of [...agents.filter((agent) => !called.has(agent)), ...agents]) {
    if (shown.has(agent)) continue;
    strays.add(agent);
    show(agent);
  }
  return agents.filter((agent) => strays.has(agent));
}

/** Of a sub-agent that is not read again: its text, unless that stands in another's. */
function keptOf(path: string, places: ReadonlyMap<string, Place>, text: string): Kept {
  const place = places.get(path);
  if (place === undefined) return "stands";
  const end = place.at + place.length;
  for (const { at, length } of places.values()) {
    if (at <= place.at && at + length >= end && length > place.length) return "stands";
  }
  return { text: text.slice(place.at, end) };
}

/** Where the text of sub-agents stands that is not settled. */
function placesOf(
  agents: readonly ReadLog[],
  shown: readonly Agent[],
  made: ReadonlyMap<Agent, string>,
  text: string,
  settled: number,
): Record<string, Place> {
  const places: Record<string, Place> = {};
  for (const [place, agent] of shown.entries()) {
    const own = made.get(agent) ?? "";
    if (own === "") continue;
    const at = text.indexOf(own, settled);
    const call = agent.call === undefined ? {} : { call: agent.call };
    places[agents[place]!.log.path] = { at, length: own.length, ...call };
  }
  return places;
}

function uuidsOf({ uuids }: Pick<LogState, "uuids">): readonly string[] {
  return uuids === "" ? [] : uuids.split(" ");
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}
