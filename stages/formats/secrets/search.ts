/**
 * Looks for secrets in an archive on its way: the whole program of a worker that reads plaintext and
 * is granted nothing. What it answers holds no value, only where each stands and its fingerprint.
 *
 * @module
 */
import type { ByteSource, Codec } from "../../contract.ts";
import { cutterOf, loadDecoder } from "../codec.ts";
import { TarReader, type TarVisitor } from "../tar/read.ts";
import type { TarMember } from "../tar/read_header.ts";
import { SecretScanner } from "./scanner.ts";

/** A secret in one file of an archive. */
export interface FoundSecret {
  /** Name of the rule that found it. */
  readonly rule: string;
  /** Path in the archive, without the secrets that stand in it. */
  readonly path: string;
  /** Counted from 1: where it stands first. 0: in the path itself. */
  readonly line: number;
  /** How often it stands in that file. */
  readonly count: number;
  /** Of the value, keyed: nobody can try values without the key. */
  readonly fingerprint: string;
}

/** What a search is given. */
export interface SearchContext {
  /** The archive, compressed. */
  readonly input: ByteSource;
  readonly codec: Codec;
  /** Key of the fingerprints. */
  readonly key: Uint8Array;
  readonly signal: AbortSignal;
}

/** Characters that are searched at once; what is cut off is searched again with what follows. */
const BLOCK = 1 << 20;
const OVERLAP = 1 << 15;
/** Characters before what is cut off that are looked at again: some secrets are known by those. */
const CONTEXT = 1 << 10;

/** Looks into every file of an archive. */
async function run({ input, codec, key, signal }: SearchContext): Promise<readonly FoundSecret[]> {
  const scanner = new SecretScanner();
  const [{ createHmac }] = await Promise.all([import("node:crypto"), scanner.load()]);
  const fingerprint = (value: string) =>
    createHmac("sha256", key).update(value).digest("hex").slice(0, 16);
  const search = new Search(scanner, fingerprint);
  const reader = new TarReader(search);
  for await (const piece of decompress(input, codec)) {
    signal.throwIfAborted();
    reader.push(piece);
  }
  reader.finish();
  return [...search.found.values()];
}

async function* decompress(input: ByteSource, codec: Codec): AsyncGenerator<Uint8Array> {
  const [cutter, decoder] = [cutterOf(codec), await loadDecoder(codec)];
  for await (const block of input) {
    for (const piece of cutter.push(block)) {
      const decoded = decoder.decode(piece);
      if (decoded instanceof Uint8Array) yield decoded;
      else yield* decoded;
    }
  }
  cutter.end();
  const rest = decoder.end();
  if (rest !== undefined) yield* rest;
}

/** What the worker serves. */
export default { name: "secret-search", run };

/** What a text in UTF-16 begins with, by its bytes. */
const UTF16: Readonly<Record<string, string>> = { "255,254": "utf-16le", "254,255": "utf-16be" };

class Search implements TarVisitor {
  /** By path and fingerprint. */
  readonly found = new Map<string, FoundSecret>();
  readonly #scanner: SecretScanner;
  readonly #fingerprint: (value: string) => string;
  #path = "";
  /** The path as it may be told. */
  #named = "";
  /** The first two bytes. */
  #mark: readonly number[] = [];
  /** The content as UTF-8, and as UTF-16 where it begins so. */
  #texts: TextSearch[] = [];

  constructor(scanner: SecretScanner, fingerprint: (value: string) => string) {
    this.#scanner = scanner;
    this.#fingerprint = fingerprint;
  }

  begin({ path, link }: TarMember): void {
    this.#path = path;
    this.#named = this.#scanner.redact(path);
    this.#mark = [];
    this.#texts = [this.#read("utf-8")];
    for (const text of [path, link ?? ""]) {
      for (const { rule, start, end } of this.#scanner.find(text)) {
        this.#note(rule, text.slice(start, end), 0);
      }
    }
  }

  data(bytes: Uint8Array): void {
    if (this.#mark.length < 2) this.#look(bytes);
    for (const text of this.#texts) text.push(bytes);
  }

  end(): void {
    for (const text of this.#texts) text.end();
  }

  #look(bytes: Uint8Array): void {
    const before = this.#mark;
    this.#mark = [...before, ...bytes.subarray(0, 2 - before.length)];
    const encoding = UTF16[this.#mark.join()];
    if (encoding === undefined) return;
    const text = this.#read(encoding);
    text.push(Uint8Array.from(before));
    this.#texts.push(text);
  }

  #read(encoding: string): TextSearch {
    return new TextSearch(this.#scanner, encoding, (...found) => this.#note(...found));
  }

  #note(rule: string, value: string, line: number): void {
    const fingerprint = this.#fingerprint(value);
    const key = `${fingerprint} ${this.#path}`;
    const known = this.found.get(key);
    const first = known ?? { rule, path: this.#named, line, count: 0, fingerprint };
    this.found.set(key, { ...first, count: first.count + 1 });
  }
}

/** Searches the text of a file, as it comes in pieces. */
class TextSearch {
  readonly #scanner: SecretScanner;
  readonly #decoder: TextDecoder;
  readonly #note: (rule: string, value: string, line: number) => void;
  #text = "";
  /** How much of it was searched before, and the line that the rest begins in. */
  #done = 0;
  #line = 1;

  constructor(
    scanner: SecretScanner,
    encoding: string,
    note: (rule: string, value: string, line: number) => void,
  ) {
    this.#scanner = scanner;
    this.#decoder = new TextDecoder(encoding);
    this.#note = note;
  }

  push(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    if (this.#text.length >= BLOCK) this.#search(this.#text.length - OVERLAP);
  }

  end(): void {
    this.#text += this.#decoder.decode();
    this.#search(this.#text.length);
  }

  /** Searches all there is, and lets go of what stands before `most`, but for the words there. */
  #search(most: number): void {
    const secrets = this.#scanner.find(this.#text).filter(({ start }) => start >= this.#done);
    // One that may go on is searched again, from its beginning, when more of it is there.
    const open = secrets.find(({ start, end }) => start > this.#done && start < most && end > most);
    const cut = open?.start ?? most;
    let line = this.#line;
    let at = this.#done;
    for (const { rule, start, end } of secrets) {
      if (start >= cut) break;
      line += linesIn(this.#text, at, start);
      at = start;
      this.#note(rule, this.#text.slice(start, end), line);
    }
    this.#line = line + linesIn(this.#text, at, cut);
    const kept = Math.max(0, cut - CONTEXT);
    this.#text = this.#text.slice(kept);
    this.#done = cut - kept;
  }
}

function linesIn(text: string, start: number, end: number): number {
  let lines = 0;
  for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) {
    lines++;
  }
  return lines;
}
