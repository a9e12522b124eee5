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
  const places = [stateAt(state), ...stages.flatMap(placesOf)];
  return stages.flatMap((draft) => {
    const { stage, options, complete } = draft;
    if (stage?.kind !== "source" || !complete) return [];
    for (const path of stage.wanted?.(options as never) ?? []) {
      const place = places.find((place) => isInside(path, place.path));
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
  const { write = [] } = stage.permissions(options as never, "run");
  const hint = `Choose a place for "${id}" outside of what is backed up`;
  return write.map((path) => ({ path, whose: `"${id}" writes its backups`, hint }));
}

function isInside(path: string, place: string): boolean {
  const [names = [], places = []] = [path, place].map((one) => resolveGrants({ read: [one] }).read);
  return places.some((place) => names.some((name) => wayInto(place, name) !== undefined));
}
