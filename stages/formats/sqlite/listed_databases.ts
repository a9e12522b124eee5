/**
 * The databases that a snapshot lists, as a walk comes by them.
 *
 * @module
 */
import type { Remark } from "../../contract.ts";
import { reasonOf } from "../source_file.ts";

/** Endings of what lies beside a database and is a part of it. */
export const SIDE_FILES = ["-wal", "-shm", "-journal"] as const;

/** Tells databases and what lies beside them from other files, and which were not met. */
export class ListedDatabases {
  /** As the user names them, by their true places. */
  readonly #missed = new Map<string, string>();
  readonly #places: ReadonlySet<string>;
  readonly #beside: ReadonlySet<string>;
  readonly #notFiles = new Set<string>();
  readonly #unreadable: Remark[] = [];

  /** @param paths Absolute paths, links followed. */
  constructor(paths: readonly string[]) {
    for (const path of paths) {
      try {
        const place = Deno.realPathSync(path);
        if (Deno.lstatSync(place).isFile) this.#missed.set(place, path);
        else {
          this.#unreadable.push({ path, reason: "it is no file" });
          this.#notFiles.add(place);
        }
      } catch (error) {
        const isGone = error instanceof Deno.errors.NotFound;
        this.#unreadable.push({ path, reason: isGone ? "it does not exist" : reasonOf(error) });
      }
    }
    this.#places = new Set(this.#missed.keys());
    const beside = Array.from(this.#places, (place) => SIDE_FILES.map((end) => `${place}${end}`));
    this.#beside = new Set(beside.flat());
  }

  /** Whether a true place is that of a database. */
  has(place: string): boolean {
    return this.#places.has(place);
  }

  /** Whether a true place is that of what a copy of a database has in it. */
  isBeside(place: string): boolean {
    return this.#beside.has(place) && !this.#places.has(place);
  }

  /** Whether what was listed as a database is there, and is a directory or the like. */
  isNoFile(place: string): boolean {
    return this.#notFiles.has(place);
  }

  /** Says that a database was met, and told of in one way or another. */
  meet(place: string): void {
    this.#missed.delete(place);
  }

  /** Those that the walk did not come by, and why. */
  missed(): Remark[] {
    const reason = "it lies in a directory that is left out";
    return [
      ...this.#unreadable,
      ...Array.from(this.#missed.values(), (path) => ({ path, reason })),
    ];
  }
}
