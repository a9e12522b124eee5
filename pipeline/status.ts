/**
 * How things are, by what is remembered here: the last run, what each destination holds, what is
 * wrong. Asks no destination and starts no worker.
 *
 * @module
 */
import { join } from "node:path";
import { Catalog } from "./catalog.ts";
import type { RunRecord } from "./catalog/history.ts";
import type { OpenSuspicion } from "./catalog/suspicions.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { type HorizonReport, lookAtHorizon, NOTICE_MS, reportOf } from "./horizon.ts";
import { holderOf } from "./lock.ts";
import { createdOf } from "./names.ts";
import { placesOf } from "./places.ts";
import { routesOf } from "./routes.ts";
import { NOTHING } from "./watch/record.ts";
import { partsOf, type Trouble } from "./watch/troubles.ts";

/** What one destination is known to hold of one snapshot stage. */
export interface PlaceStatus {
  /** The destination's stage id. */
  readonly destination: string;
  readonly location: string;
  /** The snapshot stage's id. */
  readonly snapshot: string;
  /** When the newest snapshot was made; `undefined`: none is known. */
  readonly newest: Date | undefined;
  /** When it was last known to hold what it should; `undefined`: never. */
  readonly confirmed: Date | undefined;
  readonly count: number;
  /** How many it was given besides, and did not have when somebody last looked. */
  readonly missing: number;
  /** What they take up there. */
  readonly bytes: number;
  /** What the place takes up in all, where that is more: a repository with its history. */
  readonly placeBytes: number | undefined;
  /** When one was last read back in full; `undefined`: never. */
  readonly proven: Date | undefined;
  /** Its newest snapshot, where that was found damaged and not found good since. */
  readonly damaged: DamagedCopy | undefined;
  /** When a drill failed that none has made good since; `undefined`: there is no such. */
  readonly drillFailed: Date | undefined;
}

/** A copy that is known to be damaged. */
export interface DamagedCopy {
  /** `<stamp>-<hash>`. */
  readonly name: string;
  /** When that was found. */
  readonly found: Date;
}

/** A run of which no end is noted. */
export interface OpenRun {
  readonly since: Date;
  /** Where it began; `undefined`: nobody knows. */
  readonly process: number | undefined;
  /** `false`: it was cut off; `undefined`: nobody can tell. */
  readonly isAtWork: boolean | undefined;
}

/** How a pipeline is. */
export interface Status {
  readonly pipeline: string;
  readonly file: string;
  readonly now: Date;
  readonly last: RunRecord | undefined;
  /** The newest run, if it has not ended. */
  readonly open: OpenRun | undefined;
  /** When the last run began that ended, if that is unusually long ago. */
  readonly pause: Date | undefined;
  /** Every destination with every snapshot that goes there, in the order of the file. */
  readonly places: readonly PlaceStatus[];
  /** The oldest first. */
  readonly troubles: readonly Trouble[];
  /** Where something seems to be lost, and nobody has accepted that. */
  readonly suspicions: readonly OpenSuspicion[];
  /** Conversations that Claude Code deletes soon, and that are in no destination. */
  readonly endangered: HorizonReport["endangered"];
  /** Where nobody can look whether there are such conversations. */
  readonly unseen: HorizonReport["unseen"];
}

/**
 * Looks up how a pipeline is.
 *
 * @throws {BackupError} What the disk has against the catalog.
 */
export function statusOf(pipeline: Pipeline, now: Date): Status {
  const { name, file, state } = pipeline;
  using catalog = Catalog.openToTell(state);
  const suspicions = catalog?.suspicions.all() ?? [];
  const ids = new Set(suspicions.map(({ id }) => id));
  const places = placesIn(pipeline, catalog);
  // The next run finds that it was accepted: until then, this knows.
  const isAccepted = ({ subject }: Trouble) => {
    const [kind, whose] = partsOf(subject);
    if (kind === "loss") return !ids.has(whose.split("/")[0]!);
    return kind === "store" &&
      places.every(({ destination, snapshot, missing }) =>
        missing === 0 || `${destination}/${snapshot}` !== whose
      );
  };
  return {
    pipeline: name,
    file,
    now,
    last: catalog?.runs.last(),
    open: openRun(state, catalog),
    pause: catalog?.watch.pauseBefore(now),
    places,
    troubles: (catalog?.watch.troubles ?? []).filter((trouble) => !isAccepted(trouble)),
    suspicions,
    ...risksIn(pipeline, catalog, now),
  };
}

function openRun(state: string, catalog: Catalog | undefined): OpenRun | undefined {
  const since = catalog?.runs.open();
  if (since === undefined) return undefined;
  const holder = holderOf(join(state, "lock"));
  return { since, process: holder?.process, isAtWork: holder?.isThere };
}

/**
 * The places that are not known to hold what they should of any time that is new enough.
 *
 * @param maxAge Milliseconds.
 */
export function tooOld({ places, now }: Status, maxAge: number): readonly PlaceStatus[] {
  return places.filter(({ confirmed }) =>
    // What lies ahead of the clock says nothing.
    confirmed === undefined || confirmed > now || now.getTime() - confirmed.getTime() > maxAge
  );
}

/** What each destination is known to hold of each snapshot that goes there. */
export function placesIn(pipeline: Pipeline, catalog: Catalog | undefined): PlaceStatus[] {
  return pairsOf(pipeline).map((pair) => placeStatus(pair, catalog));
}

function risksIn(
  pipeline: Pipeline,
  catalog: Catalog | undefined,
  now: Date,
): Pick<Status, "endangered" | "unseen"> {
  const horizon = lookAtHorizon(pipeline, catalog, now, NOTICE_MS);
  if (horizon === undefined) return { endangered: [], unseen: [] };
  const { endangered, unseen } = reportOf(horizon);
  return { endangered, unseen };
}

type Pair = Pick<PlaceStatus, "destination" | "location" | "snapshot">;

function pairsOf(pipeline: Pipeline): Pair[] {
  const places = new Map(placesOf(pipeline).map((place) => [place.id, place]));
  return routesOf(pipeline.stages).flatMap(({ source, steps }) =>
    steps.flatMap(({ stage }) => {
      const place = places.get(stage.id);
      if (place === undefined) return [];
      return [{ destination: place.id, location: place.location, snapshot: source.id }];
    })
  );
}

function placeStatus(pair: Pair, catalog: Catalog | undefined): PlaceStatus {
  const { location, snapshot } = pair;
  const held = catalog?.watch.held(snapshot, location) ?? NOTHING;
  return {
    ...pair,
    ...held,
    newest: held.newest === undefined ? undefined : createdOf(held.newest),
    placeBytes: catalog?.placeBytes(location),
    confirmed: catalog?.watch.confirmed(snapshot, location),
    proven: catalog?.watch.proven(snapshot, location),
    damaged: catalog && damagedAt(catalog, snapshot, location),
    drillFailed: catalog?.proofs.failed(snapshot, location),
  };
}

/** The newest copy of a snapshot id at a place, if it is known to be damaged. */
function damagedAt(catalog: Catalog, id: string, location: string): DamagedCopy | undefined {
  const { newest: name } = catalog.watch.held(id, location);
  const found = name === undefined ? undefined : catalog.pruning.damaged({ id, name, location });
  return found && { name: name!, found };
}
