/**
 * The files of Claude Code's of which nobody throws away the half: memory, settings with hooks, and
 * logs, which only ever grow. Tells what they are like, so that the next archive can be compared.
 *
 * @module
 */
import type { ClaudePlace, FileEntry, Watched } from "../../contract.ts";
import type { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import { archivePaths, type FoundRoot } from "../roots.ts";
import { ReadFault, SourceFile } from "../source_file.ts";
import { claudeFoldersAbove } from "./home.ts";

/** Tells what kinds of files there are in an archive, by where they lie in a folder of Claude Code's. */
export class Kinds {
  /** By directories, or files, of the archive: what they are in such a folder. */
  readonly #ways = new Map<string, string[]>();

  /** @param places What is known of the folders; a root may be one all the same. */
  constructor(roots: readonly TrueRoot[], places: readonly ClaudePlace[] = []) {
    for (const { name, path, real } of roots) {
      this.#add(name, "");
      for (const { path: way } of [path, real].flatMap(claudeFoldersAbove)) this.#add(name, way);
    }
    const realRoots = roots.map(({ name, real }) => ({ name, path: real }));
    for (const { path, way } of places) {
      for (const place of archivePaths(realRoots, path)) this.#add(place, way);
    }
  }

  #add(place: string, way: string): void {
    const ways = this.#ways.get(place) ?? [];
    this.#ways.set(place, [...ways, way]);
  }

  /** @returns `undefined` for a file that may become what it will. */
  of(path: string): Watched["kind"] | undefined {
    const kind = kindOf(path);
    if (kind !== undefined) return kind;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      for (const way of this.#ways.get(path.slice(0, end)) ?? []) {
        const kind = kindOf(`${way}${path.slice(end)}`.replace(/^\//, ""));
        if (kind !== undefined) return kind;
      }
    }
  }
}

/** A root, and its true place. */
type TrueRoot = Pick<FoundRoot, "name" | "path" | "real">;

function kindOf(way: string): Watched["kind"] | undefined {
  if (MEMORY_REGEXP.test(way)) return /(^|\/)MEMORY\.md$/.test(way) ? "index" : "memory";
  if (SETTINGS_REGEXP.test(way)) return "settings";
  return LOG_REGEXP.test(way) ? "log" : undefined;
}

const MEMORY_REGEXP = /(^|\/)(projects\/[^/]+\/memory|agent-memory\/[^/]+)\/.+|^MEMORY\.md$/;
const SETTINGS_REGEXP = /(^|(^|\/)\.claude\/)settings(\.local)?\.json$/;
const LOG_REGEXP = /(^|\/)projects\/.+\.jsonl$|(^|(^|\/)\.claude\/)history\.jsonl$/;

/** Looks at the files that matter, once each has been written to the archive. */
export class Watch {
  /** What was found, in the order of the archive. */
  readonly found: Watched[] = [];
  readonly #before: ReadonlyMap<string, Watched>;
  readonly #kinds: Kinds;
  readonly #hashing: Hashing;
  readonly #pace: Pace;

  /** @param before What an earlier archive held of them. */
  constructor(before: readonly Watched[], kinds: Kinds, hashing: Hashing, pace: Pace) {
    this.#before = new Map(before.map((watched) => [watched.path, watched]));
    this.#kinds = kinds;
    this.#hashing = hashing;
    this.#pace = pace;
  }

  /** @param source Where the entry was read, to look at its beginning or into it once more. */
  async add({ path, size, sha256 }: FileEntry, source: string): Promise<void> {
    const kind = this.#kinds.of(path);
    if (kind === undefined) return;
    const about = { path, kind, size, sha256 };
    if (kind === "settings") {
      const hooks = hooksIn(readText(source));
      this.found.push(hooks === undefined ? about : { ...about, hooks });
    } else if (kind === "log") {
      const grew = await this.#hasGrown(about, source);
      this.found.push(grew === undefined ? about : { ...about, grew });
    } else this.found.push(about);
  }

  /** Whether a log begins with what it was; `undefined`: nothing is known of that. */
  async #hasGrown(
    { path, size, sha256 }: Pick<Watched, "path" | "size" | "sha256">,
    source: string,
  ): Promise<boolean | undefined> {
    const before = this.#before.get(path);
    if (before === undefined) return undefined;
    if (size < before.size) return false;
    if (size === before.size) return sha256 === before.sha256;
    try {
      using file = SourceFile.open(source);
      const beginning = await this.#hashing.read(file, before.size, this.#pace);
      return beginning.size === before.size && beginning.hash === before.sha256;
    } catch (error) {
      if (error instanceof ReadFault) return undefined; // It was there a moment ago.
      throw error;
    }
  }
}

/** For how many events settings have hooks; `undefined` when they are no settings. */
export function hooksIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    const settings = JSON.parse(text);
    if (typeof settings !== "object" || settings === null || Array.isArray(settings)) return;
    const hooks: unknown = settings.hooks ?? {};
    if (typeof hooks !== "object" || hooks === null) return undefined;
    return Object.values(hooks).filter((list) => !Array.isArray(list) || list.length > 0).length;
  } catch {
    return undefined;
  }
}

/** Settings longer than that are none. */
const LARGEST_SETTINGS = 2 ** 22;

function readText(source: string): string | undefined {
  try {
    using file = SourceFile.open(source);
    if (file.info.size > LARGEST_SETTINGS) return undefined;
    const bytes = new Uint8Array(file.info.size);
    return new TextDecoder().decode(bytes.subarray(0, file.fill(bytes)));
  } catch (error) {
    if (error instanceof ReadFault) return undefined;
    throw error;
  }
}
