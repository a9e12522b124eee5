/**
 * Where the parts of an archive come from, and the names under which they stand in it.
 *
 * @module
 */
import { isAbsolute, parse, relative, resolve, sep } from "node:path";
import type { Remark, Root } from "../contract.ts";
import { StageError } from "../errors.ts";
import { CLAUDE_FOLDER } from "./claude/home.ts";
import { reasonOf } from "./source_file.ts";

/**
 * Names the parts of an archive. Each stands under the last name of its path; where two would share
 * a name, or one stand inside the other, under as many trailing names as it takes to keep them
 * apart. A path inside another one of the list is folded into that.
 *
 * @param paths Absolute paths.
 * @param realPath True place of a path. A path is folded only where the way to it is free of links,
 *   which are never followed: it would be lost otherwise.
 */
export function rootsOf(
  paths: readonly string[],
  realPath: (path: string) => string = (path) => path,
): Root[] {
  const unique = [...new Set(paths.map((path) => resolve(path)))];
  const namings = unique
    .filter((path) => !unique.some((other) => isReachedFrom(other, path, realPath)))
    .map((path) => new Naming(path));
  while (growSharedNames(namings) || growNestedName(namings));
  return namings.map(({ name, path }) => ({ name, path }));
}

/** Whether the way from `from` to `path` is free of links, and not of length zero. */
function isReachedFrom(
  from: string,
  path: string,
  realPath: (path: string) => string,
): boolean {
  if (from === path) return false;
  const way = wayInto(from, path);
  return way !== undefined && resolve(realPath(from), way) === realPath(path);
}

/** The way from a directory to a path inside it, empty to itself; `undefined` when it is outside. */
export function wayInto(directory: string, path: string): string | undefined {
  const way = relative(directory, path);
  return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : way;
}

/** How an archive with these roots spells a path of this machine; a path may stand in several. */
export function archivePaths(roots: readonly Root[], path: string): string[] {
  return roots.flatMap((root) => {
    const way = wayInto(root.path, path);
    if (way === undefined) return [];
    return [way === "" ? root.name : `${root.name}/${way.replaceAll(sep, "/")}`];
  });
}

/** The name of one root, from its path's last name on. */
class Naming {
  readonly path: string;
  readonly #names: readonly string[];
  #count = 1;
  #number = 0;

  constructor(path: string) {
    this.path = path;
    const { root } = parse(path);
    const names = path.slice(root.length).split(sep).filter((name) => name !== "");
    const drive = root.replaceAll(/[^A-Za-z0-9]/g, "");
    this.#names = drive === "" && names.length > 0 ? names : [drive || FILE_SYSTEM, ...names];
  }

  get name(): string {
    const name = this.#names.slice(-this.#count).join("/");
    return this.#number === 0 ? name : `link-${this.#number}/${name}`;
  }

  get canGrow(): boolean {
    return this.#count < this.#names.length;
  }

  grow(): void {
    this.#count++;
  }

  /** Puts a number in front, and the next one when it has one already. */
  number(): void {
    this.#number++;
  }
}

/** Name of the file system's own root. */
const FILE_SYSTEM = "root";

/** Lengthens all names that are shared. Answers whether there was any. */
function growSharedNames(namings: readonly Naming[]): boolean {
  const names = namings.map(({ name }) => name);
  const shared = namings.filter((naming) =>
    naming.canGrow && names.filter((name) => name === naming.name).length > 1
  );
  for (const naming of shared) naming.grow();
  return shared.length > 0;
}

/** Lengthens one name of two that stand one inside the other. Answers whether there were any. */
function growNestedName(namings: readonly Naming[]): boolean {
  for (const outer of namings) {
    for (const inner of namings) {
      if (outer === inner || !`${inner.name}/`.startsWith(`${outer.name}/`)) continue;
      const growing = [inner, outer].find(({ canGrow }) => canGrow);
      // Both in full: a link in the outer one leads to the inner one.
      if (growing) growing.grow();
      else inner.number();
      return true;
    }
  }
  return false;
}

/** A root that is there. */
export interface FoundRoot extends Root {
  /** Its true place: what it is read from. */
  readonly real: string;
  readonly info: Deno.FileInfo;
}

/**
 * Finds the roots, those that are links at what they lead to. What is not there goes to
 * `unreadable`.
 *
 * @throws {StageError} When there is none at all: `source-missing`, or `source-unreadable`.
 */
export function findRoots(paths: readonly string[], unreadable: Remark[]): FoundRoot[] {
  const found: FoundRoot[] = [];
  let isThere = false;
  for (const root of rootsOf(paths, realPathOf)) {
    try {
      const real = Deno.realPathSync(root.path);
      found.push({ ...root, real, info: Deno.lstatSync(real) });
    } catch (error) {
      const isMissing = error instanceof Deno.errors.NotFound;
      isThere ||= !isMissing;
      const reason = isMissing ? "it does not exist" : reasonOf(error);
      unreadable.push({ path: root.path, reason });
    }
  }
  const first = unreadable.find(({ reason }) => !isThere || reason !== "it does not exist");
  if (found.length > 0 || first === undefined) return found;
  throw new StageError(
    isThere ? "source-unreadable" : "source-missing",
    `Cannot back up "${first.path}": ${first.reason}`,
    { hint: isThere ? HINT_UNREADABLE : hintMissing(first.path) },
  );
}

/** The true place of a path that is there; of another one, the path. */
export function realPathOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path; // Whatever is wrong with it is said once it is looked for.
  }
}

const HINT_UNREADABLE = "Run keepsake as a user who may read it";

function hintMissing(path: string): string {
  return parse(path).base === CLAUDE_FOLDER
    ? 'Start Claude Code once, or set CLAUDE_CONFIG_DIR, or change "paths" in the pipeline file'
    : 'Change "paths" in the pipeline file, or make the directory';
}
