/**
 * Finds sources inside of what backups are written to. Looks at the file system, for links.
 *
 * @module
 */
import { wayInto } from "../../stages/formats/roots.ts";
import { resolveGrants } from "../worker/host.ts";
import { findingAt } from "./flow.ts";
import type { Finding } from "./problems.ts";
import type { DraftStage } from "./validate.ts";

/** A directory of keepsake's own, which no backup holds. */
interface OwnPlace {
  readonly path: string;
  readonly whose: string;
  readonly hint: string;
}

/**
 * Finds paths that were asked for, and would be left out because they lie where a destination, or
 * the pipeline's state, is written. Needs absolute paths.
 */
export function checkOverlaps(stages: readonly DraftStage[], state: string): Finding[] {
  const places = [stateAt(state), ...stages.flatMap(placesOf)]
    .map((place) => ({ ...place, names: namesOf(place.path) }));
  return stages.flatMap((draft) => {
    const { stage, options, complete } = draft;
    if (stage?.kind !== "source" || !complete) return [];
    for (const path of stage.wanted?.(options as never) ?? []) {
      const own = namesOf(path);
      const place = places.find(({ names }) => isInside(own, names));
      if (place === undefined) continue;
      const where = place.path === path ? "there" : `to "${place.path}"`;
      const message = `Cannot back up "${path}": ${place.whose} ${where}, which no backup holds`;
      return [findingAt(draft, message, place.hint)];
    }
    return [];
  });
}

function stateAt(path: string): OwnPlace {
  const hint = 'Choose another "state" below [pipeline], or take the path out';
  return { path, whose: "keepsake writes its state", hint };
}

function placesOf({ id, stage, options, complete }: DraftStage): OwnPlace[] {
  if (stage?.kind !== "destination" || !complete) return [];
  const path = stage.directory?.(options as never);
  if (path === undefined) return [];
  const hint = `Choose a place for "${id}" outside of what is backed up`;
  return [{ path, whose: `"${id}" writes its backups`, hint }];
}

/** The path, and where it truly is. */
function namesOf(path: string): readonly string[] {
  return resolveGrants({ read: [path] }).read!;
}

function isInside(names: readonly string[], places: readonly string[]): boolean {
  return places.some((place) => names.some((name) => wayInto(place, name) !== undefined));
}
