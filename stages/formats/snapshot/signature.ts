/**
 * What a source was like, as two hashes for this machine to compare with: the signature is of what
 * `lstat` says of everything, the fingerprint of all that would be stored. Another signature means
 * that something changed; the same one does not prove that nothing did, as times are coarse. The same
 * fingerprint does. docs/decisions/0018-fingerprints.md says how well.
 *
 * @module
 */
import type { Entry } from "../../contract.ts";
import type { ContentHash, Hashing } from "../hashing.ts";
import type { Found } from "./walk.ts";

/** Hashes lines of JSON, many at once. */
class Lines {
  readonly #hash: ContentHash;
  #lines = "";

  /** @param hashing A quick one. */
  constructor(hashing: Hashing) {
    this.#hash = hashing.begin();
  }

  protected put(fields: readonly (string | number)[]): void {
    this.#lines += `${JSON.stringify(fields)}\n`;
    if (this.#lines.length > LINES_AT_ONCE) this.#flush();
  }

  /** In lower-case hexadecimal. Nothing can be added after that. */
  digest(): string {
    this.#flush();
    return this.#hash.digest();
  }

  #flush(): void {
    this.#hash.update(encoder.encode(this.#lines));
    this.#lines = "";
  }
}

/** Takes what a walk meets, in its order. */
export class Signature extends Lines {
  add({ path, kind, mode, size, mtime, link }: Found): void {
    this.put([path, kind, mode, size, mtime, link]);
  }
}

/** What an entry says but for its times, with a quick hash in the place of SHA-256. */
export type Told = Pick<Entry, "path" | "kind" | "mode"> & { readonly link?: string };

/** Takes what an archive holds, in its order. */
export class Fingerprint extends Lines {
  /** @param hash Of a file's content. */
  add({ path, kind, mode, link = "" }: Told, hash = ""): void {
    this.put([path, kind, mode, link, hash]);
  }
}

const encoder = new TextEncoder();
const LINES_AT_ONCE = 2 ** 16;
