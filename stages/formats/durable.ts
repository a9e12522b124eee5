/**
 * What outlasts a power cut: files and names that are flushed.
 *
 * @module
 */
import { systemCode } from "../errors.ts";

/** Not the synchronous call: a slow disk takes minutes, and the worker has to answer meanwhile. */
export async function flush(file: Deno.FsFile): Promise<void> {
  await file.sync().catch((error) => {
    if (!isFlushless(error)) throw error;
  });
}

/**
 * Makes new and removed names in a directory outlast a power cut; where it is gone, so are they.
 *
 * @param flushed Flushes what is open, and says what is wrong with it.
 */
export async function flushDirectory(path: string, flushed = flush): Promise<void> {
  // Windows opens no directories.
  if (Deno.build.os === "windows" || lstatIfThere(path) === undefined) return;
  using directory = await Deno.open(path);
  await flushed(directory);
}

/** Whether the file system knows no flush, as some network shares do not. */
export function isFlushless(error: unknown): boolean {
  return ["EINVAL", "ENOTSUP", "EOPNOTSUPP"].includes(systemCode(error) ?? "");
}

/** What stands at a path, a link as such; `undefined` for nothing. */
export function lstatIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
