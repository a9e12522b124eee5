/**
 * Reads a conversation log line by line, in bounded memory, and as little of each line as will do.
 *
 * A line is looked at as if each of its bytes were a letter, which costs a tenth of decoding it and
 * is right for all that has a meaning in JSON; most lines are ASCII and never decoded. What a tool
 * answered stands in a line twice, and is most of a log: the copy (`toolUseResult`), of which no more
 * is of use than the sub-agent that it may name, and the rest of a long answer are left out before the
 * line is parsed. A guess at where they end that is wrong gives no JSON, or less than a line has, and
 * then the whole line is parsed after all.
 *
 * @module
 */
import { Buffer, isAscii } from "node:buffer";
import { WINDOW } from "./model.ts";

/** One line of a log. */
export interface LogLine {
  /** From 1. */
  readonly number: number;
  /** Its value; `undefined` for one that is no JSON object, or too long to be held. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
  /** Whether it is the last, without its end. */
  readonly isUnfinished?: true;
  /** Whether zeros stand before it, where a crash left room for what was never written. */
  readonly hasHole?: true;
  /** Whether it is too long to be held: nobody knows what is in it. */
  readonly isOversized?: true;
}

/** Whether a value in a line is a text with something in it. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Where to begin, and what is wanted. */
export interface LogReaderOptions {
  /** Bytes to leave out, the end of a line. */
  readonly offset?: number;
  /** Lines before that. */
  readonly lines?: number;
  /** Parse every line in full: what tools answered to its end, and `toolUseResult` too. */
  readonly whole?: boolean;
  /** Give lines that tell how far some work is in full: their place, not their progress, is of use. */
  readonly progress?: boolean;
  /** Bytes that are read and parsed at a time, unless a line is longer. */
  readonly block?: number;
}

const BLOCK_SIZE = 2 ** 16;
/** A longer line is passed over: a string has its limits, and memory too. */
const MAX_LINE = 2 ** 26;
const NEWLINE = 10;

/** The room that the last log was read into, for the next one. */
let spare: Uint8Array<ArrayBuffer> | undefined;

/** Reads lines. `offset` and `lines` say how far it came. */
export class LogReader {
  /** Bytes of whole lines so far. */
  offset: number;
  /** Whole lines so far. */
  lines: number;
  readonly #file: Deno.FsFile;
  readonly #whole: boolean;
  readonly #progress: boolean;
  #block: Uint8Array<ArrayBuffer>;

  constructor(file: Deno.FsFile, options: LogReaderOptions = {}) {
    const { offset = 0, lines = 0, whole = false, progress = false, block = BLOCK_SIZE } = options;
    const isUsual = block === BLOCK_SIZE;
    this.#block = isUsual && spare !== undefined ? spare : new Uint8Array(block);
    if (isUsual) spare = undefined;
    this.#file = file;
    this.#progress = progress;
    this.offset = offset;
    this.lines = lines;
    this.#whole = whole;
  }

  /**
   * The lines, in blocks of some. A last line without its end comes with the last block, if it is
   * whole; if not, it is still being written, and is left for the next time.
   *
   * @param seen Is shown the bytes as they are read, and how many of them are whole lines.
   */
  *blocks(seen: (bytes: Uint8Array) => void = () => {}): Generator<readonly LogLine[]> {
    let isCounted = this.#isWithinLine();
    let kept = 0;
    let skipping = false;
    for (;;) {
      if (kept === this.#block.length) this.#grow();
      const count = this.#file.readSync(this.#block.subarray(kept));
      if (count === null) break;
      const used = kept + count;
      const end = this.#block.subarray(0, used).lastIndexOf(NEWLINE) + 1;
      if (end === 0) {
        kept = used;
        if (used < MAX_LINE) continue;
        skipping = true;
        seen(this.#block.subarray(0, used));
        this.offset += used;
        kept = 0;
        continue;
      }
      if (isCounted) this.lines--;
      isCounted = false;
      let start = 0;
      const lines: LogLine[] = [];
      if (skipping) {
        start = this.#block.indexOf(NEWLINE) + 1;
        lines.push({ number: ++this.lines, value: undefined, isOversized: true });
        skipping = false;
      }
      if (end > start) this.#split(start, end, lines);
      seen(this.#block.subarray(0, end));
      this.offset += end;
      this.#block.copyWithin(0, end, used);
      kept = used - end;
      yield lines;
    }
    if (this.#block.length === BLOCK_SIZE && kept === 0) spare = this.#block;
    if (skipping) {
      seen(this.#block.subarray(0, kept));
      this.offset += kept;
      yield [{ number: ++this.lines, value: undefined, isOversized: true }];
      return;
    }
    const last = this.#letters(kept);
    if (last.trim() === "") return;
    const value = this.#parse(last, 0);
    if (value === undefined) {
      yield [{ number: this.lines + 1, value, isUnfinished: true }];
    } else {
      seen(this.#block.subarray(0, kept));
      this.offset += kept;
      yield [{ number: ++this.lines, value, ...(last.startsWith("\0") && { hasHole: true }) }];
    }
  }

  /** Goes to where reading begins. Whether that is in a line whose end had not been there. */
  #isWithinLine(): boolean {
    const before = new Uint8Array(1);
    this.#file.seekSync(Math.max(0, this.offset - 1), Deno.SeekMode.Start);
    if (this.offset === 0) return false;
    return this.#file.readSync(before) === 1 && before[0] !== NEWLINE;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#block.length * 2);
    larger.set(this.#block);
    this.#block = larger;
  }

  #split(start: number, end: number, into: LogLine[]): void {
    const letters = this.#letters(end);
    for (let at = start; at < end;) {
      const next = letters.indexOf("\n", at);
      this.lines++;
      if (next > at) {
        const line = letters.slice(at, next);
        const value = this.#parse(line, at);
        if (value !== undefined || line.trim() !== "") {
          into.push({ number: this.lines, value, ...(line.startsWith("\0") && { hasHole: true }) });
        }
      }
      at = next + 1;
    }
  }

  /** The first bytes of the block, each as a letter. */
  #letters(count: number): string {
    return Buffer.from(this.#block.buffer, 0, count).toString("latin1");
  }

  /** @param start Where the line begins in the block. */
  #parse(line: string, start: number): LogLine["value"] {
    if (line.startsWith("\0")) {
      const begin = line.search(/[^\0]/);
      return begin < 0 ? undefined : this.#parse(line.slice(begin), start + begin);
    }
    const type = typeOf(line);
    if (type === "progress" && !this.#progress) {
      // Parsed all the same, for whether it is JSON; letters or bytes are alike for that.
      return parseObject(line) && PROGRESS;
    }
    const bytes = this.#block.subarray(start, start + line.length);
    const text = isAscii(bytes)
      ? (from: number, to?: number) => line.slice(from, to)
      : (from: number, to?: number) => DECODER.decode(bytes.subarray(from, to));
    const copy = type === "user" && !this.#whole ? findCopy(line) : undefined;
    if (copy === undefined) return parseObject(text(0));
    let agent = "";
    if (mayNameAgent(line, copy)) {
      const answer = parseObject(text(copy.start + COPY.length, copy.end));
      if (answer === undefined) return parseObject(text(0));
      const { agentId } = answer;
      if (typeof agentId === "string") agent = COPY + JSON.stringify({ agentId });
    }
    const rest = findRest(line, copy.start);
    if (rest !== undefined) {
      const kept = text(0, rest.start) + text(rest.end, copy.start);
      const value = parseObject(kept + agent + text(copy.end));
      if (value !== undefined && hasAll(value) && isEnough(value)) return value;
    }
    const value = parseObject(text(0, copy.start) + agent + text(copy.end));
    return value !== undefined && hasAll(value) ? value : parseObject(text(0));
  }
}

const DECODER = new TextDecoder();

/** How far some work was: of no interest, and nine tenths of some logs. */
const PROGRESS = { type: "progress" };

const TYPE = ',"type":"';
const TYPES: ReadonlySet<string> = new Set(["user", "progress"]);

/**
 * A line's type, where that is one of these and can be told before anything nested. Within a text,
 * quotes have a backslash before them: what is found is a key.
 */
function typeOf(line: string): string | undefined {
  // Commas are rarer than quotes, which makes the search several times as fast.
  const at = line.startsWith(TYPE.slice(1), 1) ? 0 : line.indexOf(TYPE);
  if (at < 0) return undefined;
  const nested = line.indexOf("{", 1);
  if (nested >= 0 && nested < at) return undefined;
  const type = line.slice(at + TYPE.length, line.indexOf('"', at + TYPE.length));
  return TYPES.has(type) ? type : undefined;
}

/** Flat keys up to the end of the line: they are the line's own, whatever stands before them. */
const TAIL = /(?:,"[A-Za-z_]+":(?:"[^"\\]*"|-?[\d.]+|true|false|null))*\}\s*$/;
const TAIL_LENGTH = 300;
const COPY = ',"toolUseResult":';
const UUID = ',"uuid":"';

interface Part {
  readonly start: number;
  readonly end: number;
}

/** Where a line's copy of what a tool answered stands. */
function findCopy(line: string): Part | undefined {
  const start = line.indexOf(COPY);
  if (start < 0) return undefined;
  const late = Math.max(start, line.length - TAIL_LENGTH);
  const place = TAIL.exec(line.slice(late))?.index;
  if (place === undefined) return undefined;
  const end = late + place;
  // Two of these are two lines, of which the first was never finished: what is between them counts.
  const isTorn = line.includes(UUID, end) &&
    line.slice(Math.max(0, start - TAIL_LENGTH), start).includes(UUID);
  return isTorn ? undefined : { start, end };
}

const AGENT = /"agentId"\s*:/;
/** How copies begin that are long, and of tools that start no sub-agent: most of a log. */
const OTHERS = /^\{(?:"type":"\w{1,20}",)?"(?:stdout|file|filePath|mode)":/;
const OTHERS_LENGTH = 50;

/** Whether a copy may name a sub-agent, which then has to be parsed to be told. */
function mayNameAgent(line: string, { start, end }: Part): boolean {
  const from = start + COPY.length;
  return !OTHERS.test(line.slice(from, from + OTHERS_LENGTH)) && AGENT.test(line.slice(from, end));
}

const ANSWER = '"type":"tool_result","content":"';
/** Bytes of an answer that are kept: with what is escaped in them, mostly enough letters. */
const ANSWER_KEPT = 1200;
/** Less is not worth the search for its end. */
const REST_MIN = 400;

/** Where the rest of a long answer stands, within the one text that it is. */
function findRest(line: string, limit: number): Part | undefined {
  const found = line.indexOf(ANSWER);
  const answer = found + ANSWER.length;
  if (found < 0 || answer + ANSWER_KEPT + REST_MIN > limit) return undefined;
  const end = endOfText(line, answer);
  let start = answer + ANSWER_KEPT;
  if (end - start < REST_MIN || end > limit) return undefined;
  // Not within a letter of several bytes, nor within `\n`, `\"` or `\u00e4`.
  while ((line.charCodeAt(start) & 0xc0) === 0x80) start--;
  const escape = line.slice(start - 5, start).lastIndexOf("\\");
  if (escape >= 0) start += escape - 5;
  while (line.charAt(start - 1) === "\\") start--;
  return { start, end };
}

/** Where the quote stands that ends a text; -1 when there is none. */
function endOfText(line: string, from: number): number {
  for (let at = line.indexOf('"', from); at >= 0; at = line.indexOf('"', at + 1)) {
    let slash = at;
    while (line.charAt(slash - 1) === "\\") slash--;
    if ((at - slash) % 2 === 0) return at;
  }
  return -1;
}

/**
 * Whether a line of which a part was left out has all that is of use, in whatever order its keys
 * stand: what else there may be of a line with nothing but answers, nobody asks for.
 */
function hasAll({ uuid, timestamp, message }: NonNullable<LogLine["value"]>): boolean {
  if (uuid === undefined || timestamp === undefined) return false;
  const { content } = (message ?? {}) as { readonly content?: unknown };
  return Array.isArray(content) && content.length > 0 &&
    content.every((block) => block?.type === "tool_result");
}

/** Letters of an answer that have to be there: those of use, and a tag that begins with their last. */
const ANSWER_LETTERS = WINDOW + 20;
/** The beginnings of what `LogParser` takes out of an answer, so that more of it comes to be seen. */
const NOISE = /<(?:system|task|local)-|^Caveat:/;

/** Whether what was kept of an answer will do; not where there are several, which might be another. */
function isEnough({ message }: NonNullable<LogLine["value"]>): boolean {
  const { content } = (message ?? {}) as { readonly content?: unknown };
  if (!Array.isArray(content) || content.length !== 1) return false;
  const answer: unknown = content[0]?.content;
  return typeof answer === "string" && answer.length >= ANSWER_LETTERS && !NOISE.test(answer);
}

function parseObject(line: string): LogLine["value"] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}
