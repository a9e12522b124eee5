/**
 * The signature of a tree: what `lstat` says of it, as one hash. Another signature means that
 * something changed; the same one does not prove that nothing did, as times are coarse.
 *
 * @module
 */
import type { Hashing } from "./hashing.ts";
import type { Found } from "./walk.ts";

/** Takes what a walk meets, in its order. */
export class Signature {
  readonly #hash: ReturnType<Hashing["begin"]>;
  #lines = "";

  constructor(hashing: Hashing) {
    this.#hash = hashing.begin();
  }

  add({ path, kind, mode, size, mtime, link }: Found): void {
    this.#lines += `${JSON.stringify([path, kind, mode, size, mtime, link])}\n`;
    if (this.#lines.length > LINES_AT_ONCE) this.#flush();
  }

  /** In lower-case hexadecimal. Nothing can be added after that. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#lines);
    this.#lines = "";
  }
}

const LINES_AT_ONCE = 2 ** 16;
