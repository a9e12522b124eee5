/**
 * Reads the headers of a tar: ustar blocks and pax records, as strictly as keepsake writes them.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13
 *
 * @module
 */

/** What is wrong with the bytes: a clause that ends a sentence, without a full stop. */
export class TarError extends Error {
  override name = "TarError";
}

/** One member of an archive, as its headers describe it. */
export interface TarMember {
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink" | "hardlink";
  /** At most `0o7777`. */
  readonly mode: number;
  /** Bytes of content; 0 unless it is a file. */
  readonly size: number;
  /** Text of a symbolic link, path of a hard link's target, empty for the others. */
  readonly link: string;
}

/** All of a tar is counted in blocks of this many bytes. */
export const BLOCK = 512;
const MAX_PAX = 2 ** 20;

/** Where the fields of a header stand. */
const NAME = 0;
const MODE = 100;
const SIZE = 124;
const CHECKSUM = 148;
const TYPE = 156;
const LINK = 157;
const MAGIC = 257;
const PREFIX = 345;

/** `ustar`, NUL, version `00`. GNU's own format has spaces there. */
const MAGIC_BYTES: readonly number[] = [0x75, 0x73, 0x74, 0x61, 0x72, 0x00, 0x30, 0x30];

/** The greatest size that eleven octal digits can say. */
const MAX_OCTAL_SIZE = 0o77777777777;

const SPACE = 0x20;
const ZERO = 0x30;

/** A byte order mark is part of a name like any other character. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The type of what a header describes, once its checksum and format are found right. */
export function parseType(block: Uint8Array): string {
  let sum = 8 * SPACE; // The checksum's own field counts as spaces.
  for (let at = 0; at < BLOCK; at++) sum += block[at]!;
  for (let at = CHECKSUM; at < TYPE; at++) sum -= block[at]!;
  if (sum !== octal(block, CHECKSUM, 8, "checksum")) {
    throw new TarError("its header does not match its checksum");
  }
  for (let at = 0; at < MAGIC_BYTES.length; at++) {
    if (block[MAGIC + at] !== MAGIC_BYTES[at]) {
      throw new TarError("its header is not a POSIX one, which is all that keepsake writes");
    }
  }
  return String.fromCharCode(block[TYPE]!);
}

/** Length of the body of a pax header. */
export function parsePaxSize(block: Uint8Array): number {
  const size = octal(block, SIZE, 12, "size");
  if (size === 0 || size > MAX_PAX) throw new TarError(`its pax header has ${size} bytes`);
  return size;
}

/** Reads the header of a member. What `pax` says goes before what the header says. */
export function readMember(
  block: Uint8Array,
  type: string,
  pax: PaxRecords = NO_RECORDS,
): TarMember {
  const kind = KINDS.get(type);
  if (kind === undefined) {
    const what = FOREIGN_KINDS.get(type) ?? `an entry of the type ${JSON.stringify(type)}`;
    throw new TarError(`it is ${what}, which is not written by keepsake`);
  }
  const isLink = kind === "symlink" || kind === "hardlink";
  if (!isLink && (pax.linkpath !== undefined || block[LINK] !== 0)) {
    throw new TarError("it names a link's target and is none");
  }
  const mode = octal(block, MODE, 8, "mode");
  if (mode > 0o7777) throw new TarError("its mode is more than permission bits");
  const path = pax.path ?? ustarPath(block);
  return {
    // The one slash that POSIX puts behind the name of a directory.
    path: kind === "directory" && path.endsWith("/") ? path.slice(0, -1) : path,
    kind,
    mode,
    size: memberSize(block, kind, pax.size),
    link: isLink ? pax.linkpath ?? text(block, LINK, 100) : "",
  };
}

const KINDS: ReadonlyMap<string, TarMember["kind"]> = new Map([
  ["0", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["5", "directory"],
]);

const FOREIGN_KINDS: ReadonlyMap<string, string> = new Map([
  ["\0", "a file of the oldest tar format"],
  ["3", "a character device"],
  ["4", "a block device"],
  ["6", "a named pipe"],
  ["7", "a contiguous file"],
  ["D", "a GNU dump directory"],
  ["K", "a GNU long link"],
  ["L", "a GNU long name"],
  ["M", "a GNU continuation of another volume"],
  ["S", "a GNU sparse file"],
  ["V", "a GNU volume label"],
  ["X", "a Solaris pax header"],
  ["g", "a global pax header"],
]);

function ustarPath(block: Uint8Array): string {
  const name = text(block, NAME, 100);
  return block[PREFIX] === 0 ? name : `${text(block, PREFIX, 155)}/${name}`;
}

/** A pax record is believed only where the header cannot hold the size (CVE-2025-62518). */
function memberSize(
  block: Uint8Array,
  kind: TarMember["kind"],
  recorded: number | undefined,
): number {
  const size = octal(block, SIZE, 12, "size");
  if (recorded !== undefined && recorded !== size) {
    const isPlaceholder = size === 0 || size === MAX_OCTAL_SIZE;
    if (recorded <= MAX_OCTAL_SIZE || !isPlaceholder) {
      throw new TarError(`it has two sizes, ${size} and ${recorded} bytes`);
    }
  }
  if (kind !== "file" && (recorded ?? size) > 0) {
    throw new TarError("it has content and is no file");
  }
  return recorded ?? size;
}

/** What a pax header says of the member behind it. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

const NO_RECORDS: PaxRecords = {};

/**
 * Reads the body of a pax header.
 *
 * Records are `<length> <keyword>=<value>\n`, where the length counts all of it, in bytes.
 */
export function parsePax(body: Uint8Array): PaxRecords {
  const records: { path?: string; linkpath?: string; size?: number } = {};
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(SPACE, at);
    const length = space < 0 ? NaN : decimal(body.subarray(at, space));
    const end = at + length;
    const equals = body.indexOf(0x3d, space);
    if (!(end <= body.length) || equals < 0 || equals >= end - 1 || body[end - 1] !== 0x0a) {
      throw new TarError("its pax header is malformed");
    }
    const key = decode(body.subarray(space + 1, equals));
    const value = body.subarray(equals + 1, end - 1);
    if (key !== "path" && key !== "linkpath" && key !== "size") {
      const name = JSON.stringify(key.slice(0, 40));
      throw new TarError(`its pax header holds ${name}, which is not written by keepsake`);
    }
    if (records[key] !== undefined) throw new TarError(`its pax header holds "${key}" twice`);
    if (key !== "size") {
      if (value.length === 0 || value.includes(0)) {
        throw new TarError(`its pax header holds a malformed "${key}"`);
      }
      records[key] = decode(value);
    } else {
      records.size = decimal(value);
      if (Number.isNaN(records.size)) throw new TarError("its size is not a number of bytes");
    }
    at = end;
  }
  return records;
}

/** A number without sign or leading zeros; `NaN` for anything else, and for 2^53 and above. */
function decimal(digits: Uint8Array): number {
  if (digits.length === 0 || digits.length > 16) return NaN;
  if (digits[0] === ZERO && digits.length > 1) return NaN;
  let value = 0;
  for (const digit of digits) {
    if (digit < ZERO || digit > 0x39) return NaN;
    value = value * 10 + digit - ZERO;
  }
  return Number.isSafeInteger(value) ? value : NaN;
}

/** Octal digits, ended by NUL or space or the field's end. Neither signs nor GNU's base 256. */
function octal(block: Uint8Array, start: number, length: number, field: string): number {
  const end = start + length;
  let value = 0;
  let at = start;
  for (; at < end && block[at]! >= ZERO && block[at]! <= 0x37; at++) {
    value = value * 8 + block[at]! - ZERO;
  }
  const digits = at - start;
  while (at < end && (block[at] === 0 || block[at] === SPACE)) at++;
  if (digits === 0 || at < end) throw new TarError(`its ${field} is not a number`);
  return value;
}

function text(block: Uint8Array, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return decode(end < 0 ? field : field.subarray(0, end));
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new TarError("its name is not UTF-8");
  }
}

/** Whether there is nothing but zeros from `start` to before `end`. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}
