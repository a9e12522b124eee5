/**
 * Which stage feeds which: the order of the file, `only` and `input`, worked out once.
 *
 * @module
 */
import type { StageKind } from "../stages/contract.ts";
import type { PipelineStage } from "./config/pipeline.ts";

/** What decides where a stage stands on the way of an archive. */
export interface Routable {
  readonly id: string;
  readonly only: readonly string[] | undefined;
  readonly input: string | undefined;
  readonly stage: { readonly kind: StageKind; readonly seals?: boolean };
}

/** One transform or destination on the way of a source's archive. */
export interface Step<T extends Routable = PipelineStage> {
  readonly stage: T;
  /** Id of the source or transform whose output it takes. */
  readonly from: string;
  /** Ids of the gates that decide whether the archive comes this far, from the top. */
  readonly gates: readonly string[];
  /** Whether what it gets can be read by nobody without an identity. */
  readonly sealed: boolean;
}

/** The way of one source's archive: its steps in the order of the file. */
export interface Route<T extends Routable = PipelineStage> {
  readonly source: T;
  readonly steps: readonly Step<T>[];
}

/**
 * The route of every source, from the top.
 *
 * A stage acts on the sources above it, or on those that `only` names. It takes the output of the
 * stage that `input` names, else of the nearest transform above that acts on the same source, else
 * of the source. A stage whose input does not exist on a route is not on that route. A gate decides
 * for every step below it; with `input`, for what went through that stage.
 */
export function routesOf<T extends Routable>(stages: readonly T[]): Route<T>[] {
  return stages.flatMap((source, index) =>
    source.stage.kind === "source" ? [routeOf(source, stages.slice(index + 1))] : []
  );
}

/** The destinations of a route that are to get something: all, or those that were asked for. */
export function destinationsOf(
  { source, steps }: Route,
  only: ReadonlySet<string> | undefined,
): Step[] {
  const all = steps.filter(({ stage }) => stage.stage.kind === "destination");
  if (only === undefined || only.has(source.id)) return all;
  return all.filter(({ stage }) => only.has(stage.id));
}

/** Whether every destination of a source gets it encrypted, whichever of them a run is for. */
export function isSealed({ steps }: Route<Routable>): boolean {
  return steps.every(({ stage, sealed }) => stage.stage.kind !== "destination" || sealed);
}

function routeOf<T extends Routable>(source: T, below: readonly T[]): Route<T> {
  const steps: Step<T>[] = [];
  const gates: T[] = [];
  /** What there is to take so far: the source and the transforms, by id. */
  const outputs = new Map<string, Output>([[source.id, { sealed: false, lineage: [source.id] }]]);
  let nearest = source.id;
  for (const stage of below) {
    const { kind, seals = false } = stage.stage;
    if (kind === "prepare" || kind === "source") continue;
    if (stage.only !== undefined && !stage.only.includes(source.id)) continue;
    const from = stage.input ?? nearest;
    const input = outputs.get(from);
    if (input === undefined) continue;
    if (kind === "gate") {
      gates.push(stage);
      continue;
    }
    const { sealed, lineage } = input;
    const deciding = gates.filter((gate) =>
      gate.input === undefined || lineage.includes(gate.input)
    );
    steps.push({ stage, from, gates: deciding.map((gate) => gate.id), sealed });
    if (kind === "transform") {
      outputs.set(stage.id, { sealed: sealed || seals, lineage: [...lineage, stage.id] });
      nearest = stage.id;
    }
  }
  return { source, steps };
}

interface Output {
  readonly sealed: boolean;
  /** Ids of the stages it went through, the source first. */
  readonly lineage: readonly string[];
}
