/**
 * Compression in blocks: every block becomes a zstd frame or gzip member of its own, so that two
 * workers can share the work. Frames (RFC 8878 §3.1) and members (RFC 1952 §2.2) laid end to end
 * are one valid file to stock tools.
 *
 * @module
 */
import type { Codec } from "../contract.ts";
import { BackupError } from "../errors.ts";

const BLOCK_LOG = 22;

/**
 * Length of a block before compression, in bytes, and of the window in which zstd looks for what it
 * has seen: what is smaller finds less, and takes longer. Larger uses more memory.
 */
export const BLOCK_SIZE = 2 ** BLOCK_LOG;

/** Memory for a frame as it is made: logs become a seventh of what they were. */
const FRAME_ROOM = BLOCK_SIZE / 4;

/** The most that one frame may hold: a bomb is refused before it goes off. */
const FRAME_LIMIT = BLOCK_SIZE;

/** How much of a frame that is not yet complete is kept: more than any frame of ours needs. */
const PENDING_LIMIT = FRAME_LIMIT + (1 << 16);

/** Ending of a file that was compressed so. */
export const SUFFIXES: Readonly<Record<Codec, string>> = { zstd: ".zst", gzip: ".gz", none: "" };

/** Turns one block into one frame, in memory of its own that may be transferred. */
export type Encode = (block: Uint8Array) => Uint8Array<ArrayBuffer>;

/**
 * Loads what compresses blocks.
 *
 * @throws {BackupError} `pipeline-invalid` where this runtime lacks the codec (zstd before Deno 2.6).
 */
export async function loadEncoder(codec: Codec): Promise<Encode> {
  if (codec === "none") return (block) => block.slice();
  const { default: zlib } = await import("node:zlib");
  if (codec === "gzip") return (block) => own(zlib.gzipSync(block));
  if (typeof zlib.zstdCompressSync !== "function") throw zstdMissing();
  const params = {
    [zlib.constants.ZSTD_c_compressionLevel]: 3,
    [zlib.constants.ZSTD_c_windowLog]: BLOCK_LOG,
    // Level 3 with a smaller table for short matches, which are left out: logs come out as small, an
    // eighth sooner (docs/decisions/0019-frames.md).
    [zlib.constants.ZSTD_c_chainLog]: 14,
    [zlib.constants.ZSTD_c_minMatch]: 6,
    [zlib.constants.ZSTD_c_checksumFlag]: 1,
  };
  return (block) => own(zlib.zstdCompressSync(block, { chunkSize: FRAME_ROOM, params }));
}

/** Cuts a compressed stream into pieces that can be decompressed one by one. */
export interface Cutter {
  /** Takes bytes in and hands out what is complete, in memory of its own. */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer>[];
  /** @throws {BackupError} `snapshot-damaged` when the stream ends inside a frame. */
  end(): void;
}

/** What cuts a stream of this codec; gzip members cannot be told apart, so pieces pass as they are. */
export function cutterOf(codec: Codec): Cutter {
  return codec === "zstd" ? new FrameCutter() : { push: (bytes) => [bytes.slice()], end() {} };
}

/** Decompresses what a {@linkcode Cutter} handed out. */
export interface Decoder {
  /** Memory stays valid until the next call. */
  decode(piece: Uint8Array): AsyncIterable<Uint8Array> | Uint8Array;
  /** Hands out what is left, after the last piece. */
  end(): AsyncIterable<Uint8Array> | undefined;
}

/**
 * Loads what decompresses pieces.
 *
 * @throws {BackupError} `pipeline-invalid` where this runtime lacks the codec.
 */
export async function loadDecoder(codec: Codec): Promise<Decoder> {
  if (codec === "none") return { decode: (piece) => piece, end: () => undefined };
  const { default: zlib } = await import("node:zlib");
  if (codec === "gzip") return new GzipDecoder(zlib.createGunzip({ chunkSize: BLOCK_SIZE }));
  if (typeof zlib.zstdDecompressSync !== "function") throw zstdMissing();
  keepFreedMemory();
  return {
    decode(piece) {
      try {
        const limits = { chunkSize: BLOCK_SIZE + (1 << 16), maxOutputLength: FRAME_LIMIT };
        return own(zlib.zstdDecompressSync(piece, limits));
      } catch (cause) {
        throw damaged("a zstd frame does not decompress", cause);
      }
    },
    end: () => undefined,
  };
}

/** Finds the ends of zstd frames without decompressing them (RFC 8878 §3.1.1). */
class FrameCutter implements Cutter {
  #held: Uint8Array<ArrayBuffer> = new Uint8Array(FRAME_ROOM);
  #from = 0;
  #to = 0;

  push(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
    if (this.#to + bytes.length > this.#held.length) this.#makeRoom(bytes.length);
    this.#held.set(bytes, this.#to);
    this.#to += bytes.length;
    const frames: Uint8Array<ArrayBuffer>[] = [];
    for (let length = this.#frameLength(); length > 0; length = this.#frameLength()) {
      frames.push(this.#held.slice(this.#from, this.#from + length));
      this.#from += length;
    }
    if (this.#to - this.#from > PENDING_LIMIT) {
      throw damaged("a zstd frame is longer than any of ours");
    }
    return frames;
  }

  end(): void {
    if (this.#from !== this.#to) throw damaged("it ends inside a zstd frame");
  }

  #makeRoom(more: number): void {
    const pending = this.#to - this.#from;
    const held = pending + more > this.#held.length
      ? new Uint8Array((pending + more) * 2)
      : this.#held;
    held.set(this.#held.subarray(this.#from, this.#to));
    this.#held = held;
    this.#from = 0;
    this.#to = pending;
  }

  /** Length of the complete frame at the front, or 0 if more bytes are needed. */
  #frameLength(): number {
    const bytes = this.#held;
    const start = this.#from;
    if (this.#to - start < 6) return 0;
    const view = new DataView(bytes.buffer, start, this.#to - start);
    if (view.getUint32(0, true) !== 0xfd2fb528) throw damaged("it is not a zstd frame");
    const descriptor = view.getUint8(4);
    const single = (descriptor >> 5) & 1;
    let at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! +
      [single, 2, 4, 8][descriptor >> 6]!;
    for (let last = false; !last;) {
      if (at + 3 > view.byteLength) return 0;
      const block = view.getUint8(at) | (view.getUint8(at + 1) << 8) |
        (view.getUint8(at + 2) << 16);
      at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
      last = (block & 1) === 1;
    }
    if (descriptor & 4) at += 4;
    return at <= view.byteLength ? at : 0;
  }
}

/** Decompresses gzip members that are laid end to end. */
class GzipDecoder implements Decoder {
  readonly #gunzip: import("node:zlib").Gunzip;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #failure: Error | undefined;

  constructor(gunzip: import("node:zlib").Gunzip) {
    this.#gunzip = gunzip;
    gunzip.on("error", (cause) => this.#failure = damaged("it does not decompress", cause));
    this.#pieces = gunzip[Symbol.asyncIterator]();
  }

  async *decode(piece: Uint8Array): AsyncGenerator<Uint8Array> {
    const taken = new Promise<"taken">((resolve) =>
      this.#gunzip.write(piece.slice(), () => resolve("taken"))
    );
    yield* this.#until(taken);
  }

  async *end(): AsyncGenerator<Uint8Array> {
    this.#gunzip.end();
    yield* this.#until(new Promise(() => {}));
  }

  #next: Promise<IteratorResult<Uint8Array>> | undefined;

  async *#until(taken: Promise<"taken">): AsyncGenerator<Uint8Array> {
    while (true) {
      this.#next ??= this.#pieces.next();
      this.#next.catch(() => {}); // It is waited for again by whoever comes next.
      let result;
      try {
        result = await Promise.race([this.#next, taken]);
      } catch (cause) {
        throw this.#failure ?? damaged("it does not decompress", cause);
      }
      if (this.#failure) throw this.#failure;
      if (result === "taken" || result.done) return;
      this.#next = undefined;
      const { buffer, byteOffset, length } = result.value;
      yield new Uint8Array(buffer, byteOffset, length);
    }
  }
}

/**
 * Node's buffers may be windows on a pool, and their `slice` does not copy: what goes on from here
 * is a plain array, and one that owns its memory.
 */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  const owns = byteOffset === 0 && buffer.byteLength > 8192;
  if (owns && buffer.byteLength <= 2 * length) {
    return new Uint8Array(buffer as ArrayBuffer, 0, length);
  }
  const copy = new Uint8Array(bytes);
  // Freed now: the collector comes late where little is allocated besides.
  if (owns) (buffer as ArrayBuffer).transfer(0);
  return copy;
}

/**
 * Has the C library keep the memory of frames for the next ones: a third of the time of decompressing
 * goes into pages that the system takes back and clears each time. glibc keeps blocks up to the size of
 * the largest that was ever freed, and twice that at the top of what it has (mallopt(3),
 * M_MMAP_THRESHOLD). This one is never touched, so it takes no memory; a larger one would have much
 * more kept than is used again. Others keep what they keep.
 */
function keepFreedMemory(): void {
  new ArrayBuffer(3 * FRAME_LIMIT).transfer(0);
}

function damaged(state: string, cause?: unknown): BackupError {
  return new BackupError("snapshot-damaged", `Cannot decompress the archive: ${state}`, { cause });
}

function zstdMissing(): BackupError {
  return new BackupError("pipeline-invalid", "Cannot use zstd: this Deno does not have it", {
    hint: 'Use Deno 2.9 or newer, or set compress = "gzip"',
  });
}
