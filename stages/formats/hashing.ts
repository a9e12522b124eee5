/**
 * SHA-256 at full speed.
 *
 * @module
 */
import type { Hash } from "node:crypto";
import type { Pace } from "./pace.ts";
import type { SourceFile } from "./source_file.ts";

/** The hash of some bytes, and how many they were. */
export interface Hashed {
  readonly size: number;
  readonly sha256: string;
}

/** A piece that stays in the processor's cache between being read and being hashed. */
const PIECE_SIZE = 2 ** 20;

/** Hashes what is read, with one buffer for all. */
export class Hashing {
  readonly #crypto: typeof import("node:crypto");
  #piece: Uint8Array | undefined;

  private constructor(crypto: typeof import("node:crypto")) {
    this.#crypto = crypto;
  }

  /** Loads what it takes: 15 ms, to be spent by those who hash. */
  static async load(): Promise<Hashing> {
    return new Hashing(await import("node:crypto"));
  }

  /** A hash that is fed in pieces. */
  begin(): Hash {
    return this.#crypto.createHash("sha256");
  }

  /** The hash of bytes that are all there, in hexadecimal. */
  of(bytes: Uint8Array): string {
    const { hash } = this.#crypto;
    return hash === undefined
      ? this.begin().update(bytes).digest("hex")
      : hash("sha256", bytes, "hex");
  }

  /** Reads and hashes the next `size` bytes of a file, or what there is of them. */
  async read(file: SourceFile, size: number, pace: Pace): Promise<Hashed> {
    const piece = this.#piece ??= new Uint8Array(PIECE_SIZE);
    if (size <= PIECE_SIZE) {
      const used = file.fill(piece.subarray(0, size));
      return { size: used, sha256: this.of(piece.subarray(0, used)) };
    }
    const hash = this.begin();
    let left = size;
    while (left > 0) {
      const used = file.fill(piece.subarray(0, Math.min(left, PIECE_SIZE)));
      if (used === 0) break;
      hash.update(piece.subarray(0, used));
      left -= used;
      if (pace.isDue) await pace.turn();
    }
    return { size: size - left, sha256: hash.digest("hex") };
  }
}
