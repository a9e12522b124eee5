/**
 * Writes an archive: everything that a walk meets, with what was read to the byte.
 *
 * @module
 */
import type {
  ByteSink,
  Entry,
  FileEntry,
  OptionsSchema,
  SourceContext,
  SourceResult,
} from "../../contract.ts";
import { readWithoutCredentials } from "../claude/credentials.ts";
import { Kinds, Watch } from "../claude/watched.ts";
import { Hashing } from "../hashing.ts";
import { Pace } from "../pace.ts";
import { ReadFault, type Surroundings, WORLD } from "../source_file.ts";
import { DatabaseCopies } from "../sqlite/database.ts";
import { putHeader, putZeros } from "../tar/output.ts";
import { END_SIZE } from "../tar/write.ts";
import { requireContent } from "./content.ts";
import { FileWriter, type WrittenFile } from "./file_writer.ts";
import { Fingerprint, Signature } from "./signature.ts";
import {
  type Found,
  idOf,
  type Remarks,
  REMOVED,
  type Selection,
  Walk,
  withCircumstances,
} from "./walk.ts";

/**
 * Walks the selection and writes it to `output`. A file that cannot be read is left out and told
 * of, and the rest goes on; what goes wrong with `output` ends everything.
 *
 * @throws {StageError} `source-missing` or `source-unreadable` when there is nothing at all.
 */
export async function writeArchive(
  selection: Selection,
  context: Omit<SourceContext<OptionsSchema>, "options">,
  surroundings: Surroundings = WORLD,
): Promise<SourceResult> {
  const { output } = context;
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [] };
  const walk = await Walk.open(withCircumstances(selection, context), remarks);
  const [hashing, quick] = await Promise.all([Hashing.load(), Hashing.quick()]);
  const pace = new Pace(context);
  const signature = new Signature(quick);
  const files = new FileWriter(output, { hashing, quick }, pace, surroundings);
  const copies = new DatabaseCopies(context.directory, pace, surroundings.pause);
  const kinds = new Kinds(walk.roots, selection.places);
  const watch = new Watch(context.watched ?? [], kinds, hashing, pace);
  const standIns = { copies, cutting: { hashing, pace, ...surroundings } };
  const fingerprint = new Fingerprint(quick);
  const archive = new Archive({ output, files, standIns, remarks, watch, fingerprint });
  for (const found of walk) {
    signature.add(found);
    await archive.add(found);
    if (pace.isDue) await pace.turn();
  }
  const hasContent = archive.entries.some(({ kind }) => kind !== "directory");
  requireContent(hasContent, walk.roots[0]?.path ?? "", remarks.unreadable);
  await putZeros(output, END_SIZE);
  return {
    signature: signature.digest(),
    fingerprint: fingerprint.digest(),
    roots: walk.roots.map(({ name, path }) => ({ name, path })),
    entries: archive.entries,
    ...remarks,
    watched: watch.found,
  };
}

/** What is read in the place of some files. */
interface StandIns {
  readonly copies: DatabaseCopies;
  readonly cutting: Parameters<typeof readWithoutCredentials>[1];
}

/** What an archive is made with, and what is told of it. */
interface Making {
  readonly output: ByteSink;
  readonly files: FileWriter;
  readonly standIns: StandIns;
  readonly remarks: Remarks;
  readonly watch: Watch;
  readonly fingerprint: Fingerprint;
}

/** An archive on its way out. */
class Archive {
  readonly entries: Entry[] = [];
  readonly #output: ByteSink;
  readonly #files: FileWriter;
  readonly #standIns: StandIns;
  readonly #remarks: Remarks;
  readonly #watch: Watch;
  readonly #fingerprint: Fingerprint;
  /** Files that have further names, by what they are on this machine. */
  readonly #firsts = new Map<string, FileEntry>();

  constructor({ output, files, standIns, remarks, watch, fingerprint }: Making) {
    this.#output = output;
    this.#files = files;
    this.#standIns = standIns;
    this.#remarks = remarks;
    this.#watch = watch;
    this.#fingerprint = fingerprint;
  }

  async add(found: Found): Promise<void> {
    const { path, kind, mode, mtime, link } = found;
    if (kind === "directory") return await this.#addHeader({ path, kind, mode, mtime });
    if (kind === "symlink") return await this.#addHeader({ path, kind, mode, mtime, link });
    const isShared = found.nlink > 1 && found.standIn === undefined;
    const first = isShared ? this.#firsts.get(idOf(found)) : undefined;
    if (first === undefined) return await this.#addFile(found);
    await this.#addHeader({ path, kind: "hardlink", mode, mtime, link: first.path });
    await this.#watch.add({ ...first, path }, found.source);
  }

  async #addHeader(entry: Exclude<Entry, FileEntry>): Promise<void> {
    await putHeader(this.#output, entry);
    this.entries.push(entry);
    this.#fingerprint.add(entry);
  }

  async #addFile(found: Found): Promise<void> {
    let written: WrittenFile;
    try {
      written = await this.#write(found);
    } catch (error) {
      if (!(error instanceof ReadFault)) throw error;
      const { notes, unreadable } = this.#remarks;
      if (error.kind === "removed") notes.push({ path: found.shown, reason: REMOVED });
      else unreadable.push({ path: found.shown, reason: error.reason });
      return;
    }
    this.entries.push(written.entry);
    this.#fingerprint.add(written.entry, written.quick);
    await this.#watch.add(written.entry, found.source);
    if (found.nlink > 1 && found.standIn === undefined && !written.isOther) {
      this.#firsts.set(idOf(found), written.entry);
    }
    if (written.fault === undefined) return;
    this.#remarks.unreadable.push({ path: found.shown, reason: written.fault });
  }

  async #write(found: Found): Promise<WrittenFile> {
    if (found.standIn === undefined) return await this.#files.write(found);
    const { copies, cutting } = this.#standIns;
    if (found.standIn === "cut") {
      const { bytes, fault } = await readWithoutCredentials(found, cutting);
      return await this.#files.writeBytes(found, bytes, fault);
    }
    return await copies.with(found, async (copy) => {
      const written = await this.#files.write(copy.found);
      return { ...written, fault: written.fault ?? copy.fault };
    });
  }
}
