/**
 * What a commit holds in terms of stored files: `<snapshot id>/<name>`, whole or in numbered parts,
 * and snapshots that lie there as files, of which the manifest alone has a name.
 *
 * @module
 */
import type { StoredFile } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import type { Clone, TreeEntry } from "./clone.ts";

/** A stored file, and the objects that it consists of, in order. */
export interface Held extends StoredFile {
  readonly paths: readonly string[];
  readonly ids: readonly string[];
}

/** Where the files of a snapshot stand that lies there unpacked. */
export function filesDirectory(folder: string): string {
  return `${folder}/files`;
}

/** A key must be two plain names. */
// deno-lint-ignore no-control-regex -- Names have none.
const KEY_REGEXP = /^(?!\.)[^\\/:\x00-\x1f]+\/(?!\.)[^\\/:\x00-\x1f]+$/;
const PART_REGEXP = /^(.+)\.part-(\d{4})$/;

/** @throws {StageError} `stage-failed` unless it is the name of a stored file. */
export function checkKey(key: string): void {
  if (KEY_REGEXP.test(key) && !PART_REGEXP.test(key)) return;
  throw new StageError("stage-failed", `Cannot use "${key}" as the name of a stored file`, {
    hint: "Name the snapshot and the file, with a slash between them",
  });
}

/** The numbers of parts have four digits. */
const MOST_PARTS = 9999;

/**
 * The paths that a file gets, by how long each part is: one, under its own name, where one will do.
 *
 * @throws {StageError} `destination-refused` when there would be more parts than numbers.
 */
export function pathsFor(
  key: string,
  size: number,
  most: number,
): { path: string; size: number }[] {
  if (size <= most) return [{ path: key, size }];
  const count = Math.ceil(size / most);
  if (count > MOST_PARTS) {
    throw new StageError(
      "destination-refused",
      `Cannot store "${key}": its ${size} bytes make more than ${MOST_PARTS} parts of max_file`,
      { hint: "Choose a larger max_file, or several smaller snapshots" },
    );
  }
  return Array.from({ length: count }, (_, index) => ({
    path: `${key}.part-${String(index + 1).padStart(4, "0")}`,
    size: Math.min(most, size - index * most),
  }));
}

/**
 * The files that lie whole, or in parts, in the folders of a commit. Links are none.
 *
 * @param folder The one to look into; `undefined`: all.
 */
export async function heldIn(
  clone: Clone,
  commit: string,
  folder?: string,
): Promise<Map<string, Held>> {
  if (folder !== undefined) return heldAmong(await clone.tree(commit, [folder]));
  const top = await clone.tree(commit);
  const folders = top.filter(({ kind, path }) => kind === "tree" && !path.startsWith("."));
  if (folders.length === 0) return new Map();
  const entries = await clone.tree(commit, folders.map(({ path }) => path));
  return heldAmong(entries);
}

/** Puts parts together. A part that is missing ends its file: its size then tells. */
export function heldAmong(entries: readonly TreeEntry[]): Map<string, Held> {
  const held = new Map<string, Held>();
  const plain = entries.filter(({ mode, kind }) => kind === "blob" && mode !== "120000");
  for (const { path, id, size } of plain) {
    const [, key = path, number] = PART_REGEXP.exec(path) ?? [];
    if (!KEY_REGEXP.test(key)) continue;
    const before = held.get(key);
    if (number === undefined) held.set(key, { key, size, paths: [path], ids: [id] });
    else if (Number(number) === (before?.ids.length ?? 0) + 1) {
      const paths = [...before?.paths ?? [], path];
      held.set(key, {
        key,
        size: size + (before?.size ?? 0),
        paths,
        ids: [...before?.ids ?? [], id],
      });
    }
  }
  return held;
}

/** The manifest of the snapshot that an archive belongs to, where that lies there unpacked. */
export function manifestKeyOf(archive: string): string | undefined {
  return archive.endsWith(".tar") ? archive.replace(/\.tar$/, ".json") : undefined;
}

/** Keys of the manifests whose archives are not there as files of their own. */
export function unpackedIn(held: ReadonlyMap<string, Held>): string[] {
  return [...held.keys()].filter((key) =>
    key.endsWith(".json") && !held.has(key.replace(/\.json$/, ".tar"))
  );
}
