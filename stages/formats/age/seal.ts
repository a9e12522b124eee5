/**
 * Makes age files (https://c2sp.org/age) out of streams.
 *
 * age-encryption makes the header: recipients, wrapped file key, MAC. The payload is sealed by the
 * fastest engine at hand.
 *
 * @module
 */
import type { ByteSink, ByteSource } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { checkRecipient } from "./recipients.ts";
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

/**
 * Encrypts `input` so that each of the recipients can open it alone. File key and salt are new for
 * every file.
 *
 * @throws {StageError} `recipient-invalid`, before anything is written.
 */
export async function seal(
  input: ByteSource,
  recipients: readonly string[],
  output: ByteSink,
  engine?: Engine,
): Promise<void> {
  await requireRecipients(recipients);
  await ENGINES[engine ?? await fastestEngine()](input, [...new Set(recipients)], output);
}

/** @throws {StageError} `recipient-invalid` unless there is one, and each of them can be used. */
async function requireRecipients(recipients: readonly string[]): Promise<void> {
  if (recipients.length === 0) {
    throw new StageError("recipient-invalid", NO_RECIPIENT, { hint: HINT_NO_RECIPIENT });
  }
  for (const recipient of recipients) {
    const fault = await checkRecipient(recipient);
    if (fault === undefined) continue;
    throw new StageError("recipient-invalid", fault.message, { hint: fault.hint });
  }
}

/**
 * A header that wraps a key which there is already.
 *
 * @throws {StageError} `recipient-invalid`.
 */
export async function wrapAnew(
  fileKey: Uint8Array,
  recipients: readonly string[],
): Promise<Uint8Array> {
  await requireRecipients(recipients);
  const made = await makeHeader([...new Set(recipients)], fileKey);
  if (!made.fileKey.every((byte, index) => byte === fileKey[index])) {
    throw new Error("age-encryption did not wrap the key that it was given");
  }
  return made.header;
}

const NO_RECIPIENT = "Cannot encrypt: there is no recipient";
const HINT_NO_RECIPIENT = 'Name one in "to", or a file that holds one';

const ENGINES = { native: sealNatively, library: sealByLibrary } as const;

async function sealNatively(
  input: ByteSource,
  recipients: readonly string[],
  output: ByteSink,
): Promise<void> {
  const { createCipheriv } = await import("node:crypto");
  const { header, fileKey } = await makeHeader(recipients);
  const salt = crypto.getRandomValues(new Uint8Array(SALT_SIZE));
  const key = await payloadKey(fileKey, salt);
  await output.write(header);
  await output.write(salt);
  for await (const { bytes, nonce } of chunks(input, CHUNK_SIZE)) {
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_SIZE });
    const sealed = cipher.update(bytes);
    cipher.final();
    await output.write(sealed);
    discard(sealed);
    await output.write(cipher.getAuthTag());
  }
}

async function sealByLibrary(
  input: ByteSource,
  recipients: readonly string[],
  output: ByteSink,
): Promise<void> {
  const encrypter = await encrypterFor(recipients);
  const sealed = await wrapping(encrypter.encrypt(ReadableStream.from(copies(input))));
  for await (const bytes of sealed) await output.write(bytes);
}

/**
 * A header, and the key that it wraps.
 *
 * @param given The key to wrap; left out, a new one.
 */
async function makeHeader(
  recipients: readonly string[],
  given?: Uint8Array,
): Promise<{ readonly header: Uint8Array; readonly fileKey: Uint8Array }> {
  const encrypter = await encrypterFor(recipients, given);
  let fileKey: Uint8Array | undefined;
  // Learns the key and adds no stanza, so the header lists the real recipients and nothing else.
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = key.slice();
      return [];
    },
  });
  // As a stream: for bytes in memory age-encryption has Deno load all of fetch, which takes 5 ms.
  const empty: number[] = [];
  for await (const part of await wrapping(encrypter.encrypt(ReadableStream.from([])))) {
    empty.push(...part);
  }
  if (fileKey === undefined) throw new Error("age-encryption made a header without a file key");
  // What follows is a salt and an empty chunk. Ours gets another salt.
  return { header: new Uint8Array(empty.slice(0, -SALT_SIZE - TAG_SIZE)), fileKey };
}

async function encrypterFor(
  recipients: readonly string[],
  fileKey?: Uint8Array,
): Promise<import("age-encryption").Encrypter> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  if (fileKey !== undefined) {
    // The first in the row puts its key in the place of the one that was made up: those that follow
    // wrap it, and the header's MAC is made with it. The last tells whether that worked.
    encrypter.addRecipient({
      wrapFileKey(key) {
        key.set(fileKey);
        return [];
      },
    });
  }
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return encrypter;
}

/** A well-formed recipient may still be no key: a point of low order, a number out of range. */
async function wrapping<T>(made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (cause) {
    const message = "Cannot encrypt for the recipients: one of them is no usable key";
    const hint = 'Make an age identity with "keepsake keygen", and use its recipient';
    throw new StageError("recipient-invalid", message, { hint, cause });
  }
}
