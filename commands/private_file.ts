/**
 * Files that nobody else may read, and that are never overwritten.
 *
 * @module
 */
import { dirname } from "node:path";
import { BackupError, systemFault } from "../pipeline/errors.ts";

/**
 * Writes a new file of mode 0600, with its directories of mode 0700 where there are none.
 *
 * @param hint What to do when there is one already.
 * @throws {BackupError} `usage` when there is one already; `storage-full`.
 */
export async function createPrivately(path: string, text: string, hint: string): Promise<void> {
  await naming(path, hint, async () => {
    await makeDirectory(dirname(path));
    await using cleanup = new AsyncDisposableStack();
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    cleanup.defer(() => Deno.remove(path));
    await writeAll(file, text);
    cleanup.move();
  });
}

/** Adds to a file of mode 0600, which is made where there is none. */
export async function appendPrivately(path: string, text: string): Promise<void> {
  await naming(path, "", async () => {
    using file = await Deno.open(path, { append: true, create: true, mode: 0o600 });
    await writeAll(file, text);
  });
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw Object.assign(new Error("A file is in the way", { cause }), { code: "ENOTDIR" });
  }
}

/** A disk that is full takes a part and says nothing: what is left is offered again, and fails. */
async function writeAll(file: Deno.FsFile, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  await file.sync();
}

/** Says what went wrong with which file. */
async function naming(path: string, hint: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const isDirectory = await Deno.stat(path).then((info) => info.isDirectory, () => false);
    if (cause instanceof Deno.errors.AlreadyExists && !isDirectory) {
      throw new BackupError("usage", `Cannot write "${path}": it exists already`, { hint, cause });
    }
    const fault = systemFault(cause, isDirectory ? { EEXIST: "it is a directory" } : {});
    if (fault === undefined) throw cause;
    const code = fault.kind === "full" ? "storage-full" : "usage";
    throw new BackupError(code, `Cannot write "${path}": ${fault.state}`, {
      hint: "Name another file, or put that right",
      cause,
    });
  }
}
