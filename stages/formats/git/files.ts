/**
 * Unpacked snapshots: a plaintext archive becomes files that a person can read and compare, and
 * files become that archive again, to the byte. Long because both ways must agree.
 *
 * @module
 */
import type { ByteSink, Entry, FileEntry, SpoolFile } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { cutterOf, loadDecoder } from "../codec.ts";
import { checkEntries, HINT_DAMAGED, quoted } from "../snapshot/entry_rules.ts";
import { spoolPieces } from "../spool_file.ts";
import { putHeader, putZeros } from "../tar/output.ts";
import { TarReader } from "../tar/read.ts";
import { TarError } from "../tar/read_header.ts";
import { END_SIZE, paddingOf } from "../tar/write.ts";
import { BatchReader } from "./batch.ts";
import type { Clone } from "./clone.ts";
import { type Change, type Content, importBlobs } from "./commit.ts";
import { filesDirectory } from "./content.ts";
import { parseManifest, withArchive } from "./manifest.ts";

/** Takes an archive and its manifest apart, into a clone. */
export class Unpacker {
  readonly #clone: Clone;
  readonly #most: number;

  /** @param most Bytes that a file may have. */
  constructor(clone: Clone, most: number) {
    this.#clone = clone;
    this.#most = most;
  }

  /**
   * @returns What puts all files, and a manifest that names the plain tar, into a commit.
   * @throws {StageError} `destination-refused` for a path that no repository may hold, or a file that
   *   is too large.
   */
  async unpack(
    archive: SpoolFile,
    manifest: SpoolFile,
    alive: (bytes: number) => Promise<void>,
  ): Promise<
    {
      readonly changes: readonly Change[];
      readonly keys: readonly string[];
      readonly bytes: number;
    }
  > {
    const [folder] = archive.key.split("/") as [string];
    const text = await textOf(manifest);
    const { entries } = parseManifest(text, manifest.key);
    checkEntries(entries);
    for (const entry of entries) this.#check(entry, archive.key);
    const tar = await TarHash.make();
    const ids = await importBlobs(this.#clone, contentsOf(archive, entries, tar, alive));
    const key = archive.key.replace(/\.tar(\.zst|\.gz)?$/, ".tar");
    const record = { name: key.slice(folder.length + 1), ...tar.end() };
    const written = new TextEncoder().encode(withArchive(text, record));
    if (written.length > this.#most) {
      const state = `its manifest has ${written.length} bytes, and max_file allows ${this.#most}`;
      throw new StageError("destination-refused", `Cannot store "${key}": ${state}`, {
        hint: 'Make several snapshots of it, or say layout = "archives", which divides files',
      });
    }
    const [manifestId] = await importBlobs(
      this.#clone,
      once({ size: written.length, bytes: [written] }),
    );
    const manifestKey = key.replace(/\.tar$/, ".json");
    const directory = filesDirectory(folder);
    const changes: Change[] = [
      { path: directory, id: undefined },
      ...changesFor(entries, ids, directory),
      { path: manifestKey, mode: "100644", id: manifestId! },
    ];
    return { changes, keys: [key, manifestKey], bytes: record.size + written.length };
  }

  #check(entry: Entry, key: string): void {
    const name = entry.path.split("/").find(isGitName);
    if (name !== undefined) {
      throw new StageError(
        "destination-refused",
        `Cannot store ${quoted(entry.path)} of "${key}": no repository may hold a ${quoted(name)}`,
        { hint: 'Leave it out with exclude, or say layout = "archives"' },
      );
    }
    const modules = modulesNameIn(entry);
    if (modules !== undefined) {
      const state = `no repository may hold a ${quoted(modules)} that is no file`;
      throw new StageError(
        "destination-refused",
        `Cannot store ${quoted(entry.path)} of "${key}": ${state}`,
        { hint: 'Leave it out with exclude, or say layout = "archives"' },
      );
    }
    if (entry.kind === "file" && entry.size > this.#most) {
      const state = `it has ${entry.size} bytes, and max_file allows ${this.#most}`;
      throw new StageError(
        "destination-refused",
        `Cannot store ${quoted(entry.path)} of "${key}": ${state}`,
        { hint: 'Leave it out with exclude, or say layout = "archives", which divides files' },
      );
    }
  }
}

/**
 * Whether some system would take a name for `.git`: letters of any case, characters that HFS+ does
 * not see, and what Windows drops from an end or calls it in short.
 */
export function isGitName(name: string): boolean {
  return /^(\.git|git~\d+)$/.test(plainNameOf(name));
}

/** The name in an entry's path that git takes for a list of submodules, where it is no file. */
function modulesNameIn({ path, kind }: Entry): string | undefined {
  const names = path.split("/");
  const above = kind === "symlink" ? names : names.slice(0, -1);
  return above.find((name) => /^(\.gitmodules|(gitmod|gi7eba)~\d+)$/.test(plainNameOf(name)));
}

function plainNameOf(name: string): string {
  return name.normalize("NFKC")
    .replaceAll(/[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, "")
    .replace(/[:\\].*$/s, "").replace(/[. ]+$/, "").toLowerCase();
}

/** Makes the archive again out of a commit that holds its files. */
export async function repack(
  clone: Clone,
  commit: string,
  key: string,
  manifest: string,
  output: ByteSink,
  progress: (done: number) => void,
): Promise<void> {
  const { entries } = parseManifest(manifest, key);
  checkEntries(entries);
  const [folder] = key.split("/") as [string];
  const directory = `${filesDirectory(folder)}/`;
  const there = new Map<string, string>();
  for (const { path, kind, id } of await clone.tree(commit, "all below")) {
    if (kind === "blob" && path.startsWith(directory)) there.set(path.slice(directory.length), id);
  }
  const wanted = entries.flatMap((entry) => {
    if (entry.kind !== "file") return [];
    const id = there.get(entry.path);
    if (id === undefined) throw damaged(key, `${quoted(entry.path)} is not there`);
    return [id];
  });
  const contents = new BatchReader(clone, wanted);
  let done = 0;
  await contents.read(async (next) => {
    for (const entry of entries) {
      await putHeader(output, entry);
      if (entry.kind !== "file") continue;
      let size = 0;
      for await (const bytes of next()) {
        size += bytes.length;
        await output.write(bytes);
        progress(done += bytes.length);
      }
      if (size !== entry.size) throw damaged(key, `${quoted(entry.path)} has ${size} bytes`);
      await putZeros(output, paddingOf(size));
    }
    await putZeros(output, END_SIZE);
  });
}

/** What git can say of an entry; the manifest says the rest, and all of it. */
function changesFor(
  entries: readonly Entry[],
  ids: readonly string[],
  directory: string,
): Change[] {
  const known = new Map<string, { readonly mode: "100644" | "100755"; readonly id: string }>();
  let next = 0;
  return entries.flatMap((entry): Change[] => {
    const path = `${directory}/${entry.path}`;
    if (entry.kind === "directory") return [];
    if (entry.kind === "symlink") return [{ path, mode: "120000", id: ids[next++]! }];
    if (entry.kind === "hardlink") return [{ path, ...known.get(entry.link)! }];
    const file = { mode: entry.mode & 0o100 ? "100755" : "100644", id: ids[next++]! } as const;
    known.set(entry.path, file);
    return [{ path, ...file }];
  });
}

/** Follows the archive along its manifest, and hands out what git is to keep. */
async function* contentsOf(
  archive: SpoolFile,
  entries: readonly Entry[],
  tar: TarHash,
  alive: (bytes: number) => Promise<void>,
): AsyncGenerator<Content> {
  const source = piecesOf(archive, tar, alive);
  const ready: (FileEntry | Uint8Array | string)[] = [];
  let at = 0;
  const reader = new TarReader({
    begin({ path, kind, size }) {
      const entry = entries[at++];
      const fits = entry !== undefined && entry.path === path && entry.kind === kind &&
        (entry.kind !== "file" || entry.size === size);
      if (!fits) throw new TarError(`${quoted(path)} is not what the manifest says`);
      if (entry.kind === "symlink") ready.push(entry.link);
      else if (entry.kind === "file") ready.push(entry);
    },
    data: (bytes) => void ready.push(bytes.slice()),
    end() {},
  });
  const more = async (): Promise<boolean> => {
    while (ready.length === 0) {
      const { value, done } = await source.next();
      if (done) return false;
      reader.push(value);
    }
    return true;
  };
  async function* content(size: number): AsyncGenerator<Uint8Array> {
    for (let left = size; left > 0;) {
      if (!await more()) throw new TarError("the archive is cut short");
      const bytes = ready.shift() as Uint8Array;
      left -= bytes.length;
      yield bytes;
    }
  }
  try {
    while (await more()) {
      const item = ready.shift()!;
      if (typeof item === "string") {
        const bytes = new TextEncoder().encode(item);
        yield { size: bytes.length, bytes: [bytes] };
      } else {
        const { size } = item as FileEntry;
        yield { size, bytes: content(size) };
      }
    }
    reader.finish();
  } catch (error) {
    throw error instanceof TarError ? damaged(archive.key, error.message, error) : error;
  }
}

/** Size and hash of the plain tar, which is what the stored manifest will name. */
class TarHash {
  readonly #hash: import("node:crypto").Hash;
  #size = 0;

  private constructor(hash: import("node:crypto").Hash) {
    this.#hash = hash;
  }

  static async make(): Promise<TarHash> {
    return new TarHash((await import("node:crypto")).createHash("sha256"));
  }

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  end(): { readonly size: number; readonly sha256: string } {
    return { size: this.#size, sha256: this.#hash.digest("hex") };
  }
}

async function* piecesOf(
  spooled: SpoolFile,
  tar: TarHash | undefined,
  alive: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  const { key } = spooled;
  const ending = /\.(?:tar|json)(\.zst|\.gz)?$/.exec(key);
  if (ending === null) {
    throw new StageError("destination-refused", `Cannot unpack "${key}": it is encrypted`, {
      hint: 'Put the stage above the one that encrypts, or say layout = "archives"',
    });
  }
  const codec = ending[1] === ".zst" ? "zstd" : ending[1] === ".gz" ? "gzip" : "none";
  const cutter = cutterOf(codec);
  const decoder = await loadDecoder(codec);
  for await (const block of spoolPieces(spooled)) {
    for (const piece of cutter.push(block)) {
      const decoded = decoder.decode(piece);
      for await (const bytes of decoded instanceof Uint8Array ? [decoded] : decoded) {
        tar?.add(bytes);
        yield bytes;
      }
    }
    await alive(block.length);
  }
  cutter.end();
  for await (const bytes of decoder.end() ?? []) {
    tar?.add(bytes);
    yield bytes;
  }
}

async function textOf(file: SpoolFile): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of piecesOf(file, undefined, () => Promise.resolve())) {
    parts.push(bytes.slice());
  }
  return await new Blob(parts).text();
}

async function* once(blob: Content): AsyncGenerator<Content> {
  yield blob;
}

function damaged(key: string, state: string, cause?: unknown): StageError {
  return new StageError("snapshot-damaged", `Cannot trust "${key}": ${state}`, {
    hint: HINT_DAMAGED,
    cause,
  });
}
