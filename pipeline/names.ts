/**
 * The names under which snapshots are kept, and what they tell.
 *
 * @module
 */
import type { Codec } from "../stages/contract.ts";
import { SUFFIXES } from "../stages/formats/codec.ts";
import { KEY_REGEXP } from "../stages/formats/stored_names.ts";

/** What a stored file is, read off its key. */
export interface StoredName {
  /** The snapshot stage's id. */
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly kind: "archive" | "manifest";
  readonly codec: Codec;
  /** Endings of the transforms that were done to it, first done first: `[".age"]`. */
  readonly transforms: readonly string[];
}

/** What stands for the newest snapshot, where a person names one. */
export const LATEST = "latest";

/** Reads a key; `undefined` for a file that is none of keepsake's. */
export function parseKey(key: string): StoredName | undefined {
  const [, id, name, kind, compressed = "", rest] = KEY_REGEXP.exec(key) ?? [];
  if (id === undefined || stampOf(createdOf(name!)) !== name!.slice(0, -13)) return undefined;
  const codec = compressed === SUFFIXES.zstd
    ? "zstd"
    : compressed === SUFFIXES.gzip
    ? "gzip"
    : "none";
  return {
    id,
    name: name!,
    kind: kind === "tar" ? "archive" : "manifest",
    codec,
    transforms: rest!.match(/\.[a-z0-9]+/g) ?? [],
  };
}

/** The file name for an archive or manifest; a directory with the snapshot's id goes before it. */
export function fileName({ name, kind, codec, transforms }: Omit<StoredName, "id">): string {
  const ending = kind === "archive" ? ".tar" : ".json";
  return [name, ending, SUFFIXES[codec], ...transforms].join("");
}

/**
 * `<stamp>-<hash>`: UTC `YYYYMMDDTHHMMSSZ` and the first 12 digits of the content hash.
 *
 * @throws {RangeError} For a moment that no name can tell: {@linkcode parseKey} would refuse it.
 */
export function snapshotName(created: Date, contentHash: string): string {
  const time = created.getTime();
  if (!(time >= FIRST_MOMENT && time <= LAST_MOMENT)) {
    throw new RangeError("Cannot name a snapshot: its year has other than four digits");
  }
  return `${stampOf(created)}-${contentHash.slice(0, HASH_DIGITS)}`;
}

/** UTC `YYYYMMDDTHHMMSSZ`; `undefined` for what is no moment: `99999999T999999Z`. */
export function stampOf(created: Date): string | undefined {
  if (Number.isNaN(created.getTime())) return undefined;
  return created.toISOString().replace(/[-:]/g, "").replace(/\.\d+Z$/, "Z");
}

/** The last moment that a name can tell, in milliseconds: names have four digits for the year. */
export const LAST_MOMENT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const FIRST_MOMENT = Date.parse("0000-01-01T00:00:00Z");

/** How many digits of the content hash stand in a name. */
export const HASH_DIGITS = 12;

/** The moment in a name. */
export function createdOf(name: string): Date {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name) ?? [];
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
