/**
 * Builds tars byte by byte, right ones and wrong ones, and the manifests that agree with them. It
 * shares nothing with the code under test.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Entry } from "../../../../stages/contract.ts";

/** A member as it shall stand in the archive; what is left out follows from the rest. */
export interface Member {
  /** As the manifest has it. In the archive a directory gets a slash. */
  readonly path: string;
  /** Type byte: `0` file, `1` hard link, `2` symbolic link, `5` directory. */
  readonly type?: string;
  readonly mode?: number;
  readonly content?: string | Uint8Array;
  readonly link?: string;
  /** Pax records that stand before it; those it needs are added. */
  readonly pax?: Readonly<Record<string, string>>;
  /** Body of the pax header instead, as it is. */
  readonly paxBody?: string | Uint8Array;
  /** Replaces fields, after which the checksum is made: offset to text. */
  readonly fields?: Readonly<Record<number, string | Uint8Array>>;
  /** The checksum's field instead of the right one. */
  readonly checksum?: string;
}

const encoder = new TextEncoder();

/** Bytes of a text; every character up to 255 is one byte when `raw`. */
export function bytesOf(text: string | Uint8Array, raw = false): Uint8Array {
  if (typeof text !== "string") return text;
  return raw ? Uint8Array.from(text, (character) => character.charCodeAt(0)) : encoder.encode(text);
}

/** Lays pieces end to end. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The two blocks of zeros that end an archive. */
export const END = new Uint8Array(1024);

/** A whole archive. */
export function tarOf(members: readonly Member[], end: Uint8Array = END): Uint8Array<ArrayBuffer> {
  return concat(...members.map(memberBytes), end);
}

/** Headers, content and padding of one member. */
export function memberBytes(member: Member): Uint8Array<ArrayBuffer> {
  const { type = "0", link = "", content = "" } = member;
  const path = bytesOf(type === "5" ? `${member.path}/` : member.path);
  const body = bytesOf(content);
  const target = bytesOf(link);
  const pax: Record<string, string> = {
    ...(path.length > 100 && { path: type === "5" ? `${member.path}/` : member.path }),
    ...(target.length > 100 && { linkpath: link }),
    ...member.pax,
  };
  const paxBody = member.paxBody === undefined
    ? concat(...Object.entries(pax).map(([key, value]) => paxRecord(key, value)))
    : bytesOf(member.paxBody);
  const head = header({
    0: path.subarray(0, 100),
    100: octal(member.mode ?? (type === "5" ? 0o755 : type === "2" ? 0o777 : 0o644), 8),
    124: octal(body.length, 12),
    156: type,
    157: target.subarray(0, 100),
    ...member.fields,
  }, member.checksum);
  const before = paxBody.length > 0 || member.paxBody !== undefined ? [paxHeader(paxBody)] : [];
  return concat(...before, head, padded(body));
}

/** A pax header with its body. */
export function paxHeader(
  body: Uint8Array,
  fields: Readonly<Record<number, string | Uint8Array>> = {},
): Uint8Array<ArrayBuffer> {
  const own = { 0: "PaxHeader", 100: octal(0o644, 8), 124: octal(body.length, 12), 156: "x" };
  return concat(header({ ...own, ...fields }), padded(body));
}

/** A block with these fields, magic, version and checksum. */
export function header(
  fields: Readonly<Record<number, string | Uint8Array>>,
  checksum?: string,
): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  block.set(bytesOf("0000000\0" + "0000000\0"), 108);
  block.set(bytesOf("00000000000\0"), 136);
  block.set(bytesOf("ustar\0" + "00"), 257);
  for (const [offset, value] of Object.entries(fields)) block.set(bytesOf(value), Number(offset));
  return sealed(block, checksum);
}

/** Makes the checksum of the header that begins at `at` right, in place. */
export function sealed<B extends Uint8Array>(block: B, checksum?: string, at = 0): B {
  block.fill(0x20, at + 148, at + 156);
  const sum = block.subarray(at, at + 512).reduce((sum, byte) => sum + byte, 0);
  block.set(bytesOf(checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `), at + 148);
  return block;
}

/** One pax record, with its own length in front. */
export function paxRecord(key: string, value: string): Uint8Array {
  const rest = bytesOf(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return concat(bytesOf(String(length)), rest);
}

/** An octal field that ends in NUL. */
export function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, "0") + "\0";
}

function padded(body: Uint8Array): Uint8Array {
  return concat(body, new Uint8Array((512 - body.length % 512) % 512));
}

/** The manifest that an attacker, or keepsake, would put beside an archive of these members. */
export function entriesOf(members: readonly Member[]): Entry[] {
  return members.map((member): Entry => {
    const { path, type = "0", link = "", content = "" } = member;
    const mtime = 0;
    if (type === "5") return { path, mode: member.mode ?? 0o755, mtime, kind: "directory" };
    if (type === "2") return { path, mode: member.mode ?? 0o777, mtime, kind: "symlink", link };
    const mode = member.mode ?? 0o644;
    if (type === "1") return { path, mode, mtime, kind: "hardlink", link };
    const bytes = bytesOf(content);
    return { path, mode, mtime, kind: "file", size: bytes.length, sha256: sha256(bytes) };
  });
}

/** In lower-case hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Pieces of that length, all in one buffer that is overwritten, as a channel may do. */
export async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length);
    buffer.set(piece);
    yield await Promise.resolve(buffer.subarray(0, piece.length));
    buffer.fill(0xee);
  }
}
