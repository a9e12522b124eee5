/**
 * Which destinations hold files of this machine, by what the catalog knows.
 *
 * A file counts as held where a snapshot has its path for certain, the destination was given that
 * snapshot and has it still, and the file was not written to after the snapshot was begun.
 *
 * @module
 */
import { join } from "node:path";
import type { DatedFile } from "../stages/formats/claude/conversations.ts";
import { realPathOf, wayInto } from "../stages/formats/roots.ts";
import type { Catalog } from "./catalog.ts";
import type { Origin, Span } from "./catalog/contents.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { placesOf } from "./places.ts";

/** A file's possible places in archives: one for each snapshot stage and way there. */
interface Candidate extends Pick<Span, "id" | "path"> {
  readonly root: string;
}

/** Tells which destinations hold files. */
export class Holders {
  readonly #roots: readonly RootPlace[];
  readonly #spans: ReadonlyMap<string, readonly Span[]>;
  readonly #origins = new Map<string, Origin[]>();
  /** For each destination, the snapshots (`id/name`) that can be counted on there. */
  readonly #held: ReadonlyMap<string, ReadonlySet<string>>;

  /** @param files All that it will be asked for, with their true paths. */
  constructor(pipeline: Pipeline, catalog: Catalog, files: readonly DatedFile[], now: Date) {
    const places = placesOf(pipeline);
    this.#held = new Map(places.map(({ id, location }) => [id, soundAt(location, catalog)]));
    const roots = new Map<string, RootPlace>();
    for (const origin of catalog.contents.origins()) {
      if (origin.seen > now) continue; // By a clock that was ahead: when it was, nobody knows.
      const { id } = origin;
      this.#origins.set(id, [...this.#origins.get(id) ?? [], origin]);
      for (const { name, path } of origin.roots) {
        const key = keyOf({ id, path: name, root: path });
        if (!roots.has(key)) roots.set(key, { id, name, path, real: realPathOf(path) });
      }
    }
    // The newest first: what holds a file is most probably among them.
    for (const list of this.#origins.values()) list.sort((a, b) => b.seq - a.seq);
    this.#roots = [...roots.values()];
    const wanted = files.flatMap(({ path }) => this.#candidates(path));
    const spans = catalog.contents.spans(wanted.map(({ id, path }) => ({ id, path })));
    this.#spans = Map.groupBy(spans, ({ id, path }) => `${id}/${path}`);
  }

  /** Ids of the destinations that hold each of these as it is now. */
  of(files: readonly DatedFile[]): readonly string[] {
    return [...this.#held].flatMap(([destination, sound]) =>
      files.length > 0 && files.every((file) => this.#isHeld(file, sound)) ? [destination] : []
    );
  }

  #isHeld({ path, changed }: DatedFile, sound: ReadonlySet<string>): boolean {
    return this.#candidates(path).some((candidate) => {
      const spans = this.#spans.get(`${candidate.id}/${candidate.path}`) ?? [];
      return spans.length > 0 &&
        (this.#origins.get(candidate.id) ?? []).some((origin) =>
          origin.seen.getTime() >= changed && sound.has(`${origin.id}/${origin.name}`) &&
          spans.some(({ first, last }) =>
            first <= origin.seq && (last === null || origin.seq <= last)
          ) &&
          origin.roots.some(({ name, path: root }) =>
            root === candidate.root && isBelow(name, candidate.path)
          )
        );
    });
  }

  #candidates(file: string): Candidate[] {
    return this.#roots.flatMap(({ id, name, path, real }) => {
      const way = wayInto(real, file);
      if (way === undefined) return [];
      const inArchive = join(name, way).replaceAll("\\", "/");
      return [{ id, path: inArchive, root: path }];
    });
  }
}

interface RootPlace {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** Its true place, to which files are compared. */
  readonly real: string;
}

function keyOf(candidate: Candidate): string {
  return JSON.stringify([candidate.id, candidate.path, candidate.root]);
}

function isBelow(name: string, path: string): boolean {
  return path === name || path.startsWith(`${name}/`);
}

/** The snapshots that a place was given, has still, and was not found to have damaged. */
function soundAt(location: string, catalog: Catalog): ReadonlySet<string> {
  const verified = catalog.pruning.verifications(location);
  const gone = new Set(catalog.missing.at(location).map(({ id, name }) => `${id}/${name}`));
  const held = catalog.deliveriesTo(location).map(({ id, name }) => `${id}/${name}`)
    .filter((key) => !gone.has(key));
  return new Set(held.filter((key) => (verified.get(key) ?? "ok") === "ok"));
}
