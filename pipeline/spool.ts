/**
 * The spool: finished files wait here until every destination has its copy. Emptied at the end of a
 * run and, after a crash, at the start of the next.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError, HINT_FULL } from "../stages/errors.ts";

/** A file in the spool. */
export interface Spooled {
  readonly path: string;
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
}

/** The same, before its hash is known for certain. */
export interface Written extends Omit<Spooled, "sha256"> {
  readonly sha256: string | undefined;
}

/** How much is written before the disk is told to start on it. */
const FLUSH_EVERY = 16 << 20;

/** The spool directory of one pipeline. Whoever holds the pipeline's lock owns it. */
export class Spool {
  readonly #directory: string;
  #files = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Opens an empty spool; what a crashed run left there is removed. */
  static async open(directory: string): Promise<Spool> {
    const spool = new Spool(directory);
    await spool.empty();
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    return spool;
  }

  /**
   * Writes a stream to a file of its own (0600).
   *
   * @param hashing Whether to hash what is written: not needed where the stage that made the stream
   *   says its hash, which whoever reads the file compares.
   * @throws {BackupError} `storage-full`, naming path and bytes; whatever the stream throws. The
   *   file is gone then.
   */
  async write(source: AsyncIterable<Uint8Array>, hashing: boolean): Promise<Written> {
    const path = join(this.#directory, String(this.#files++));
    const hash = hashing ? (await import("node:crypto")).createHash("sha256") : undefined;
    const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    let size = 0;
    let flushed = 0;
    let flushing: Promise<void> | undefined;
    try {
      for await (const bytes of source) {
        writeAll(file, bytes, path, size);
        hash?.update(bytes);
        size += bytes.length;
        if (size - flushed >= FLUSH_EVERY && flushing === undefined) {
          // The disk works while the processor does, and the last flush finds little left to do.
          flushed = size;
          flushing = file.syncData().catch(() => {}).finally(() => flushing = undefined);
        }
      }
      await flushing;
      return { path, size, sha256: hash?.digest("hex") };
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      throw error;
    } finally {
      await flushing;
      file.close();
    }
  }

  /**
   * Makes a directory for one destination, in which these files have the given names. They are
   * links: what the destination does to its names disturbs no other.
   */
  async handOver(id: string, files: readonly { name: string; path: string }[]): Promise<string> {
    const directory = this.directoryOf(id);
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    for (const { name, path } of files) {
      const own = join(directory, name);
      // Some file systems have no hard links.
      await Deno.link(path, own).catch(() => Deno.copyFile(path, own));
    }
    return directory;
  }

  /** Where {@linkcode handOver} puts a destination's files. */
  directoryOf(id: string): string {
    return join(this.#directory, `to-${id}`);
  }

  /** Removes everything. */
  async empty(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** A full disk may take a part and say nothing: only what is counted is written. */
function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string, before: number): void {
  for (let at = 0; at < bytes.length;) {
    try {
      const written = file.writeSync(bytes.subarray(at));
      if (written === 0) throw Object.assign(new Error("nothing was written"), { code: "ENOSPC" });
      at += written;
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ENOSPC")) throw cause;
      throw new BackupError(
        "storage-full",
        `Cannot spool the archive in "${path}": the disk is full after ${before + at} bytes`,
        { hint: `${HINT_FULL} for the pipeline's "state"`, cause },
      );
    }
  }
}
