/**
 * Reads a conversation log line by line, in bounded memory, and as little of each line as will do.
 *
 * What a tool answered stands in a line twice, and is most of a log. The copy that nobody reads
 * (`toolUseResult`) is left out before the line is parsed; in between, lines are as JSON has them,
 * so that a guess which is wrong gives no JSON, and then the whole line is parsed after all.
 *
 * @module
 */

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

/** So much of what a tool answered is kept, in letters of the line; the rest is not parsed. */
const RESULT_WINDOW = 2100;

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
    const { offset = 0, lines = 0, whole = false, progress = false } = options;
    this.#block = new Uint8Array(options.block ?? BLOCK_SIZE);
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
    const decoder = new TextDecoder();
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
      if (end > start) this.#split(decoder.decode(this.#block.subarray(start, end)), lines);
      seen(this.#block.subarray(0, end));
      this.offset += end;
      this.#block.copyWithin(0, end, used);
      kept = used - end;
      yield lines;
    }
    if (kept === 0) return;
    const rest = this.#block.subarray(0, kept);
    const value = this.#parse(decoder.decode(rest));
    if (value === undefined) {
      yield [{ number: this.lines + 1, value, isUnfinished: true }];
    } else {
      seen(rest);
      this.offset += kept;
      yield [{ number: ++this.lines, value }];
    }
  }

  #grow(): void {
    const larger = new Uint8Array(this.#block.length * 2);
    larger.set(this.#block);
    this.#block = larger;
  }

  #split(text: string, into: LogLine[]): void {
    for (let at = 0; at < text.length;) {
      const end = text.indexOf("\n", at);
      const line = text.slice(at, end);
      this.lines++;
      at = end + 1;
      if (line === "" || line === "\r") continue;
      into.push({ number: this.lines, value: this.#parse(line) });
    }
  }

  #parse(line: string): LogLine["value"] {
    if (!this.#progress && isOfType(line, "progress") && line.endsWith("}")) return PROGRESS;
    if (!this.#whole && isOfType(line, "user")) {
      const brief = briefly(line);
      const value = brief === undefined ? undefined : parseObject(brief);
      if (value?.uuid !== undefined) return value;
    }
    return parseObject(line);
  }
}

/** How far some work was: of no interest, and nine tenths of some logs. */
const PROGRESS = { type: "progress" };

const TYPE = '"type":"';

/**
 * Whether a line is of a type, as far as that can be told before anything nested. Within a text,
 * quotes have a backslash before them: what is found is a key.
 */
function isOfType(line: string, type: string): boolean {
  const at = line.indexOf(TYPE);
  if (at < 0 || !line.startsWith(`${type}"`, at + TYPE.length)) return false;
  const nested = line.indexOf("{", 1);
  return nested < 0 || nested > at;
}

/** Flat keys up to the end of the line: they are the line's own, whatever stands before them. */
const TAIL = /(?:,"[A-Za-z_]+":(?:"[^"\\]*"|-?[\d.]+|true|false|null))*\}\s*$/;
const TAIL_LENGTH = 300;
const COPY = ',"toolUseResult":';
const ANSWER = '"content":"';

/** A line without its copy of what a tool answered, and only the beginning of that. */
function briefly(line: string): string | undefined {
  const copy = line.indexOf(COPY);
  if (copy < 0) return undefined;
  const tail = TAIL.exec(line.slice(Math.max(copy, line.length - TAIL_LENGTH)))?.[0];
  if (tail === undefined) return undefined;
  const answer = copy > RESULT_WINDOW ? line.indexOf(ANSWER) : -1;
  const from = answer + ANSWER.length + RESULT_WINDOW;
  if (answer < 0 || from >= copy) return line.slice(0, copy) + tail;
  // Not within `\n`, `\"` or `\u00e4`, and not behind them where they would swallow the end.
  let cut = from;
  const escape = line.slice(cut - 5, cut).lastIndexOf("\\u");
  if (escape >= 0) cut += escape - 5;
  while (line.charAt(cut - 1) === "\\") cut--;
  UNESCAPED.lastIndex = cut;
  const end = UNESCAPED.exec(line)?.index ?? copy;
  if (end >= copy) return line.slice(0, copy) + tail;
  return `${line.slice(0, cut)}…${line.slice(end + 1, copy)}${tail}`;
}

/** A quote that ends a text. One that follows `\\` is overlooked; then what is left is no JSON. */
const UNESCAPED = /[^\\]"/g;

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
