/**
 * Looks into what comes out of an archive: whether logs can be read line by line, and databases be
 * opened. Bytes that are those that were stored may still be of no use.
 *
 * @module
 */
import type { FileEntry, Inspection, Remark } from "../../contract.ts";
import { JsonLines } from "../json_lines.ts";
import type { Pace } from "../pace.ts";
import { SqliteCopy } from "../sqlite/copy.ts";

/** Looks into the files of an archive as they pass, one after the other. */
export class Inspector implements Disposable {
  readonly #scratch: string;
  readonly #pace: Pace;
  readonly #flaws: Remark[] = [];
  readonly #unchecked: Remark[] = [];
  #lines = 0;
  #databases = 0;
  #log: { readonly path: string; readonly lines: JsonLines } | undefined;
  /** The database that was last met: what belongs to it follows next. */
  #database: SqliteCopy | undefined;
  #current: Sink | undefined;
  /** Bytes of a file of which it is not known yet what it is. */
  #head: { readonly path: string; readonly bytes: Uint8Array; used: number } | undefined;

  /** @param scratch An empty directory, for databases: SQLite opens files only. */
  constructor(scratch: string, pace: Pace) {
    this.#scratch = scratch;
    this.#pace = pace;
  }

  /** A regular file begins. */
  begin({ path, size }: FileEntry): void {
    const role = this.#database?.roleOf(path);
    if (role === undefined) this.#closeDatabase();
    if (role === "wal" && size > 0) this.#current = this.#database!.openLog();
    else if (role === undefined && path.endsWith(".jsonl")) {
      this.#log = { path, lines: new JsonLines() };
    } else if (role === undefined && size >= MAGIC.length) {
      this.#head = { path, bytes: new Uint8Array(MAGIC.length), used: 0 };
    }
  }

  /** The next bytes of its content, valid until this returns. */
  data(bytes: Uint8Array): void {
    if (this.#log) return this.#log.lines.push(bytes);
    if (this.#head === undefined) return this.#current?.write(bytes);
    const { path, bytes: head, used } = this.#head;
    const taken = bytes.subarray(0, head.length - used);
    head.set(taken, used);
    this.#head.used += taken.length;
    if (this.#head.used < head.length) return;
    this.#head = undefined;
    if (!head.every((byte, index) => byte === MAGIC[index])) return;
    this.#database = new SqliteCopy(path, this.#scratch);
    this.#current = this.#database.open();
    this.#current.write(head);
    if (taken.length < bytes.length) this.#current.write(bytes.subarray(taken.length));
  }

  /** The file ended. */
  end(): void {
    this.#current?.close();
    this.#current = undefined;
    this.#head = undefined;
    if (this.#log === undefined) return;
    const { path, lines } = this.#log;
    this.#log = undefined;
    lines.finish();
    this.#lines += lines.count;
    if (lines.flaw !== undefined) this.#flaws.push({ path, reason: lines.flaw });
  }

  /** What was found, all in all. */
  async finish(): Promise<Inspection> {
    this.#closeDatabase();
    const found = await Promise.all(this.#checking);
    for (const { path, state, reason } of found) {
      if (state === "unchecked") this.#unchecked.push({ path, reason });
      else this.#databases++;
      if (state === "damaged") this.#flaws.push({ path, reason });
    }
    const [lines, databases] = [this.#lines, this.#databases];
    return { lines, databases, flaws: this.#flaws, unchecked: this.#unchecked };
  }

  /** Nothing stays behind, whatever happened. */
  [Symbol.dispose](): void {
    this.#current?.close();
    this.#database?.remove();
  }

  readonly #checking: ReturnType<SqliteCopy["check"]>[] = [];

  #closeDatabase(): void {
    if (this.#database === undefined) return;
    this.#checking.push(this.#database.check(this.#pace));
    this.#database = undefined;
  }
}

/** Takes what is in a file. */
interface Sink {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** How every SQLite database begins (https://www.sqlite.org/fileformat.html#magic_header_string). */
const MAGIC = new TextEncoder().encode("SQLite format 3\0");
