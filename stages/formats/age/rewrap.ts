/**
 * Gives an age file (https://c2sp.org/age) other recipients: its file key is unwrapped and wrapped
 * anew, in a header with a MAC of its own. Salt and payload stay as they are, to the byte.
 *
 * @module
 */
import type { ByteSink, ByteSource } from "../../contract.ts";
import { follow, readHead, type Unlock } from "./open.ts";
import { wrapAnew } from "./seal.ts";

/**
 * Rewraps `input`. The payload is not looked at: whoever asks for this knows its hash.
 *
 * @throws {StageError} `recipient-invalid`; `snapshot-damaged` when there is no whole header; or
 * what `unlock` throws.
 */
export async function rewrap(
  input: ByteSource,
  unlock: Unlock,
  recipients: readonly string[],
  output: ByteSink,
): Promise<void> {
  const pieces = input[Symbol.asyncIterator]();
  try {
    const { header, salt, rest } = await readHead(pieces);
    const fileKey = await unlock(header);
    await output.write(await wrapAnew(fileKey, recipients));
    await output.write(salt);
    for await (const bytes of follow(rest, pieces)) await output.write(bytes);
  } finally {
    await pieces.return?.();
  }
}
