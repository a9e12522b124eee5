/**
 * A file in the pieces that an S3 server gets, with the hashes by which the server's answer is
 * believed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** One piece. */
export interface Piece {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In base64, as headers carry it. */
  readonly md5: string;
  readonly sha256: string | undefined;
}

/** What a file amounts to once all of its pieces were read. */
export interface Sum {
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
  /** What servers call an object that came in these pieces, unless they encrypt it. */
  readonly etag: string;
  /** The hash of hashes that Amazon's servers tell of it; `undefined`: not asked for. */
  readonly checksum: string | undefined;
}

/** Small enough for four of them to be in memory, large enough for a fast line. */
export const PIECE: number = 8 * 2 ** 20;

/** Servers take 10,000 of them. */
const MOST_PIECES = 9_500;
/** All but the last have a size that is a multiple of this. */
const STEP = 2 ** 20;

/** How large the pieces of a file are. */
export function pieceSizeOf(size: number): number {
  return Math.max(PIECE, Math.ceil(size / MOST_PIECES / STEP) * STEP);
}

/** Reads a file from front to back. */
export class Pieces implements Disposable {
  readonly #size: number;
  readonly #checksums: boolean;
  readonly #file: Deno.FsFile;
  readonly #all = createHash("sha256");
  readonly #md5s: Uint8Array[] = [];
  readonly #sha256s: Uint8Array[] = [];
  #read = 0;
  #sum: Sum | undefined;

  /**
   * @param size What the file should have. One that has more or less adds up to another sum.
   * @param checksums Whether the server gets SHA-256 hashes too.
   */
  constructor(path: string, size: number, checksums: boolean) {
    this.#size = pieceSizeOf(size);
    this.#checksums = checksums;
    this.#file = Deno.openSync(path);
  }

  /**
   * The next piece; `undefined` at the end. A file without content has one, which is empty.
   *
   * @param before A piece that is done with: its memory is used again.
   */
  next(before?: Piece): Piece | undefined {
    const left = this.#file.statSync().size - this.#read;
    const room = Math.max(0, Math.min(this.#size, left));
    const buffer = before === undefined
      ? new Uint8Array(room)
      : new Uint8Array(before.bytes.buffer).subarray(0, room);
    let filled = 0;
    while (filled < buffer.length) {
      const count = this.#file.readSync(buffer.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    if (filled === 0 && this.#md5s.length > 0) return undefined;
    const bytes = buffer.subarray(0, filled);
    this.#read += filled;
    this.#all.update(bytes);
    const md5 = createHash("md5").update(bytes).digest();
    this.#md5s.push(md5);
    const sha256 = this.#checksums ? createHash("sha256").update(bytes).digest() : undefined;
    if (sha256 !== undefined) this.#sha256s.push(sha256);
    return {
      number: this.#md5s.length,
      bytes,
      md5: md5.toString("base64"),
      sha256: sha256?.toString("base64"),
    };
  }

  /** What was read. To be asked at the end. */
  sum(): Sum {
    return this.#sum ??= this.#addUp();
  }

  #addUp(): Sum {
    const many = this.#md5s.length > 1 ? `-${this.#md5s.length}` : "";
    return {
      size: this.#read,
      sha256: this.#all.digest("hex"),
      etag: combine("md5", this.#md5s).toString("hex") + many,
      checksum: this.#checksums
        ? combine("sha256", this.#sha256s).toString("base64") + many
        : undefined,
    };
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The hash of one piece stands for itself, those of many are hashed together. */
function combine(algorithm: string, hashes: readonly Uint8Array[]) {
  if (hashes.length === 1) return Buffer.from(hashes[0]!);
  const hash = createHash(algorithm);
  for (const part of hashes) hash.update(part);
  return hash.digest();
}
