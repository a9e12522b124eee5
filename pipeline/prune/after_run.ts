/**
 * Prunes after a run. Apart from `prune`, so that a run loads nothing that reads snapshots back.
 *
 * @module
 */
import { BackupError } from "../../stages/errors.ts";
import type { Catalog } from "../catalog.ts";
import { hasSucceeded } from "../catalog/prune_record.ts";
import type { Pipeline } from "../config/pipeline.ts";
import type { Pruning, SnapshotReport } from "../events.ts";
import type { StageLog } from "../run/stage_log.ts";
import { ReadingPool, type WorkerPool } from "../worker/pool.ts";
import { prune } from "./pruning.ts";
import { listPlace, siteOf, targetsOf, teller } from "./sites.ts";

/** What a run prunes with. */
export interface RunContext {
  readonly catalog: Catalog;
  readonly workers: WorkerPool;
  readonly signal: AbortSignal | undefined;
  readonly log: StageLog;
  readonly clock: () => Date;
  readonly host: string;
}

/**
 * Prunes what a run has just succeeded with: at each destination that has a policy, the snapshots
 * that were read in full and that stand there now. What fails is told as that of the destination.
 *
 * @returns What was removed, or should have been, destination by destination.
 */
export async function pruneAfter(
  pipeline: Pipeline,
  snapshots: readonly SnapshotReport[],
  { catalog, workers, signal, log, clock, host }: RunContext,
): Promise<Pruning[]> {
  const prunings: Pruning[] = [];
  using pool = new ReadingPool();
  const targets = targetsOf(pipeline, undefined);
  const locations = targets.map(({ place }) => place.location);
  for (const { place, policy } of targets) {
    if (policy === undefined) continue;
    const succeeded = snapshots.filter((snapshot) =>
      snapshot.destinations.some((delivery) =>
        delivery.id === place.id && hasSucceeded(snapshot, delivery)
      )
    ).map(({ id }) => id);
    if (succeeded.length === 0) continue;
    const stage = pipeline.stages.find(({ id }) => id === place.id)!;
    const site = siteOf({ place, policy }, pool, {
      list: () => listPlace(workers.get(stage), place, catalog, signal),
      spares: (id) =>
        succeeded.includes(id) ? catalog.suspicions.pause(id) : "not a part of this run",
      signal,
    });
    const onRemoved = teller(place, (event) => log.tell(event));
    const own = { host, pipeline: pipeline.name };
    const context = { catalog, now: clock(), own, locations, dryRun: false, onRemoved };
    const pruning = await prune(site, context);
    signal?.throwIfAborted();
    const { failure } = pruning;
    if (failure !== undefined) {
      log.fail(stage, new BackupError(failure.code, failure.message, failure));
    }
    prunings.push({ ...pruning, items: pruning.items.filter(({ keep }) => !keep) });
  }
  return prunings;
}
