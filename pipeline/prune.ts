/**
 * Applies retention because somebody asks for it.
 *
 * @module
 */
import { join } from "node:path";
import { FAILURES, toRecord } from "../stages/errors.ts";
import { Catalog, sayPutAside } from "./catalog.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { type Listener, type Pruning, warn } from "./events.ts";
import { readerOptions } from "./find_copies.ts";
import { acquireLock } from "./lock.ts";
import { type HeldSnapshot, type Place, placesOf, removalAt } from "./places.ts";
import { prune } from "./prune/pruning.ts";
import { listPlace, siteOf, targetsOf, teller } from "./prune/sites.ts";
import { SnapshotReader } from "./reader.ts";
import { routesOf } from "./routes.ts";
import { makeStateDirectory } from "./state_directory.ts";
import { ReadingPool } from "./worker/pool.ts";

/** What to prune. */
export interface PruneOptions {
  /** Id of the one destination; `undefined`: all. */
  readonly destination?: string | undefined;
  /** Judge and tell, and remove nothing. */
  readonly dryRun?: boolean;
  /** Files with identities, in the place of the pipeline's own. */
  readonly identityFiles?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: Listener | undefined;
  readonly clock?: () => Date;
}

/** How pruning fared. */
export interface PruneReport {
  readonly ok: boolean;
  readonly dryRun: boolean;
  /** Every destination that was meant, in the order of the file. */
  readonly destinations: readonly Pruning[];
  /** Exit status by the table of `stages/errors.ts`. */
  readonly status: number;
}

/**
 * Removes what the policies of a pipeline's destinations do not keep.
 *
 * @throws {BackupError} `usage` for a destination that is not there, `run-in-progress`.
 */
export async function prunePipeline(
  pipeline: Pipeline,
  options: PruneOptions = {},
): Promise<PruneReport> {
  const { dryRun = false, signal, listener, clock = () => new Date() } = options;
  const targets = targetsOf(pipeline, options.destination);
  const lookup = { pipeline, identityFiles: options.identityFiles, signal, listener };
  const reading = await readerOptions(lookup);
  await makeStateDirectory(pipeline.state);
  using _lock = await acquireLock(join(pipeline.state, "lock"));
  const now = clock();
  const sayDamaged = (aside: string) => warn(listener, sayPutAside(aside));
  using catalog = Catalog.open(pipeline.state, sayDamaged, now);
  using pool = new ReadingPool(); // Its workers end before others may begin.
  const destinations: Pruning[] = [];
  const own = { host: Deno.hostname(), pipeline: pipeline.name };
  const locations = placesOf(pipeline).map(({ location }) => location);
  for (const target of targets) {
    signal?.throwIfAborted();
    const { place, policy } = target;
    if (policy === undefined) {
      destinations.push(unpruned(place));
      continue;
    }
    listener?.({ type: "stage-started", stage: place.id });
    const reader = new SnapshotReader(place, pool, reading);
    const site = siteOf({ ...target, policy }, pool, {
      list: () => listPlace(pool.at(place), place, catalog, signal),
      spares: (id) => sparing(pipeline, place, id, catalog),
      signal,
    });
    const read = (held: HeldSnapshot) => readIfPossible(reader, held, signal);
    const onRemoved = teller(place, listener);
    const context = { catalog, now, own, locations, dryRun, onRemoved };
    destinations.push(await prune({ ...site, read }, context));
    signal?.throwIfAborted();
  }
  const ok = destinations.every(({ failure }) => failure === undefined);
  return { ok, dryRun, destinations, status: ok ? 0 : FAILURES["stage-failed"].status };
}

/** Why a snapshot's copies at a place are left alone, judged by what is known of the last run. */
function sparing(
  { stages }: Pipeline,
  place: Place,
  id: string,
  { pruning, suspicions }: Catalog,
): string | undefined {
  const route = routesOf(stages).find(({ source }) => source.id === id);
  if (!route?.steps.some(({ stage }) => stage.id === place.id)) {
    return "no snapshot stage of this pipeline stores it here";
  }
  switch (pruning.lastOutcome(id, place.id)) {
    case "succeeded":
      return suspicions.pause(id);
    case "failed":
      return "the last run of it did not succeed";
    case "unfinished":
      return "the last run did not end in order: run again first";
    case undefined:
      return "no run of it is known here: run first";
  }
}

/** A manifest is a help, where an identity is at hand to open it. */
async function readIfPossible(
  reader: SnapshotReader,
  held: HeldSnapshot,
  signal: AbortSignal | undefined,
) {
  try {
    return await reader.manifest(held);
  } catch (error) {
    signal?.throwIfAborted();
    return toRecord(error).code === "snapshot-damaged" ? "damaged" : undefined;
  }
}

/** A destination without a policy is not even looked at. */
function unpruned(place: Place): Pruning {
  const { id, location } = place;
  return { id, location, removal: removalAt(place), policy: [], items: [] };
}
