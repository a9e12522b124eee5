/**
 * The manifest: what a snapshot holds, entry by entry. Its format is in docs/format.md.
 *
 * @module
 */
import type { Entry, Remark, Root } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { contentHash } from "../stages/formats/snapshot/entries.ts";
import { MANIFEST_LIMIT } from "../stages/formats/snapshot/entry_rules.ts";
import { totalsOf } from "./run/reading.ts";

/** The format this program writes, and the newest that it reads. */
export const MANIFEST_FORMAT = 1;

/** One archive of a snapshot, as it lies at a destination. */
export interface ArchiveRecord {
  /** File name, without the snapshot's directory. */
  readonly name: string;
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
}

/** Everything about a snapshot that its archive does not say. */
export interface Manifest {
  readonly pipeline: string;
  /** The snapshot stage's id. */
  readonly snapshot: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly created: Date;
  readonly contentHash: string;
  /** Name of the machine it was made on. */
  readonly host: string;
  /** The stage that made it and can unpack it, as the registry names it. */
  readonly source: string;
  readonly roots: readonly Root[];
  readonly files: number;
  /** Of the files' contents. */
  readonly bytes: number;
  readonly unreadable: readonly Remark[];
  readonly skipped: readonly Remark[];
  readonly archives: readonly ArchiveRecord[];
  /** In archive order. */
  readonly entries: readonly Entry[];
}

export { MANIFEST_LIMIT };

/** How many entries are put into one piece of text: one string for all could be too long. */
const ENTRIES_A_PIECE = 1000;

/** Writes a manifest as JSON, an entry a line, in pieces. */
export function* writeManifest(manifest: Manifest): Generator<Uint8Array, void, void> {
  const encoder = new TextEncoder();
  const { entries, created, contentHash, ...rest } = manifest;
  const head = {
    format: MANIFEST_FORMAT,
    ...rest,
    created: created.toISOString(),
    content_hash: contentHash,
  };
  yield encoder.encode(JSON.stringify(head, null, 1).replace(/\n}$/, ',\n "entries": [\n'));
  for (let at = 0; at < entries.length; at += ENTRIES_A_PIECE) {
    const lines = entries.slice(at, at + ENTRIES_A_PIECE).map((entry) =>
      JSON.stringify(write(entry))
    );
    yield encoder.encode(lines.join(",\n") + (at + lines.length < entries.length ? ",\n" : "\n"));
  }
  yield encoder.encode(" ]\n}\n");
}

/**
 * Reads a manifest and checks that it belongs where it was found and agrees with itself.
 *
 * @param id The snapshot id, and `name` the name, under which it was found.
 * @throws {BackupError} `snapshot-damaged`.
 */
export async function readManifest(text: string, id: string, name: string): Promise<Manifest> {
  const damaged = (state: string, cause?: unknown) =>
    new BackupError("snapshot-damaged", `Cannot use the manifest of "${id}/${name}": ${state}`, {
      hint: "Restore from another destination, or another snapshot",
      cause,
    });
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw damaged("it is not JSON", cause);
  }
  if (parsed?.format !== MANIFEST_FORMAT) {
    const format = typeof parsed?.format === "number" ? `format ${parsed.format}` : "no format";
    throw damaged(`it has ${format}, this keepsake reads ${MANIFEST_FORMAT}`);
  }
  if (!hasShape(parsed)) throw damaged("a field is missing or of the wrong kind");
  if (parsed.archives.length === 0) throw damaged("it names no archive");
  const { format: _, created, content_hash, entries, ...rest } = parsed;
  const manifest: Manifest = {
    ...rest,
    created: new Date(created),
    contentHash: content_hash,
    entries: entries.map(read),
  };
  if (manifest.snapshot !== id || manifest.name !== name) {
    throw damaged(`it belongs to "${manifest.snapshot}/${manifest.name}"`);
  }
  const hash = await contentHash(manifest.entries);
  if (hash !== content_hash || name.slice(-12) !== hash.slice(0, 12)) {
    throw damaged("its entries do not have the content hash it states");
  }
  const { files, bytes } = totalsOf(manifest.entries, hash);
  if (manifest.files !== files || manifest.bytes !== bytes) {
    throw damaged("its entries are not as many files or bytes as it states");
  }
  return manifest;
}

interface WrittenManifest extends Omit<Manifest, "created" | "contentHash" | "entries"> {
  readonly format: number;
  readonly created: string;
  readonly content_hash: string;
  readonly entries: readonly WrittenEntry[];
}

type WrittenEntry =
  & {
    readonly path: string;
    readonly kind: Entry["kind"];
    readonly mode: string;
    readonly mtime: string;
  }
  & {
    readonly size?: number;
    readonly sha256?: string;
    readonly xxh64?: string;
    readonly link?: string;
  };

function write({ mode, mtime, ...entry }: Entry): WrittenEntry {
  const time = new Date(mtime).toISOString();
  return { ...entry, mode: mode.toString(8).padStart(4, "0"), mtime: time };
}

function read({ mode, mtime, ...entry }: WrittenEntry): Entry {
  return { ...entry, mode: parseInt(mode, 8), mtime: Date.parse(mtime) } as Entry;
}

function hasShape(value: unknown): value is WrittenManifest {
  const manifest = value as Partial<WrittenManifest>;
  const texts = [
    "pipeline",
    "snapshot",
    "name",
    "created",
    "content_hash",
    "host",
    "source",
  ] as const;
  return texts.every((key) => typeof manifest[key] === "string") &&
    Number.isFinite(Date.parse(manifest.created!)) &&
    [manifest.files, manifest.bytes].every(Number.isSafeInteger) &&
    isList(manifest.roots, ["name", "path"]) && isList(manifest.unreadable, ["path", "reason"]) &&
    isList(manifest.skipped, ["path", "reason"]) && isList(manifest.archives, ["name", "sha256"]) &&
    manifest.archives!.every(({ size }) => Number.isSafeInteger(size)) &&
    isList(manifest.entries, ["path", "kind", "mode", "mtime"]) &&
    manifest.entries!.every(isEntry);
}

function isEntry({ kind, mode, mtime, size, sha256, xxh64, link }: WrittenEntry): boolean {
  const known = /^[0-7]{4,5}$/.test(mode) && Number.isFinite(Date.parse(mtime));
  if (kind === "file") {
    return known && Number.isSafeInteger(size) && size! >= 0 &&
      isHash(sha256, 64) && (xxh64 === undefined || isHash(xxh64, 16));
  }
  if (kind === "directory") return known;
  return known && (kind === "symlink" || kind === "hardlink") && typeof link === "string";
}

function isHash(value: unknown, digits: number): boolean {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}

function isList(value: unknown, texts: readonly string[]): boolean {
  return Array.isArray(value) &&
    value.every((item) =>
      typeof item === "object" && item !== null &&
      texts.every((key) => typeof (item as Record<string, unknown>)[key] === "string")
    );
}
