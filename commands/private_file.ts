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
 * @param otherwise How another one is named, for the end of a hint.
 * @throws {BackupError} `usage` when there is one already; `storage-full`.
 */
export async function createPrivately(
  path: string,
  text: string,
  otherwise: string,
): Promise<void> {
  await naming(path, `, or ${otherwise}`, async () => {
    await makeDirectory(dirname(path));
    await using cleanup = new AsyncDisposableStack();
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    cleanup.defer(() => Deno.remove(path));
    await writeAll(file, text);
    cleanup.move();
  });
}

/**
 * Makes sure that there is nothing in the place of a new file.
 *
 * @param otherwise How another one is named, for the end of a hint.
 * @throws {BackupError} `usage` when there is something, or nobody can tell.
 */
export async function assertFree(path: string, otherwise: string): Promise<void> {
  await naming(path, `, or ${otherwise}`, async () => {
    try {
      await Deno.lstat(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    throw Object.assign(new Deno.errors.AlreadyExists(path), { code: "EEXIST" });
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

/** Says what went wrong with which file; hints end with what else can be done. */
async function naming(path: string, otherwise: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const isDirectory = await Deno.stat(path).then((info) => info.isDirectory, () => false);
    if (cause instanceof Deno.errors.AlreadyExists && !isDirectory) {
      throw new BackupError("usage", `Cannot write "${path}": it exists already`, {
        hint: `Go on with it${otherwise}`,
        cause,
      });
    }
    const fault = systemFault(cause, isDirectory ? { EEXIST: "it is a directory" } : {});
    if (fault === undefined) throw cause;
    const code = fault.kind === "full" ? "storage-full" : "usage";
    throw new BackupError(code, `Cannot write "${path}": ${fault.state}`, {
      hint: `Put that right${otherwise}`,
      cause,
    });
  }
}
