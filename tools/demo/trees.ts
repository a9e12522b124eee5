/**
 * Reads and compares directory trees: kinds, modes, contents, link texts and hard links.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What stands at each path of a tree, as text that is equal when both are the same. */
export type Tree = ReadonlyMap<string, string>;

/** How two trees differ: paths that use `/`, in order. */
export interface Difference {
  /** In the first alone. */
  readonly missing: readonly string[];
  /** In the second alone. */
  readonly extra: readonly string[];
  /** In both, but not the same. */
  readonly changed: readonly string[];
}

/** Reads the given parts of a directory. A further name of a file counts as a hard link. */
export function readTree(directory: string, parts: readonly string[] = ["."]): Tree {
  const tree = new Map<string, string>();
  const inodes = new Map<number, string>();
  function visit(path: string): void {
    const absolute = join(directory, path);
    const stat = lstatSync(absolute);
    // Windows knows no modes, and a link's own mode means nothing anywhere.
    const mode = Deno.build.os === "windows" ? "" : (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) tree.set(path, `link to ${readlinkSync(absolute)}`);
    else if (stat.isDirectory()) {
      tree.set(path, `directory ${mode}`);
      for (const name of readdirSync(absolute).sort()) visit(`${path}/${name}`);
    } else if (stat.nlink > 1 && inodes.has(stat.ino)) {
      tree.set(path, `hardlink of ${inodes.get(stat.ino)}`);
    } else {
      inodes.set(stat.ino, path);
      const hash = createHash("sha256").update(readFileSync(absolute)).digest("hex");
      tree.set(path, `file ${mode} ${stat.size} ${hash}`);
    }
  }
  for (const part of parts) visit(part);
  return tree;
}

/** Compares two trees. */
export function compareTrees(first: Tree, second: Tree): Difference {
  const paths = [...first.keys()].sort();
  return {
    missing: paths.filter((path) => !second.has(path)),
    extra: [...second.keys()].filter((path) => !first.has(path)).sort(),
    changed: paths.filter((path) => second.has(path) && second.get(path) !== first.get(path)),
  };
}

/** How many entries of a tree are what, in words: `92 files, 69 folders, 1 link`. */
export function describeTree(tree: Tree): string {
  const kinds = Map.groupBy(tree.values(), (value) => value.split(" ", 1).join());
  return KINDS.flatMap(([kind, one, many]) => {
    const count = kinds.get(kind)?.length ?? 0;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  }).join(", ");
}

const KINDS = [
  ["file", "file", "files"],
  ["directory", "folder", "folders"],
  ["link", "link", "links"],
  ["hardlink", "hard link", "hard links"],
] as const;
