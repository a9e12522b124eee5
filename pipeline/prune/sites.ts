/**
 * The destinations that can be pruned, with the workers that look and remove there.
 *
 * @module
 */
import type { StoredFile } from "../../stages/contract.ts";
import { BackupError } from "../../stages/errors.ts";
import type { Catalog } from "../catalog.ts";
import type { Pipeline } from "../config/pipeline.ts";
import type { Listener, PrunedItem } from "../events.ts";
import { filesIn, type Place, placesOf } from "../places.ts";
import type { Policy } from "../retention.ts";
import type { ReadingPool } from "../worker/pool.ts";
import type { PruneContext, Site } from "./pruning.ts";

/** A destination, and what stays there; without a policy, everything. */
export interface Target {
  readonly place: Place;
  readonly policy: Policy | undefined;
}

/**
 * The destinations that are meant: one by its id, or all.
 *
 * @throws {BackupError} `usage`.
 */
export function targetsOf(pipeline: Pipeline, destination: string | undefined): Target[] {
  const all = placesOf(pipeline).map((place): Target => ({
    place,
    policy: pipeline.stages.find(({ id }) => id === place.id)?.retention,
  }));
  if (destination === undefined) return all;
  const named = all.filter(({ place }) => place.id === destination);
  if (named.length > 0) return named;
  throw new BackupError("usage", `Cannot use "${destination}": there is no such destination`, {
    hint: `Name one of ${all.map(({ place }) => `"${place.id}"`).join(", ")}`,
  });
}

/** Makes a destination ready to be pruned: what removes there can do nothing else. */
export function siteOf(
  { place, policy }: Target & { readonly policy: Policy },
  pool: ReadingPool,
  { list, spares, signal }: Pick<Site, "list" | "spares"> & {
    readonly signal: AbortSignal | undefined;
  },
): Site {
  return {
    ...{ place, policy, list, spares },
    async remove(keys) {
      const context = { options: place.options, keys };
      await pool.removing(place).call({ operation: "remove", context }, { signal });
    },
  };
}

/** Lists a place that must be there if it ever held something. */
export async function listPlace(
  worker: Parameters<typeof filesIn>[0],
  { options, location }: Place,
  catalog: Catalog,
  signal: AbortSignal | undefined,
): Promise<readonly StoredFile[]> {
  const known = catalog.deliveriesTo(location);
  const wanted = { mustExist: known.length > 0, ids: known.map(({ id }) => id) };
  return await filesIn(worker, options, wanted, { signal });
}

/** Tells what was removed as it happens. */
export function teller(place: Place, listener: Listener | undefined): PruneContext["onRemoved"] {
  return ({ id, name, reasons }: PrunedItem) => {
    const reason = reasons.join("; ");
    listener?.({ type: "snapshot-removed", stage: place.id, snapshot: `${id}/${name}`, reason });
  };
}
