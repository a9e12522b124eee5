/**
 * Writes to files of which the disk may be full.
 *
 * @module
 */

/**
 * Writes all of it. A disk that is getting full takes a part of what it is given, or nothing, without
 * an error: what is left is offered again.
 *
 * @param took Is told of every part that was taken.
 * @throws What the system says; `ENOSPC`, too, where nothing is taken.
 */
export function writeAll(
  file: Pick<Deno.FsFile, "writeSync">,
  bytes: Uint8Array,
  took: (count: number) => void = () => {},
): void {
  for (let at = 0; at < bytes.length;) {
    const count = file.writeSync(at === 0 ? bytes : bytes.subarray(at));
    if (count === 0) throw Object.assign(new Error("Nothing was written"), { code: "ENOSPC" });
    at += count;
    took(count);
  }
}
