/**
 * What sealing and opening the payload of an age file have in common.
 *
 * A payload is cut into chunks of 64 KiB, each sealed with ChaCha20-Poly1305 under a nonce that
 * counts and that marks the last one (https://c2sp.org/age#payload).
 *
 * @module
 */

/** Bytes of plaintext in every chunk but the last. */
export const CHUNK_SIZE = 65_536;

/** Bytes that sealing adds to a chunk. */
export const TAG_SIZE = 16;

/** Bytes between header and payload that make the payload's key. */
export const SALT_SIZE = 16;

/** As `node:crypto` names it. */
export const CIPHER = "chacha20-poly1305";

/**
 * Who seals and opens the payload: `node:crypto` at a gigabyte a second, or age-encryption in
 * JavaScript, for runtimes that lack the cipher (Deno 2.4).
 */
export type Engine = "native" | "library";

/** The fastest engine that this runtime has. */
export async function fastestEngine(): Promise<Engine> {
  const { getCiphers } = await import("node:crypto");
  return getCiphers().includes(CIPHER) ? "native" : "library";
}

/** One chunk of a payload, valid until the next is asked for. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly nonce: Uint8Array;
  readonly last: boolean;
}

/** Cuts bytes into chunks of `size`; the last one may be shorter, and is empty only when alone. */
export async function* chunks(
  input: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Chunk, void, void> {
  // Only what follows tells whether a chunk is the last, so a full one at the end of a piece waits.
  const held = new Uint8Array(size);
  let used = 0;
  let index = 0;
  for await (const piece of input) {
    let at = 0;
    while (at < piece.length) {
      if (used === size) {
        yield { bytes: held, nonce: nonceOf(index++, false), last: false };
        used = 0;
      }
      while (used === 0 && piece.length - at > size) {
        const bytes = piece.subarray(at, at + size);
        yield { bytes, nonce: nonceOf(index++, false), last: false };
        at += size;
      }
      const count = Math.min(size - used, piece.length - at);
      held.set(piece.subarray(at, at + count), used);
      used += count;
      at += count;
    }
  }
  yield { bytes: held.subarray(0, used), nonce: nonceOf(index, true), last: true };
}

/** The key of one payload. */
export async function payloadKey(fileKey: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  const { hkdfSync } = await import("node:crypto");
  return new Uint8Array(hkdfSync("sha256", fileKey, salt, "payload", 32));
}

/** Copies of what passes: streams keep pieces for longer than a source keeps them valid. */
export async function* copies(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  for await (const piece of input) yield new Uint8Array(piece);
}

/**
 * Frees memory now. A thread that mostly passes bytes on allocates little on its own heap, so the
 * collector runs late and hundreds of megabytes pile up otherwise.
 */
export function discard({ buffer, byteLength }: Uint8Array): void {
  // What is smaller than its memory shares it with others: node:crypto's small answers do.
  if (byteLength > 0 && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}

/** Eleven bytes that count, the highest first, and one that marks the last chunk. */
function nonceOf(index: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(index));
  nonce[11] = last ? 1 : 0;
  return nonce;
}
