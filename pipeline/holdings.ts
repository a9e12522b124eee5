/**
 * What destinations hold of a source, and what the gates make of it.
 *
 * @module
 */
import type { GateResult, Holding, SourceStage } from "../stages/contract.ts";
import type { Catalog } from "./catalog.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import { streamsFor } from "./flow.ts";
import { bytesOf, isTorn } from "./missing.ts";
import { HASH_DIGITS } from "./names.ts";
import type { HeldSnapshot } from "./places.ts";
import type { Route, Step } from "./routes.ts";
import type { StageLog } from "./stage_log.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** Where a destination keeps things. */
export function locationOf({ stage, options }: PipelineStage): string {
  return stage.kind === "destination" ? stage.location(options) : "";
}

/** All that decides what a destination's archive looks like, besides its content. */
export function wayTo({ id }: PipelineStage, { source, steps }: Route): string {
  const way = streamsFor(source.id, steps, new Set([id])).map(({ transform }) =>
    transform === undefined
      ? (source.stage as SourceStage).codec(source.options)
      : { use: transform.use, options: transform.options }
  );
  return JSON.stringify(way);
}

/** What the gates are told of a destination, whose newest snapshot this is. */
export function holdingOf(
  destination: PipelineStage,
  newest: HeldSnapshot | undefined,
  route: Route,
  catalog: Catalog,
): Holding {
  const counts = newest !== undefined && isWhole(destination, newest, route, catalog);
  return { id: destination.id, newest: counts ? newest.name.slice(-HASH_DIGITS) : undefined };
}

/**
 * Whether a copy can count as one: complete, not known to be damaged, and made the way that it would
 * be made today.
 */
function isWhole(
  destination: PipelineStage,
  held: HeldSnapshot,
  route: Route,
  catalog: Catalog,
): boolean {
  if (isTorn(held)) return false;
  const spot = { id: held.id, name: held.name, location: locationOf(destination) };
  if (catalog.pruning.damaged(spot) !== undefined) return false;
  const known = catalog.delivery(spot.id, spot.name, spot.location);
  if (known === undefined) return true; // Stored before this catalog began.
  return known.bytes === bytesOf(held) && known.way === wayTo(destination, route);
}

/** What gates are asked with. */
export interface GateContext {
  readonly stages: readonly PipelineStage[];
  readonly workers: WorkerPool;
  readonly log: StageLog;
  readonly signal: AbortSignal | undefined;
}

/** Asks every gate on the way to these destinations; answers those that shall get the snapshot. */
export async function askGates(
  steps: readonly Step[],
  holdings: ReadonlyMap<string, Holding>,
  contentHash: string,
  { stages, workers, log, signal }: GateContext,
): Promise<Set<string>> {
  const needed = new Set(steps.map(({ stage }) => stage.id));
  for (const gate of stages.filter(({ stage }) => stage.kind === "gate")) {
    const behind = steps.filter(({ gates }) => gates.includes(gate.id));
    if (behind.length === 0) continue;
    log.start(gate);
    const destinations = behind.map(({ stage }) => holdings.get(stage.id)!);
    const context = { options: gate.options, contentHash, destinations };
    const { result } = await workers.get(gate).call<GateResult>(
      { operation: "run", context },
      { signal },
    );
    for (const { id } of destinations) if (!result.pass.includes(id)) needed.delete(id);
    const [count, all] = [result.pass.length, destinations.length];
    if (count === 0) log.finish(gate, "unchanged", "nothing had changed");
    else log.finish(gate, "ok", `${count} of ${all} destinations to bring up to date`);
  }
  return needed;
}
