/**
 * Reads age files (https://c2sp.org/age) as streams.
 *
 * age-encryption reads the header. The payload is opened by the fastest engine at hand, and no
 * byte of a chunk is handed on before the chunk has been authenticated.
 *
 * @module
 */
import type { ByteSink, ByteSource } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import {
  CHUNK_SIZE,
  chunks,
  CIPHER,
  copies,
  discard,
  type Engine,
  fastestEngine,
  payloadKey,
  SALT_SIZE,
  TAG_SIZE,
} from "./stream.ts";

/** Finds the file key in a header, its MAC checked. */
export type Unlock = (header: Uint8Array) => Promise<Uint8Array>;

/**
 * Decrypts `input`. Whole chunks come out before the end is known: what is made of them must not be
 * used before this has returned.
 *
 * @throws {StageError} `snapshot-damaged` unless it is one whole age file, to the last byte; or
 * what `unlock` throws.
 */
export async function open(
  input: ByteSource,
  unlock: Unlock,
  output: ByteSink,
  engine?: Engine,
): Promise<void> {
  const pieces = input[Symbol.asyncIterator]();
  try {
    const head = await readHead(pieces);
    const fileKey = await unlock(head.header);
    const plain = ENGINES[engine ?? await fastestEngine()](fileKey, head, pieces);
    for await (const bytes of plain) {
      await output.write(bytes);
      discard(bytes);
    }
  } finally {
    await pieces.return?.();
  }
}

/** The error for a file that is not, or no longer, what age made. */
export function damaged(state: string, cause?: unknown): StageError {
  return new StageError("snapshot-damaged", `Cannot decrypt the file: ${state}`, { cause });
}

/** What stands before the payload, and what came along with it. */
export interface Head {
  readonly header: Uint8Array;
  readonly salt: Uint8Array;
  readonly rest: Uint8Array;
}

const MAGIC = "age-encryption.org/v1\n";
const HEADER_END_REGEXP = /\n--- [^\n]*\n/;

/** Room for hundreds of recipients, and a bound for a file that never comes to the point. */
const HEAD_LIMIT = 1 << 20;

/** Reads up to the payload, and what came along with it. */
export async function readHead(pieces: AsyncIterator<Uint8Array>): Promise<Head> {
  let bytes = new Uint8Array(0);
  while (true) {
    const { done, value } = await pieces.next();
    if (done) throw damaged(bytes.length === 0 ? "it is empty" : "it is cut short");
    const longer = new Uint8Array(bytes.length + value.length);
    longer.set(bytes);
    longer.set(value, bytes.length);
    bytes = longer;
    // One character a byte, so that positions are the same.
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, HEAD_LIMIT));
    if (!text.startsWith(MAGIC.slice(0, text.length))) throw damaged("it is no age file");
    const end = HEADER_END_REGEXP.exec(text);
    if (end === null) {
      if (bytes.length >= HEAD_LIMIT) throw damaged("its header has no end");
      continue;
    }
    const saltAt = end.index + end[0].length;
    const restAt = saltAt + SALT_SIZE;
    if (bytes.length < restAt) continue;
    const header = bytes.subarray(0, saltAt);
    return { header, salt: bytes.subarray(saltAt, restAt), rest: bytes.subarray(restAt) };
  }
}

const ENGINES = { native: openNatively, library: openByLibrary } as const;

async function* openNatively(
  fileKey: Uint8Array,
  { salt, rest }: Head,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const { createDecipheriv } = await import("node:crypto");
  const key = await payloadKey(fileKey, salt);
  let opened = 0;
  for await (const { bytes, nonce, last } of chunks(follow(rest, pieces), CHUNK_SIZE + TAG_SIZE)) {
    const size = bytes.length - TAG_SIZE;
    // Only a file of nothing ends with an empty chunk.
    if (size < 0 || (size === 0 && opened > 0)) throw damaged(stateAfter(opened, last));
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_SIZE });
    decipher.setAuthTag(bytes.subarray(size));
    const plain = decipher.update(bytes.subarray(0, size));
    try {
      decipher.final();
    } catch (cause) {
      throw damaged(stateAfter(opened, last), cause);
    }
    opened += size;
    yield plain;
  }
}

async function* openByLibrary(
  fileKey: Uint8Array,
  { header, salt, rest }: Head,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  decrypter.addIdentity({ unwrapFileKey: () => fileKey });
  let failure: unknown;
  async function* file(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield header;
      yield salt;
      yield* copies(follow(rest, pieces));
    } catch (thrown) {
      failure = thrown;
      throw thrown;
    }
  }
  let opened = 0;
  try {
    for await (const plain of await decrypter.decrypt(ReadableStream.from(file()))) {
      opened += plain.length;
      yield plain;
    }
  } catch (cause) {
    // The stage above may have failed; only what age-encryption throws is damage.
    throw failure ?? damaged(stateAfter(opened, true), cause);
  }
}

/** Bytes that were read too far, then the others. */
export async function* follow(
  rest: Uint8Array,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield rest;
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
}

function stateAfter(opened: number, last: boolean): string {
  return `it is damaged${last ? " or cut short" : ""} after ${opened} bytes of content`;
}
