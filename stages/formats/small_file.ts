/**
 * Reads small files that anybody may have made: what comes with a project may be a pipe, which is
 * waited for without end, or a link to a device that has none.
 *
 * @module
 */
import { ReadFault, SourceFile } from "./source_file.ts";

/** Claude Code's state with all its history has a few megabytes. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * The text of a regular file, or of the one that a link leads to, without its byte order mark. Of
 * what a kernel makes up, which says that it is empty, nothing is read.
 *
 * @throws {ReadFault} For anything else, and what is too large.
 * @throws What the system says where there is nothing.
 */
export function readSmall(path: string): string {
  const real = Deno.realPathSync(path);
  const info = Deno.lstatSync(real);
  if (!info.isFile) throw new ReadFault("it is no regular file");
  using file = SourceFile.open(real, info);
  return readWhole(file, MOST_BYTES);
}

/**
 * The text of a file that is open, from its first byte, without its byte order mark.
 *
 * @throws {ReadFault} For one of more than `most` bytes.
 */
export function readWhole(file: SourceFile, most: number): string {
  const { size } = file.info;
  if (size > most) throw new ReadFault("it is too large");
  const bytes = new Uint8Array(size);
  return new TextDecoder().decode(bytes.subarray(0, file.fill(bytes)));
}
