/**
 * Reads the contents of many objects out of one git.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import { HINT_DAMAGED } from "../snapshot/entry_rules.ts";
import type { Clone } from "./clone.ts";

/** The contents of many objects, one after the other, out of one git. */
export class BatchReader {
  readonly #clone: Clone;
  readonly #ids: readonly string[];
  #held: Uint8Array = new Uint8Array(0);
  #more: (() => Promise<Uint8Array | undefined>) | undefined;

  constructor(clone: Clone, ids: readonly string[]) {
    this.#clone = clone;
    this.#ids = ids;
  }

  /** Gives `take` what hands out the next content, each to be read to its end. */
  async read(take: (next: () => AsyncGenerator<Uint8Array>) => Promise<void>): Promise<void> {
    const pipe = new TransformStream<Uint8Array, Uint8Array>();
    const writer = pipe.writable.getWriter();
    const reader = pipe.readable.getReader();
    this.#more = async () => (await reader.read()).value;
    const input = [new TextEncoder().encode(this.#ids.map((id) => `${id}\n`).join(""))];
    const { git, repository } = this.#clone;
    const reading = git.call(["cat-file", "--batch"], {
      repository,
      input,
      output: (bytes) => writer.write(bytes),
    }).then(() => writer.close());
    const taking = take(() => this.#next());
    taking.catch((error) => writer.abort(error).catch(() => {}));
    reading.catch((error) => writer.abort(error).catch(() => {}));
    const outcomes = await Promise.allSettled([taking, reading]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async *#next(): AsyncGenerator<Uint8Array> {
    const line = await this.#line();
    const size = Number(/^[0-9a-f]{40} blob (\d+)$/.exec(line)?.[1] ?? NaN);
    if (Number.isNaN(size)) throw lost(`"${line.slice(0, 40)}" is no content of a file`);
    for (let left = size; left > 0;) {
      if (this.#held.length === 0) await this.#fill();
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
    await this.#line();
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf(10);
      if (end >= 0) {
        const line = new TextDecoder().decode(this.#held.subarray(0, end));
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      await this.#fill();
    }
  }

  async #fill(): Promise<void> {
    const more = await this.#more!();
    if (more === undefined) throw lost("git ended too early");
    const all = new Uint8Array(this.#held.length + more.length);
    all.set(this.#held);
    all.set(more, this.#held.length);
    this.#held = all;
  }
}

function lost(state: string): StageError {
  return new StageError("snapshot-damaged", `Cannot read the repository: ${state}`, {
    hint: HINT_DAMAGED,
  });
}
