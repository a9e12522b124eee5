/**
 * Hashes files: with SHA-256, which says to anybody what was stored, or with XXH64, which says
 * whether something that nobody else could change is as it was, in a fifth of the time.
 *
 * @module
 */
import type { Pace } from "./pace.ts";
import type { SourceFile } from "./source_file.ts";

/** A hash that is fed in pieces. */
export interface ContentHash {
  update(bytes: Uint8Array): void;
  /** In hexadecimal, of all that came so far. */
  digest(): string;
}

/** The hash of some bytes in hexadecimal, and how many they were. */
export interface Hashed {
  readonly size: number;
  readonly hash: string;
}

/** A piece that stays in the processor's cache between being read and being hashed. */
const PIECE_SIZE = 2 ** 18;

/** Hashes what is read, with one buffer for all. */
export class Hashing {
  /** A hash that is fed in pieces. */
  readonly begin: () => ContentHash;
  /** What it is called where others read it. */
  readonly name: "sha256" | "xxh64";
  readonly #small: ((bytes: Uint8Array) => string) | undefined;
  #piece: Uint8Array | undefined;

  /** @param small A quicker way with bytes that are all there. */
  private constructor(
    name: Hashing["name"],
    begin: () => ContentHash,
    small?: (bytes: Uint8Array) => string,
  ) {
    this.name = name;
    this.begin = begin;
    this.#small = small;
  }

  /** SHA-256. Loads what it takes: 15 ms, to be spent by those who need it. */
  static async load(): Promise<Hashing> {
    const { createHash, hash } = await import("node:crypto");
    const begin = () => {
      const sum = createHash("sha256");
      return {
        update: (bytes: Uint8Array) => void sum.update(bytes),
        digest: () => sum.digest("hex"),
      };
    };
    return new Hashing("sha256", begin, hash && ((bytes) => hash("sha256", bytes, "hex")));
  }

  /** Whether there is XXH64 here. */
  static get isQuick(): boolean {
    return typeof WebAssembly !== "undefined";
  }

  /**
   * XXH64, which loads in a millisecond and may be told at any time: not for what somebody might want
   * to look the same. SHA-256 where V8 runs without WebAssembly, as on hardened machines (`--jitless`).
   */
  static async quick(): Promise<Hashing> {
    if (!Hashing.isQuick) return await Hashing.load();
    const { default: xxhash } = await import("xxhash-wasm");
    const { create64 } = await xxhash();
    return new Hashing("xxh64", () => {
      const sum = create64();
      return {
        update: (bytes) => void sum.update(bytes),
        digest: () => sum.digest().toString(16).padStart(16, "0"),
      };
    });
  }

  /** The hash of bytes that are all there, in hexadecimal. */
  of(bytes: Uint8Array): string {
    if (this.#small !== undefined) return this.#small(bytes);
    const hash = this.begin();
    for (let at = 0; at < bytes.length; at += PIECE_SIZE) {
      hash.update(bytes.subarray(at, at + PIECE_SIZE));
    }
    return hash.digest();
  }

  /** Reads and hashes the next `size` bytes of a file, or what there is of them. */
  async read(file: SourceFile, size: number, pace: Pace): Promise<Hashed> {
    const piece = this.#piece ??= new Uint8Array(PIECE_SIZE);
    if (size <= PIECE_SIZE) {
      const used = file.fill(piece.subarray(0, size));
      return { size: used, hash: this.of(piece.subarray(0, used)) };
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
    return { size: size - left, hash: hash.digest() };
  }
}
