/**
 * The spool: finished files wait here until every destination has its copy. Emptied after each
 * snapshot, at the end of a run and, after a crash, at the start of the next.
 *
 * @module
 */
import { join } from "node:path";
import { isFlushless } from "../../stages/formats/durable.ts";
import { writeAll } from "../../stages/formats/write_all.ts";
import { stateFault } from "../state_fault.ts";

/** A file in the spool. */
export interface Spooled {
  readonly path: string;
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
  readonly xxh64?: string;
}

/** The same, before its hash is known for certain. */
export interface Written extends Omit<Spooled, "sha256"> {
  readonly sha256: string | undefined;
}

/** How much is written before the disk is told to start on it. */
const FLUSH_EVERY = 16 << 20;

/** How much may wait for a slow disk: what comes to flush the rest must not take for ever. */
const MAX_UNFLUSHED = 256 << 20;

/** The spool directory of one pipeline. Whoever holds the pipeline's lock owns it. */
export class Spool {
  readonly #directory: string;
  #files = 0;
  /** Who may keep a file itself: the first that asks. */
  readonly #keepers = new Map<string, string>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Opens an empty spool; what a crashed run left there is removed. */
  static async open(directory: string): Promise<Spool> {
    const spool = new Spool(directory);
    await spool.empty();
    await spool.#makeDirectory(directory);
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
    const action = `Cannot spool the archive in "${path}"`;
    const hash = hashing ? (await import("node:crypto")).createHash("sha256") : undefined;
    let file: Deno.FsFile | undefined;
    let size = 0;
    let flushed = 0;
    let flushing: Promise<void> | undefined;
    let unflushed: unknown;
    try {
      for await (const bytes of source) {
        // Opened in here: whoever sends the bytes hears of what goes wrong in here, and only here.
        file ??= await Deno.open(path, NEW_FILE);
        writeAll(file, bytes, (count) => size += count);
        hash?.update(bytes);
        if (size - flushed >= MAX_UNFLUSHED) await flushing;
        if (size - flushed >= FLUSH_EVERY && flushing === undefined) {
          // The disk works while the processor does, and the last flush finds little left to do.
          flushed = size;
          flushing = file.syncData()
            .catch((error) => unflushed = isFlushless(error) ? undefined : error)
            .finally(() => flushing = undefined);
        }
        if (unflushed !== undefined) throw unflushed;
      }
      file ??= await Deno.open(path, NEW_FILE);
      await flushing;
      // Said once only: the next flush, which is a destination's, would find nothing wrong.
      if (unflushed !== undefined) throw unflushed;
      return { path, size, sha256: hash?.digest("hex") };
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      throw stateFault(error, action, `after ${size} bytes`);
    } finally {
      await flushing;
      file?.close();
    }
  }

  /**
   * Makes a directory for one destination, in which these files have the given names. They are
   * links: what the destination does to its names disturbs no other.
   *
   * @param keeping Whether the destination may keep the files themselves. No two get the same then:
   *   damage to one copy must not be damage to another.
   */
  async handOver(
    id: string,
    files: readonly { name: string; path: string }[],
    keeping: boolean,
  ): Promise<string> {
    const directory = this.directoryOf(id);
    await Deno.remove(directory, { recursive: true }).catch(() => {});
    await this.#makeDirectory(directory);
    for (const { name, path } of files) {
      const own = join(directory, name);
      try {
        const keeper = this.#keepers.get(path) ?? id;
        if (keeping) this.#keepers.set(path, keeper);
        if (keeping && keeper !== id) await Deno.copyFile(path, own);
        // Some file systems have no hard links.
        else await Deno.link(path, own).catch(() => Deno.copyFile(path, own));
      } catch (error) {
        throw stateFault(error, `Cannot hand over "${own}"`);
      }
    }
    return directory;
  }

  /** Where {@linkcode handOver} puts a destination's files. */
  directoryOf(id: string): string {
    return join(this.#directory, `to-${id}`);
  }

  /** Makes a directory for what source `id` must write (0700), where there is none yet. */
  async makeRoomFor(id: string): Promise<string> {
    const directory = join(this.#directory, `of-${id}`);
    await this.#makeDirectory(directory);
    return directory;
  }

  /**
   * Makes room for what is written next, as far as the disk lets it. Nobody may be at work any more
   * with what is there.
   */
  async clear(): Promise<void> {
    this.#keepers.clear();
    await this.empty().then(() => this.#makeDirectory(this.#directory)).catch(() => {});
  }

  /** Removes everything. */
  async empty(): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true }).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return;
      throw stateFault(error, `Cannot empty the spool "${this.#directory}"`);
    });
  }

  /** Empties it, as far as the disk lets it: the next run does so too. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.empty().catch(() => {});
  }

  async #makeDirectory(path: string): Promise<void> {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 }).catch((error) => {
      throw stateFault(error, `Cannot make the spool "${path}"`);
    });
  }
}

const NEW_FILE = { write: true, createNew: true, mode: 0o600 } as const;
