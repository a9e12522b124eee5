/**
 * Reads JSON Lines as they pass: a value a line. The last line of a log that was being written may
 * be cut off, and is no flaw then.
 *
 * @module
 */

/** Follows one file of JSON Lines. */
export class JsonLines {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  /** The beginning of a line whose end is still to come. */
  #parts: Uint8Array[] = [];
  #line = 0;
  #bad = 0;
  #firstBad = 0;
  /** Lines that hold a value. */
  count = 0;

  /** Reads on. Nothing of `bytes` is kept but a copy of a line that goes on. */
  push(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      this.#take(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start < bytes.length) this.#parts.push(bytes.slice(start));
  }

  /** The file has ended: what stands behind the last line feed may be a value, or the half of one. */
  finish(): void {
    if (this.#parts.length === 0) return;
    const last = this.#whole(new Uint8Array(0));
    if (last.length > 0 && this.#parses(last)) this.count++;
  }

  /** What is wrong with it, as a phrase; `undefined`: nothing. */
  get flaw(): string | undefined {
    if (this.#bad === 0) return undefined;
    const others = this.#bad === 1 ? "" : `, and ${this.#bad - 1} more like it`;
    return `line ${this.#firstBad} is no JSON${others}`;
  }

  #take(rest: Uint8Array): void {
    this.#line++;
    const line = this.#parts.length === 0 ? rest : this.#whole(rest);
    if (line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)) return;
    if (this.#parses(line)) this.count++;
    else if (this.#bad++ === 0) this.#firstBad = this.#line;
  }

  #whole(rest: Uint8Array): Uint8Array {
    const parts = [...this.#parts, rest];
    this.#parts = [];
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #parses(line: Uint8Array): boolean {
    try {
      JSON.parse(this.#decoder.decode(line));
      return true;
    } catch {
      return false;
    }
  }
}

const LINE_FEED = 0x0a;
