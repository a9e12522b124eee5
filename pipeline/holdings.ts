/**
 * What destinations hold of a source, and what the gates make of it.
 *
 * @module
 */
import type { GateResult, Holding, SourceStage } from "../stages/contract.ts";
import type { Catalog } from "./catalog.ts";
import { bytesOf, isTorn } from "./catalog/missing.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import { HASH_DIGITS } from "./names.ts";
import { type HeldSnapshot, isEncrypted } from "./places.ts";
import type { Route, Step } from "./routes.ts";
import { streamsFor } from "./run/flow.ts";
import type { StageLog } from "./run/stage_log.ts";
import type { WorkerPool } from "./worker/pool.ts";

/** Where a destination keeps things. */
export function locationOf({ stage, options }: PipelineStage): string {
  return stage.kind === "destination" ? stage.location(options) : "";
}

/** All that decides what a destination's archive, or what stands in its place, looks like. */
export function wayTo({ id, stage, options }: PipelineStage, { source, steps }: Route): string {
  const way: unknown[] = streamsFor(source.id, steps, new Set([id])).map(({ transform }) =>
    transform === undefined
      ? (source.stage as SourceStage).codec(source.options)
      : { use: transform.use, options: transform.options }
  );
  const isUnpacked = stage.kind === "destination" &&
    stage.byHand?.(options).restore !== undefined;
  return JSON.stringify(isUnpacked ? [...way, "files"] : way);
}

/**
 * The way in which a copy was made, as far as this catalog knows; empty: it does not. Nobody can tell
 * for whom another one had it encrypted, but a copy that was moved is the one that it was.
 */
export function wayOf(
  held: HeldSnapshot,
  destination: PipelineStage,
  route: Route,
  catalog: Catalog,
): string {
  const { id, name } = held;
  const known = catalog.delivery(id, name, locationOf(destination));
  if (known !== undefined) return known.way;
  const today = wayTo(destination, route);
  const wasPlain = !isEncrypted(held);
  if (wasPlain && isPlain(today)) return today;
  const ways = wasPlain ? [] : catalog.waysOf(id, name, bytesOf(held));
  return ways.length === 1 ? ways[0]! : "";
}

/** What the gates are told of a destination, whose newest snapshot this is. */
export function holdingOf(
  destination: PipelineStage,
  newest: HeldSnapshot | undefined,
  route: Route,
  catalog: Catalog,
): Holding {
  const { id } = destination;
  if (newest === undefined || !isWhole(destination, newest, catalog)) {
    return { id, newest: undefined };
  }
  const way = wayOf(newest, destination, route, catalog);
  const today = wayTo(destination, route);
  // A destination alone is enough to go by: what is encrypted may be for the recipients of today.
  const counts = way === today || way === "" && isEncrypted(newest) && !isPlain(today);
  return { id, newest: counts ? newest.name.slice(-HASH_DIGITS) : undefined };
}

/** Whether no transform is on the way. */
function isPlain(way: string): boolean {
  return JSON.parse(way).every((step: unknown) => typeof step === "string");
}

/** Whether a copy is complete, as it was stored and not known to be damaged. */
function isWhole(destination: PipelineStage, held: HeldSnapshot, catalog: Catalog): boolean {
  if (isTorn(held)) return false;
  const spot = { id: held.id, name: held.name, location: locationOf(destination) };
  if (catalog.pruning.damaged(spot) !== undefined) return false;
  const known = catalog.delivery(spot.id, spot.name, spot.location);
  return known === undefined || known.bytes === bytesOf(held);
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
