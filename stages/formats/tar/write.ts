/**
 * Writes tar headers: POSIX ustar, with a pax header in front for what ustar cannot say. Whatever
 * changes from machine to machine (times, owners, their names) is zero.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 *
 * @module
 */
import type { Entry } from "../../contract.ts";

/** All of a tar is counted in blocks of this many bytes. */
export const BLOCK = 512;

/** Zeros that end an archive. */
export const END_SIZE = 2 * BLOCK;

/** What a header says. */
export interface TarFields {
  /** Without a slash at its end. */
  readonly path: string;
  readonly kind: Entry["kind"];
  /** Bits above `0o7777` are left out. */
  readonly mode: number;
  /** Bytes of content that follow; 0 unless it is a file. */
  readonly size?: number;
  /** Text of a symbolic link, or path of the entry that a hard link is another name of. */
  readonly link?: string;
}

/** How many zeros follow `size` bytes of content. */
export function paddingOf(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

/**
 * The header of one entry: a block, or a pax header and a block. The same fields always give the
 * same bytes.
 */
export function tarHeader({ path, kind, mode, size = 0, link = "" }: TarFields): Uint8Array {
  const name = kind === "directory" ? `${path}/` : path;
  const nameBytes = encoder.encode(name);
  const linkBytes = encoder.encode(link);
  const slash = splitAt(nameBytes);
  let records = "";
  if (slash === undefined || isClearerInPax(name)) records += paxRecord("path", name);
  if (linkBytes.length > LINK_SIZE || isClearerInPax(link)) {
    records += paxRecord("linkpath", link);
  }
  if (size > MAX_OCTAL_SIZE) records += paxRecord("size", String(size));
  const fields = {
    // What does not fit is cut for the few that cannot read pax: better a short name than none.
    name: slash === undefined ? cut(nameBytes, NAME_SIZE) : nameBytes.subarray(slash && slash + 1),
    prefix: slash === undefined ? NONE : nameBytes.subarray(0, slash),
    mode: mode & 0o7777,
    size: Math.min(size, MAX_OCTAL_SIZE),
    type: TYPES[kind],
    link: cut(linkBytes, LINK_SIZE),
  };
  if (records === "") return ustarBlock(fields, new Uint8Array(BLOCK));
  const body = encoder.encode(records);
  const padded = body.length + paddingOf(body.length);
  const header = new Uint8Array(BLOCK + padded + BLOCK);
  ustarBlock({ ...PAX_FIELDS, size: body.length }, header.subarray(0, BLOCK));
  header.set(body, BLOCK);
  ustarBlock(fields, header.subarray(BLOCK + padded));
  return header;
}

const encoder = new TextEncoder();
const NONE = new Uint8Array(0);

const NAME_SIZE = 100;
const LINK_SIZE = 100;
const PREFIX_SIZE = 155;

/** The greatest size that eleven octal digits can say: a byte less than 8 GiB. */
const MAX_OCTAL_SIZE = 0o77777777777;

const TYPES: Readonly<Record<Entry["kind"], string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  directory: "5",
};

interface UstarFields {
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
  readonly mode: number;
  readonly size: number;
  readonly type: string;
  readonly link: Uint8Array;
}

const PAX_FIELDS = {
  // What other programs call it; it shows only where pax is not understood.
  name: encoder.encode("././@PaxHeader"),
  prefix: NONE,
  mode: 0o644,
  type: "x",
  link: NONE,
};

/**
 * Where a name is split into prefix and name: at a slash, which is in neither. 0: nowhere, it fits
 * as it is; `undefined`: it does not fit.
 */
function splitAt(name: Uint8Array): number | undefined {
  if (name.length <= NAME_SIZE) return 0;
  const slash = name.indexOf(SLASH, name.length - NAME_SIZE - 1);
  const fits = slash > 0 && slash <= PREFIX_SIZE && slash < name.length - 1;
  return fits ? slash : undefined;
}

const SLASH = 0x2f;

/**
 * Whether to say a text in a record although a header can hold it. Without one, a reader may take
 * bytes above 127 for characters of its own locale. With one, libarchive composes characters (NFC),
 * and of two names that differ in that alone it would bring back one.
 */
function isClearerInPax(text: string): boolean {
  return NOT_ASCII.test(text) && text.normalize() === text;
}

const NOT_ASCII = /[^\0-\x7f]/;

/** The first bytes, without half a character; nor with a slash at the end, which says directory. */
function cut(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length <= length) return bytes;
  let end = length;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  while (end > 1 && bytes[end - 1] === SLASH) end--;
  return bytes.subarray(0, end);
}

/** `<length> <key>=<value>\n`, where the length counts all of it, itself too, in bytes. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = encoder.encode(rest).length;
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length = String(length).length + bytes;
  return `${length}${rest}`;
}

/** Fills a block of zeros. */
function ustarBlock(fields: UstarFields, block: Uint8Array): Uint8Array {
  block.set(fields.name, 0);
  writeOctal(block, 100, 8, fields.mode);
  writeOctal(block, 108, 8, 0); // uid
  writeOctal(block, 116, 8, 0); // gid
  writeOctal(block, 124, 12, fields.size);
  writeOctal(block, 136, 12, 0); // mtime
  block[156] = fields.type.charCodeAt(0);
  block.set(fields.link, 157);
  block.set(MAGIC, 257);
  block.set(fields.prefix, 345);
  // The checksum counts its own field as eight spaces.
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at++) sum += block[at]!;
  writeOctal(block, 148, 7, sum);
  block[155] = 0x20;
  return block;
}

/** `ustar`, NUL, version `00`. */
const MAGIC = encoder.encode("ustar\x0000");

/** Octal digits that fill the field but for a NUL at its end. */
function writeOctal(block: Uint8Array, start: number, length: number, value: number): void {
  let rest = value;
  for (let at = start + length - 2; at >= start; at--) {
    block[at] = 0x30 + rest % 8;
    rest = Math.floor(rest / 8);
  }
}
