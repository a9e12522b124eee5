/**
 * The entries of an archive as a whole: their order, and the hash of what they say.
 *
 * @module
 */
import type { Entry } from "../../contract.ts";

/**
 * A path as the tar spells it. Archives are in the order of the UTF-8 bytes of these; sorting each
 * directory by itself in this way (as git does its trees) and going depth first comes to the same.
 */
export function tarName(path: string, kind: Entry["kind"]): string {
  return kind === "directory" ? `${path}/` : path;
}

/**
 * Compares texts by their UTF-8 bytes. That is the order of code points, which that of UTF-16 is
 * too, but for surrogates: they stand for what lies above everything else.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const unitA = a.charCodeAt(at);
    const unitB = b.charCodeAt(at);
    if (unitA === unitB) continue;
    const isHigherA = isSurrogate(unitA);
    return isHigherA === isSurrogate(unitB) ? unitA - unitB : isHigherA ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/**
 * The content hash: SHA-256, in lower-case hexadecimal, over one line an entry, in archive order.
 * A line is the JSON array of path, kind, mode in octal, link text and SHA-256 of the content, with
 * `""` for what an entry does not have, and a newline. Times, owners and sizes are not in it, so the
 * same tree has the same hash everywhere.
 *
 * @param entries In archive order.
 */
export async function contentHash(entries: readonly Entry[]): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < entries.length; at += LINES_AT_ONCE) {
    const lines = entries.slice(at, at + LINES_AT_ONCE).map(lineOf);
    pieces.push(encoder.encode(lines.join("")));
  }
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let used = 0;
  for (const piece of pieces) {
    all.set(piece, used);
    used += piece.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const encoder = new TextEncoder();
const LINES_AT_ONCE = 10_000;

function lineOf(entry: Entry): string {
  const link = "link" in entry ? entry.link : "";
  const sha256 = entry.kind === "file" ? entry.sha256 : "";
  const fields = [entry.path, entry.kind, entry.mode.toString(8), link, sha256];
  return `${JSON.stringify(fields)}\n`;
}
