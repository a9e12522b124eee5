/**
 * What lies beside a SQLite database and belongs to it: changes that the file itself does not have
 * yet. Beside another database in its place, SQLite would mix the two.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { systemCode } from "../../stages/errors.ts";
import { SIDE_FILES } from "../../stages/formats/sqlite/listed_databases.ts";

/** Finds such files, looking into each directory once. */
export class StaleFiles {
  readonly #names = new Map<string, ReadonlySet<string>>();
  readonly #restored: ReadonlySet<string>;

  /** @param restored Paths that get what belongs there. */
  constructor(restored: ReadonlySet<string>) {
    this.#restored = restored;
  }

  /**
   * Endings of what must make way, together with what is at `path`, for another database; none where
   * nothing there has to do with SQLite.
   */
  beside(path: string): readonly string[] {
    const names = this.#namesIn(dirname(path));
    const name = basename(path);
    const endings = SIDE_FILES.filter((ending) =>
      names.has(name + ending) && !this.#restored.has(path + ending)
    );
    if (endings.length === 0) return [];
    const isThere = names.has(name);
    const isOurs = isThere && beginsWith(path, [DATABASE]) ||
      endings.some((ending) => beginsWith(path + ending, LOGS));
    if (!isOurs) return [];
    return [...(isThere ? [""] : []), ...endings];
  }

  /** A name beside `path`, ending in `word`, of which nothing there makes use, with any ending. */
  freeName(path: string, word: string): string {
    const names = this.#namesIn(dirname(path));
    const isTaken = (free: string) =>
      ["", ...SIDE_FILES].some((ending) => names.has(basename(free) + ending));
    let free = `${path}.${word}`;
    for (let number = 2; isTaken(free); number++) free = `${path}.${word}-${number}`;
    return free;
  }

  #namesIn(directory: string): ReadonlySet<string> {
    const known = this.#names.get(directory);
    if (known !== undefined) return known;
    const names = new Set<string>();
    try {
      for (const { name, isFile } of Deno.readDirSync(directory)) if (isFile) names.add(name);
    } catch (error) {
      // What is not there, or closed to us, holds nothing that could be found.
      if (systemCode(error) === undefined) throw error;
    }
    this.#names.set(directory, names);
    return names;
  }
}

/** Whether the file at `path`, as it is, is only a part of the database there. */
export function hasPending(path: string, endings: readonly string[]): boolean {
  return endings.some((ending) =>
    (ending === "-wal" || ending === "-journal") && Deno.lstatSync(path + ending).size > 0
  );
}

/** How databases and their logs begin (https://sqlite.org/fileformat2.html, 1.3, 3.1 and 4.1). */
const DATABASE = [..."SQLite format 3\0"].map((letter) => letter.charCodeAt(0));
const LOGS = [
  [0x37, 0x7f, 0x06, 0x82],
  [0x37, 0x7f, 0x06, 0x83],
  [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7],
];

function beginsWith(path: string, beginnings: readonly (readonly number[])[]): boolean {
  try {
    using file = Deno.openSync(path);
    const start = new Uint8Array(16);
    const count = file.readSync(start) ?? 0;
    return beginnings.some((bytes) =>
      count >= bytes.length && bytes.every((byte, place) => start[place] === byte)
    );
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}
