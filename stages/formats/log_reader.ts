/**
 * Reads a conversation log line by line, in bounded memory, and as little of each line as will do.
 *
 * What a tool answered stands in a line twice, and is most of a log. The copy that nobody reads
 * (`toolUseResult`) is left out before the line is decoded and parsed, and so are signatures; in
 * between, lines are as JSON has them, so that a guess which is wrong gives no JSON, and then the
 * whole line is parsed after all.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** One line of a log. */
export interface LogLine {
  /** From 1. */
  readonly number: number;
  /** Its value; `undefined` for one that is no JSON object, or too long to be held. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
  /** Whether it is the last, without its end. */
  readonly isUnfinished?: true;
}

/** Where to begin, and what is wanted. */
export interface LogReaderOptions {
  /** Bytes to leave out, the end of a line. */
  readonly offset?: number;
  /** Lines before that. */
  readonly lines?: number;
  /** Parse every line in full: `toolUseResult` and what tools answer to the end. */
  readonly whole?: boolean;
  /** Parse lines that tell how far some work is, too: their place, not their progress, is of use. */
  readonly progress?: boolean;
  /** Bytes that are read and parsed at a time, unless a line is longer. */
  readonly block?: number;
}

const BLOCK_SIZE = 2 ** 16;
/** A longer line is passed over: a string has its limits, and memory too. */
const MAX_LINE = 2 ** 26;
const NEWLINE = 10;

/** So many letters of what a tool answered are of use. */
const RESULT_LETTERS = 700;
/** Bytes of the line that mostly hold them, and such as do in any case: a letter takes up to six. */
const RESULT_WINDOWS = [1000, 6 * RESULT_LETTERS + 100];

/** The room that the last log was read into, for the next one. */
let spare: Buffer<ArrayBuffer> | undefined;

/** Reads lines. `offset` and `lines` say how far it came. */
export class LogReader {
  /** Bytes of whole lines so far. */
  offset: number;
  /** Whole lines so far. */
  lines: number;
  readonly #file: Deno.FsFile;
  readonly #whole: boolean;
  readonly #progress: boolean;
  #block: Buffer<ArrayBuffer>;

  constructor(file: Deno.FsFile, options: LogReaderOptions = {}) {
    const { offset = 0, lines = 0, whole = false, progress = false, block = BLOCK_SIZE } = options;
    const isUsual = block === BLOCK_SIZE;
    this.#block = isUsual && spare !== undefined ? spare : Buffer.alloc(block);
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
    this.#file.seekSync(this.offset, Deno.SeekMode.Start);
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
      let start = 0;
      const lines: LogLine[] = [];
      if (skipping) {
        start = this.#block.indexOf(NEWLINE) + 1;
        lines.push({ number: ++this.lines, value: undefined });
        skipping = false;
      }
      if (end > start) this.#split(Text.of(this.#block, end), start, lines);
      seen(this.#block.subarray(0, end));
      this.offset += end;
      this.#block.copyWithin(0, end, used);
      kept = used - end;
      yield lines;
    }
    if (this.#block.length === BLOCK_SIZE && kept === 0) spare = this.#block;
    if (kept === 0) return;
    const value = this.#parse(Text.of(this.#block, kept));
    if (value === undefined) {
      yield [{ number: this.lines + 1, value, isUnfinished: true }];
    } else {
      seen(this.#block.subarray(0, kept));
      this.offset += kept;
      yield [{ number: ++this.lines, value }];
    }
  }

  #grow(): void {
    const larger = Buffer.alloc(this.#block.length * 2);
    larger.set(this.#block);
    this.#block = larger;
  }

  #split(text: Text, start: number, into: LogLine[]): void {
    const { letters } = text;
    for (let at = start; at < letters.length;) {
      const end = letters.indexOf("\n", at);
      this.lines++;
      if (end > at && !(end === at + 1 && letters.charAt(at) === "\r")) {
        into.push({ number: this.lines, value: this.#parse(text.part(at, end)) });
      }
      at = end + 1;
    }
  }

  #parse(line: Text): LogLine["value"] {
    const type = typeOf(line.letters);
    if (type === "progress" && !this.#progress && line.letters.endsWith("}")) return PROGRESS;
    const brief = this.#whole
      ? undefined
      : type === "user"
      ? briefly(line)
      : type === "assistant"
      ? withoutSignature(line)
      : undefined;
    const value = brief === undefined ? undefined : parseObject(brief);
    return value?.uuid !== undefined ? value : parseObject(line.slice(0));
  }
}

/**
 * Text in UTF-8 that is looked through before it is decoded: each byte counts as one letter, which is
 * right for all that has a meaning in JSON. To see letters that way costs a tenth of decoding them.
 */
class Text {
  readonly letters: string;
  readonly #bytes: Buffer;
  readonly #start: number;

  private constructor(letters: string, bytes: Buffer, start: number) {
    this.letters = letters;
    this.#bytes = bytes;
    this.#start = start;
  }

  /** The first bytes of a block. */
  static of(bytes: Buffer, length: number): Text {
    return new Text(bytes.toString("latin1", 0, length), bytes, 0);
  }

  part(start: number, end: number): Text {
    return new Text(this.letters.slice(start, end), this.#bytes, this.#start + start);
  }

  slice(start: number, end = this.letters.length): string {
    const letters = this.letters.slice(start, end);
    if (!BEYOND_ASCII.test(letters)) return letters;
    return DECODER.decode(this.#bytes.subarray(this.#start + start, this.#start + end));
  }

  /** The beginning of the letter that a place lies in. */
  letterAt(place: number): number {
    while ((this.#bytes[this.#start + place]! & 0xc0) === 0x80) place--;
    return place;
  }
}

const DECODER = new TextDecoder();
// deno-lint-ignore no-control-regex
const BEYOND_ASCII = /[^\x00-\x7f]/;

/** How far some work was: of no interest, and nine tenths of some logs. */
const PROGRESS = { type: "progress" };

const TYPE = '"type":"';
const TYPES: ReadonlySet<string> = new Set(["assistant", "user", "progress"]);

/**
 * A line's type, where that is one of these and can be told before anything nested. Within a text,
 * quotes have a backslash before them: what is found is a key.
 */
function typeOf(line: string): string | undefined {
  const at = line.indexOf(TYPE);
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
const ANSWER = '"content":"';

/** A line without its copy of what a tool answered, and only the beginning of that. */
function briefly(line: Text): string | undefined {
  const { letters } = line;
  const copy = letters.indexOf(COPY);
  if (copy < 0) return undefined;
  const late = Math.max(copy, letters.length - TAIL_LENGTH);
  const place = TAIL.exec(letters.slice(late))?.index;
  if (place === undefined) return undefined;
  const tail = line.slice(late + place);
  const answer = copy > RESULT_WINDOWS[0]! ? letters.indexOf(ANSWER) + ANSWER.length : 0;
  const end = answer < ANSWER.length ? copy : endOfText(letters, answer, copy);
  for (const window of RESULT_WINDOWS) {
    if (answer + window >= end) break;
    const kept = line.slice(0, placeToCut(line, answer + window));
    if (holdsEnough(kept, answer) || window === RESULT_WINDOWS.at(-1)) {
      return `${kept}…${line.slice(end, copy)}${tail}`;
    }
  }
  return line.slice(0, copy) + tail;
}

/** Where the quote stands that ends a text; `limit` when there is none before that. */
function endOfText(letters: string, from: number, limit: number): number {
  // One that follows `\\\\` is overlooked; then what is left is no JSON.
  for (
    let at = letters.indexOf('"', from);
    at >= 0 && at < limit;
    at = letters.indexOf('"', at + 1)
  ) {
    if (letters.charCodeAt(at - 1) !== BACKSLASH) return at;
  }
  return limit;
}

/** Not within `\n`, `\"` or `\u00e4`, and not behind them where they would swallow the end. */
function placeToCut(line: Text, from: number): number {
  const { letters } = line;
  let cut = line.letterAt(from);
  const escape = letters.slice(cut - 5, cut).lastIndexOf("\\u");
  if (escape >= 0) cut += escape - 5;
  while (letters.charCodeAt(cut - 1) === BACKSLASH) cut--;
  return cut;
}

/** Whether what is kept has all letters of use, when those in it that are of none are left out. */
function holdsEnough(kept: string, answer: number): boolean {
  let escapes = 0;
  for (let at = kept.indexOf("\\", answer); at >= 0; at = kept.indexOf("\\", at + 2)) {
    if (kept.charAt(at + 1) === "u") return false;
    escapes++;
  }
  // Before the answer, letters may have been bytes: they were no fewer then.
  return kept.length - answer - escapes >= RESULT_LETTERS && !/<(?:system|task|local)-/.test(kept);
}

const BACKSLASH = 0x5c;

const SIGNATURE = '"signature":"';

/** A line without the signature of what was thought, which is several times as long as that. */
function withoutSignature(line: Text): string | undefined {
  const { letters } = line;
  const from = letters.indexOf(SIGNATURE) + SIGNATURE.length;
  const to = from < SIGNATURE.length ? -1 : letters.indexOf('"', from);
  if (to < 0 || letters.charAt(to - 1) === "\\") return undefined;
  return line.slice(0, from) + line.slice(to);
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
