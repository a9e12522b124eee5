/**
 * Reads a spooled file as what it was made.
 *
 * @module
 */
import type { SpoolFile } from "../contract.ts";
import { StageError } from "../errors.ts";

const BLOCK = 1 << 20;

/**
 * The bytes of a spooled file, in pieces that are valid until the next one is asked for.
 *
 * @throws {StageError} `destination-refused`, at the end, unless size and hash are what they should be.
 */
export async function* spoolPieces(
  { key, path, size, sha256 }: SpoolFile,
): AsyncGenerator<Uint8Array, void> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  let read = 0;
  for (;;) {
    const block = new Uint8Array(BLOCK);
    const count = await file.read(block);
    if (count === null) break;
    const bytes = block.subarray(0, count);
    hash.update(bytes);
    read += count;
    if (read <= size) yield bytes;
  }
  if (read === size && hash.digest("hex") === sha256) return;
  throw new StageError("destination-refused", `Cannot send "${key}": it is not as it was spooled`, {
    hint: "Check the disk of the state directory, and run again",
  });
}
