/**
 * What `only` and `input` may name: stages above, that make archives.
 *
 * @module
 */
import type { StageKind } from "../../stages/contract.ts";
import { type Finding, type Path, sayChoices } from "./problems.ts";
import { suggest } from "./suggest.ts";
import type { DraftStage } from "./validate.ts";

/** Checks every id that a stage names. */
export function checkReferences(stages: readonly DraftStage[]): Finding[] {
  return stages.flatMap((stage) => {
    const { index, only, input } = stage;
    const names = (only ?? []).flatMap((id, place) =>
      checkReference(stages, stage, id, ["stage", index, "only", place], ["source"])
    );
    if (only?.length === 0) {
      const message = "Expected at least one id";
      const hint = "Remove it: all snapshots above are meant then";
      names.push({ path: ["stage", index, "only"], at: "value", message, hint });
    }
    if (input === undefined) return names;
    const path = ["stage", index, "input"];
    return [...names, ...checkReference(stages, stage, input, path, ["source", "transform"])];
  });
}

function checkReference(
  stages: readonly DraftStage[],
  stage: DraftStage,
  id: string,
  path: Path,
  kinds: readonly StageKind[],
): Finding[] {
  const wrong = (message: string, hint: string): Finding[] => [
    { path, at: "value", message, hint },
  ];
  const fits = (other: DraftStage) => other.stage === undefined || kinds.includes(other.stage.kind);
  const named = stages.find((other) => other.id === id);
  const usable = stages.filter((other) =>
    other.index < stage.index && other.id !== "" && other.stage !== undefined && fits(other)
  ).map((other) => other.id);
  const hint = usable.length === 0
    ? "Remove it, or move this stage below the one that is meant"
    : `Name ${sayChoices(usable)}`;
  const what = kinds.length === 1 ? "snapshot" : "stage";
  if (named === undefined) {
    // It may be the one whose id is wrong.
    if (stages.some((other) => other.id === "" && other.index < stage.index)) return [];
    const near = suggest(id, usable);
    const question = near === undefined ? "" : `, did you mean "${near}"?`;
    return wrong(`Cannot find a ${what} of this id above${question}`, hint);
  }
  if (named === stage) return wrong("Cannot name the stage itself", hint);
  if (!fits(named)) {
    const lack = what === "snapshot" ? "is no snapshot" : "makes no archive";
    return wrong(`Cannot use "${id}" here: a ${named.stage!.kind} stage ${lack}`, hint);
  }
  if (named.index < stage.index) return [];
  return wrong(`Cannot use "${id}" here: it stands below`, "Move this stage below it");
}
