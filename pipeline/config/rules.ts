/**
 * What must hold between stages: ids, references, that every archive goes somewhere, and that it
 * goes there encrypted unless the file says otherwise.
 *
 * One mistake gives one problem: where a stage is in doubt, because it is unknown or names a stage
 * that is not there, nothing is said of what follows from it.
 *
 * @module
 */
import { LATEST } from "../names.ts";
import { realPath } from "../real_path.ts";
import { routesOf } from "../routes.ts";
import { checkFlow, findingAt, nodesOf } from "./flow.ts";
import type { Finding } from "./problems.ts";
import { checkReferences } from "./references.ts";
import { placeNameOf } from "./same_place.ts";
import type { DraftStage } from "./validate.ts";

/** Checks the stages of a draft against each other. Needs no more than the file. */
export function checkRules(stages: readonly DraftStage[]): Finding[] {
  const references = checkReferences(stages);
  const flow = checkFlow(nodesOf(stages, references));
  return [...checkIds(stages), ...references, ...checkKinds(stages), ...flow];
}

/**
 * Finds destinations that would keep the same snapshot at one place, where the one would prune what
 * the other is to keep, and stages that would write over what the other remembers. Needs absolute
 * paths, and looks at the file system.
 */
export function checkPlaces(stages: readonly DraftStage[]): Finding[] {
  const found = new Map<DraftStage, Finding>();
  for (const { source, steps } of routesOf(nodesOf(stages, checkReferences(stages)))) {
    const keepers = new Map<string, { readonly id: string; readonly location: string }>();
    for (const { stage: { draft } } of steps) {
      const { id, use, stage, options, complete } = draft;
      if (stage?.kind !== "destination" || !complete || found.has(draft)) continue;
      const name = placeNameOf(stage, options);
      const place = JSON.stringify([use, name]);
      const location = stage.location(options as never);
      const other = keepers.get(place);
      if (other === undefined) {
        keepers.set(place, { id, location });
        continue;
      }
      const why = location === other.location ? "" : `: both are "${name}"`;
      const message =
        `Destination "${id}" would keep snapshot "${source.id}" at the same place as "${other.id}"${why}`;
      found.set(draft, findingAt(draft, message, "Give it a place of its own, or remove it"));
    }
  }
  return [...checkOwned(stages), ...found.values()];
}

function checkOwned(stages: readonly DraftStage[]): Finding[] {
  const owners = new Map<string, { readonly id: string; readonly path: string }>();
  return stages.flatMap((draft) => {
    const { id, stage, options, complete } = draft;
    if (stage?.kind !== "prepare" || !complete) return [];
    const path = stage.owns?.(options as never);
    if (path === undefined) return [];
    const name = realPath(path);
    const other = owners.get(name);
    if (other === undefined) {
      owners.set(name, { id, path });
      return [];
    }
    const why = path === other.path ? "" : `: both are "${name}"`;
    const message = `Stage "${id}" would write to the same directory as "${other.id}"${why}`;
    return [findingAt(draft, message, "Give it a directory of its own, or remove it")];
  });
}

function checkIds(stages: readonly DraftStage[]): Finding[] {
  return stages.flatMap(({ id, index, stage }, position) => {
    if (id === LATEST && stage?.kind === "source") {
      const message =
        `Cannot use "${LATEST}" as the id of a snapshot: commands take it for the newest`;
      const hint = "Give it another id";
      return [{ path: ["stage", index, "id"], at: "value" as const, message, hint }];
    }
    const first = stages.findIndex((other) => other.id === id);
    if (first === position || id === "") return [];
    const message = `Cannot use "${id}" as an id twice: stage[${stages[first]!.index + 1}] has it`;
    const hint = "Give one of the two another id";
    return [{ path: ["stage", index, "id"], at: "value" as const, message, hint }];
  });
}

function checkKinds(stages: readonly DraftStage[]): Finding[] {
  if (stages.length === 0 || stages.some(({ stage }) => stage === undefined)) return [];
  return (["source", "destination"] as const).flatMap((kind) => {
    if (stages.some(({ stage }) => stage?.kind === kind)) return [];
    const message = `Cannot make a backup without a ${kind}: no stage is one`;
    const hint = `Add a [[stage]] that is a ${kind}, as pipeline.example.toml has it`;
    return [{ path: [], at: "key" as const, message, hint }];
  });
}
