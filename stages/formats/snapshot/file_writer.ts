/**
 * Writes files into an archive, each as it was at one time, or says that this could not be had.
 *
 * @module
 */
import type { ByteSink, FileEntry } from "../../contract.ts";
import type { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import {
  MAX_TRIES,
  mtimeOf,
  openPatiently,
  ReadFault,
  type SourceFile,
  type Surroundings,
} from "../source_file.ts";
import { putHeader, putZeros } from "../tar/output.ts";
import { paddingOf, tarHeader } from "../tar/write.ts";
import type { Found } from "./walk.ts";

/** What came of a file. */
export interface WrittenFile {
  /** As the archive has it, to the byte. */
  readonly entry: FileEntry;
  /** Why that may be what the file never was, as a short phrase. */
  readonly fault: string | undefined;
  /** A quick hash of its content. */
  readonly quick: string;
  /** Whether it is another file than the one that was met, whose further names are not this one's. */
  readonly isOther?: true;
}

/**
 * Up to this size a file is read whole before anything of it goes out, so that it can be read
 * again when it changes meanwhile. Larger ones are not worth the copy (0.1 s a GB): what is large
 * is mostly a log, and a log that grows is no harm.
 */
const WHOLE_SIZE = 2 ** 20;

/** Writes one file after the other. */
export class FileWriter {
  readonly #output: ByteSink;
  readonly #hashing: Hashing;
  readonly #quick: Hashing;
  readonly #pace: Pace;
  readonly #surroundings: Surroundings;
  #spare: Uint8Array | undefined;

  constructor(
    output: ByteSink,
    { hashing, quick }: { readonly hashing: Hashing; readonly quick: Hashing },
    pace: Pace,
    surroundings: Surroundings,
  ) {
    this.#output = output;
    this.#hashing = hashing;
    this.#quick = quick;
    this.#pace = pace;
    this.#surroundings = surroundings;
  }

  /**
   * Writes a file, trying several times while it keeps changing.
   *
   * @throws {ReadFault} When it cannot be read. Nothing of it has been written then.
   */
  async write(found: Found): Promise<WrittenFile> {
    const { pause } = this.#surroundings;
    for (let tries = 1;; tries++) {
      const written = await this.#tryToWrite(found, tries);
      if (written !== undefined) return written;
      await pause(tries);
    }
  }

  /** Writes these bytes as a file's content. */
  async writeBytes(
    { path, mode, mtime }: Found,
    bytes: Uint8Array,
    fault: string | undefined,
  ): Promise<WrittenFile> {
    const quick = this.#quick.of(bytes);
    const entry: FileEntry = {
      ...{ path, kind: "file", mode, mtime },
      size: bytes.length,
      sha256: this.#hashing.of(bytes),
      ...this.#named(quick),
    };
    await putHeader(this.#output, entry);
    await this.#output.write(bytes);
    await putZeros(this.#output, paddingOf(bytes.length));
    this.#pace.add(bytes.length);
    return { entry, fault, quick };
  }

  async #tryToWrite(found: Found, tries: number): Promise<WrittenFile | undefined> {
    const expected = tries === 1 ? found : undefined;
    using file = await openPatiently(found.source, expected, this.#surroundings.pause);
    const { size } = file.info;
    const header = tarHeader(fieldsOf(found, file, size));
    const length = header.length + size + paddingOf(size);
    // In the stream's own block, if it has the room: that saves a copy.
    const space = this.#output.space();
    const isInPlace = length <= space.length;
    if (!isInPlace && size > WHOLE_SIZE) return await this.#writeInPieces(found, file);

    const room = isInPlace ? space : this.#spareRoom(length);
    const count = file.fill(room.subarray(header.length, header.length + size));
    const content = room.subarray(header.length, header.length + count);
    const sha256 = this.#hashing.of(content);
    const isSettled = count === size && await this.#isSettled(file, size, sha256);
    if (!isSettled && tries < MAX_TRIES) return undefined;

    // What was read goes in, and it is what the header speaks of, be it less than it was to be.
    const quick = this.#quick.of(content);
    const entry: FileEntry = { ...fieldsOf(found, file, count), sha256, ...this.#named(quick) };
    const end = header.length + count + paddingOf(count);
    room.set(count === size ? header : tarHeader(entry));
    room.fill(0, header.length + count, end);
    if (isInPlace) await this.#output.commit(end);
    else await this.#output.write(room.subarray(0, end));
    this.#pace.add(count);
    return { entry, fault: isSettled ? undefined : CHANGED, quick, ...otherwise(found, file) };
  }

  /**
   * Writes a file of any size. Its header goes first and says how long it was then: what is
   * appended meanwhile is left for the next time, what is missing in the end is made up with zeros.
   */
  async #writeInPieces(found: Found, file: SourceFile): Promise<WrittenFile> {
    const { size } = file.info;
    const fields = fieldsOf(found, file, size);
    await putHeader(this.#output, fields);
    const [hash, quickHash] = [this.#hashing.begin(), this.#quick.begin()];
    let fault: string | undefined;
    for (let left = size; left > 0;) {
      const space = this.#output.space();
      const room = left < space.length ? space.subarray(0, left) : space;
      if (fault === undefined) fault = fillOrMakeUp(file, room);
      else room.fill(0);
      hash.update(room);
      quickHash.update(room);
      left -= room.length;
      const full = this.#output.commit(room.length);
      if (full) await full;
      this.#pace.add(room.length);
      if (this.#pace.isDue) await this.#pace.turn();
    }
    await putZeros(this.#output, paddingOf(size));
    const sha256 = hash.digest();
    fault ??= await this.#faultAfter(file, size, sha256);
    const quick = quickHash.digest();
    const entry: FileEntry = { ...fields, sha256, ...this.#named(quick) };
    return { entry, fault, quick, ...otherwise(found, file) };
  }

  /** Under its name, if it is what entries have besides SHA-256. */
  #named(quick: string): Pick<FileEntry, "xxh64"> {
    return this.#quick.name === "xxh64" ? { xxh64: quick } : {};
  }

  async #faultAfter(file: SourceFile, size: number, sha256: string): Promise<string | undefined> {
    try {
      return await this.#isSettled(file, size, sha256) ? undefined : CHANGED;
    } catch (error) {
      return faultOf(error);
    }
  }

  #isSettled(file: SourceFile, size: number, sha256: string): Promise<boolean> {
    return file.isSettled(size, sha256, this.#hashing, this.#pace, this.#surroundings.now());
  }

  #spareRoom(length: number): Uint8Array {
    if (this.#spare === undefined || this.#spare.length < length) {
      this.#spare = new Uint8Array(Math.max(length, WHOLE_SIZE + ROOM_FOR_HEADER));
    }
    return this.#spare;
  }
}

const CHANGED = "it changed while it was read";
const ROOM_FOR_HEADER = 2 ** 14;

function otherwise(found: Found, file: SourceFile): Pick<WrittenFile, "isOther"> {
  return file.is(found) ? {} : { isOther: true };
}

/** Bits and time as they were when the content was read; of a stand-in, those of the file. */
function fieldsOf(
  { path, mode, mtime, standIn }: Found,
  { info }: SourceFile,
  size: number,
): Omit<FileEntry, "sha256"> {
  if (standIn !== undefined) return { path, kind: "file", mode, mtime, size };
  const bits = info.mode === null ? mode : info.mode & 0o7777;
  return { path, kind: "file", mode: bits, mtime: mtimeOf(info), size };
}

/** Reads on. Zeros stand for what cannot be had, and the answer says why. */
function fillOrMakeUp(file: SourceFile, room: Uint8Array): string | undefined {
  let count = 0;
  try {
    count = file.fill(room);
    return count < room.length ? "it shrank while it was read" : undefined;
  } catch (error) {
    return faultOf(error);
  } finally {
    room.fill(0, count);
  }
}

/** Why a file could not be read. Whatever else was thrown goes on. */
function faultOf(error: unknown): string {
  if (error instanceof ReadFault) return error.reason;
  throw error;
}
