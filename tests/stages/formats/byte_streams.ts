/**
 * Byte streams in memory that hold their users to the contract.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { ByteSink, ByteSource } from "../../../stages/contract.ts";

/** Hands bytes out in pieces of `step`, each worthless as soon as the next is asked for. */
export async function* sourceOf(bytes: Uint8Array, step = 1 << 20): ByteSource {
  const piece = new Uint8Array(Math.min(step, Math.max(bytes.length, 1)));
  for (let at = 0; at < bytes.length; at += step) {
    const count = Math.min(step, bytes.length - at);
    piece.set(bytes.subarray(at, at + count));
    yield piece.subarray(0, count);
    piece.fill(0xee);
    await Promise.resolve();
  }
}

/** Hands bytes out, then fails. */
export async function* brokenSource(bytes: Uint8Array, failure: Error): ByteSource {
  yield* sourceOf(bytes);
  throw failure;
}

/** Keeps what is written, block by block. */
export class MemorySink implements ByteSink {
  readonly #blockSize: number;
  readonly #blocks: Uint8Array[] = [];
  #block: Uint8Array;
  #used = 0;

  constructor(blockSize = 1 << 20) {
    this.#blockSize = blockSize;
    this.#block = new Uint8Array(blockSize).fill(0xdd);
  }

  space(): Uint8Array {
    return this.#block.subarray(this.#used);
  }

  commit(count: number): Promise<void> | undefined {
    this.#used += count;
    if (this.#used < this.#blockSize) return undefined;
    this.#blocks.push(this.#block);
    this.#block = new Uint8Array(this.#blockSize).fill(0xdd);
    this.#used = 0;
    return Promise.resolve();
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const space = this.space();
      const count = Math.min(space.length, bytes.length - at);
      space.set(bytes.subarray(at, at + count));
      at += count;
      await this.commit(count);
    }
  }

  /** All that was written. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Buffer.concat([...this.#blocks, this.#block.subarray(0, this.#used)]));
  }
}

/** Random bytes. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

/** Compares quickly, and says where the first difference is. */
export function firstDifference(actual: Uint8Array, expected: Uint8Array): string | undefined {
  if (Buffer.compare(actual, expected) === 0) return undefined;
  if (actual.length !== expected.length) return `${actual.length} bytes, not ${expected.length}`;
  return `at byte ${actual.findIndex((byte, index) => byte !== expected[index])}`;
}
