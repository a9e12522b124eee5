/**
 * What the entries of a manifest may be. Whoever has a recipient's public key can make a snapshot
 * whose archive and manifest agree, so agreement alone proves nothing: every path is checked before
 * anything is done with it.
 *
 * @module
 */
import type { Entry } from "../../contract.ts";
import { StageError } from "../../errors.ts";

/** What to do about a damaged snapshot. */
export const HINT_DAMAGED = "Use another snapshot, or the same one from another destination";

/** The most text, in bytes, that a manifest may have: a string of this runtime holds no more. */
export const MANIFEST_LIMIT = 500_000_000;

/** A path for a message: quoted, with control characters escaped, and shortened. */
export function quoted(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 96)}…${path.slice(-96)}` : path);
}

/**
 * Checks every entry by itself and all of them together: each path stands once, below directories
 * alone, and behind the directory that holds it where that has an entry; a hard link names a file
 * before it.
 *
 * @param roots Names of the archive's roots. With them, each entry must be a root or stand in a
 *   directory that has an entry. Who restores into a tree that exists needs that: a directory
 *   without an entry is never looked at, and may be a link there.
 * @throws {StageError} `snapshot-damaged`, naming the first entry that breaks a rule.
 */
export function checkEntries(entries: readonly Entry[], roots?: readonly string[]): void {
  const known: Known = new Map();
  const rootNames = roots && new Set(roots);
  let total = 0;
  for (const entry of entries) {
    const fault = pathFault(entry.path, known) ?? entryFault(entry, known) ??
      rootFault(entry.path, known, rootNames);
    if (fault !== undefined) throw refused(entry, fault);
    if (entry.kind === "file") total += entry.size;
    if (!Number.isSafeInteger(total)) throw refused(entry, "all sizes together are too large");
    known.set(entry.path, entry.kind);
  }
}

/**
 * Checks that Windows can hold these names as they are. There a name may lead to another place
 * (`..\x`, `C:x`), to a device (`NUL`), or lose its end (`x.`).
 *
 * @throws {StageError} `target-refused`, naming the first that it cannot hold.
 */
export function checkNamesForWindows(paths: Iterable<string>): void {
  for (const path of paths) {
    const name = path.split("/").find((name) => UNFIT_FOR_WINDOWS.test(name));
    if (name === undefined) continue;
    throw new StageError(
      "target-refused",
      `Cannot restore ${quoted(path)} here: Windows cannot hold the name ${quoted(name)}`,
      { hint: "Restore on another system, or leave this path out" },
    );
  }
}

const UNFIT_FOR_WINDOWS =
  // deno-lint-ignore no-control-regex -- Windows refuses them in names.
  /[\x00-\x1f<>:"\\|?*]|[. ]$|^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;

const MAX_PATH_BYTES = 64 * 1024;
/** Some systems count 255 bytes, others 255 characters, which have up to four bytes each. */
const MAX_NAME_BYTES = 255 * 4;
const MAX_DEPTH = 5000;

/** A path of fewer characters has neither too many bytes nor too many levels. */
const SHORT = 2 * MAX_DEPTH;

/** What each path is. `unlisted`: a directory that others stand in and that has no entry. */
type Known = Map<string, Entry["kind"] | "unlisted">;

/** Adds the directories that have no entry of their own to `known`. */
function pathFault(path: string, known: Known): string | undefined {
  if (typeof path !== "string") return "its path is not a text";
  if (known.has(path)) return "it is listed twice, or after what is in it";
  const slash = path.lastIndexOf("/");
  // What is known has been through here, and a short path cannot break the limits of the whole.
  if (slash > 0 && path.length < SHORT && known.get(path.slice(0, slash)) === "directory") {
    return nameFault(path.slice(slash + 1));
  }
  if (path === "" || path.startsWith("/")) return "its path is empty or absolute";
  if (isLonger(path, MAX_PATH_BYTES)) return "its path is longer than 64 KiB";
  const names = path.split("/", MAX_DEPTH + 1);
  if (names.length > MAX_DEPTH) return "it is more than 5000 levels deep";
  let end = -1;
  for (const [index, name] of names.entries()) {
    const fault = nameFault(name);
    if (fault !== undefined) return fault;
    end += 1 + name.length;
    if (index === names.length - 1) return;
    const above = path.slice(0, end);
    const kind = known.get(above);
    if (kind === undefined) known.set(above, "unlisted");
    else if (kind !== "directory" && kind !== "unlisted") {
      return `it stands below ${quoted(above)}, which is a ${kind}`;
    }
  }
}

function nameFault(name: string): string | undefined {
  if (name === "") return "its path has an empty part";
  if (name === "." || name === "..") return `its path has "${name}" in it`;
  if (name.includes("\0")) return "its path has a NUL in it";
  if (!name.isWellFormed()) return "its path is not Unicode";
  if (isLonger(name, MAX_NAME_BYTES)) return "its path has a name longer than 255 characters";
}

function rootFault(
  path: string,
  known: Known,
  roots: ReadonlySet<string> | undefined,
): string | undefined {
  if (roots === undefined || roots.has(path)) return;
  if (known.get(path.slice(0, Math.max(path.lastIndexOf("/"), 0))) === "directory") return;
  return "it is no root, and the directory that holds it is not listed";
}

function entryFault(entry: Entry, known: Known): string | undefined {
  if (!Number.isInteger(entry.mode) || entry.mode < 0 || entry.mode > 0o7777) {
    return "its mode is not permission bits";
  }
  if (entry.kind === "directory") return;
  if (entry.kind === "file") {
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) return "its size is not a number";
  } else if (entry.kind === "hardlink") {
    if (known.get(entry.link) !== "file") return "it is a hard link to what is no file before it";
  } else if (entry.kind === "symlink") {
    if (typeof entry.link !== "string" || entry.link === "") return "it is a link to nothing";
    if (!entry.link.isWellFormed() || entry.link.includes("\0")) {
      return "its link has a text that no link can have";
    }
    if (isLonger(entry.link, MAX_PATH_BYTES)) return "its link is longer than 64 KiB";
  } else return "it is of an unknown kind";
}

const encoder = new TextEncoder();

/** Whether it has more bytes than that in UTF-8, where a character of a string has one to three. */
function isLonger(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && (text.length > bytes || encoder.encode(text).length > bytes);
}

function refused(entry: Entry, fault: string): StageError {
  const path = typeof entry.path === "string" ? quoted(entry.path) : "an entry";
  return new StageError("snapshot-damaged", `Cannot take ${path} from the manifest: ${fault}`, {
    hint: HINT_DAMAGED,
  });
}
