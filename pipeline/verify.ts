/**
 * Proves that snapshots can be brought back.
 *
 * @module
 */
import { BackupError, FAILURES } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import { findMissing, isTorn, keyOf, type Named } from "./catalog/missing.ts";
import { chooseCopy, requireName } from "./choose_copy.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { type Failure, type Listener, warn } from "./events.ts";
import {
  type Copy,
  deliveriesTo,
  findCopies,
  type Lookup,
  type Lost,
  readerOptions,
  type StrayArchive,
} from "./find_copies.ts";
import { LATEST } from "./names.ts";
import { findPlaces, type Place } from "./places.ts";
import { proveCopy, type Verification } from "./prove.ts";
import { leaveDoubts } from "./run/leave_facts.ts";
import { type Unanswered, unanswered } from "./unanswered.ts";
import { ReadingPool } from "./worker/pool.ts";

export type { Verification } from "./prove.ts";

/** What to prove. */
export interface VerifyOptions extends Lookup {
  /**
   * As for restore; `undefined`: the newest of every id, or with `all` every one. What is gone is
   * told in either case.
   */
  readonly snapshot?: string | undefined;
  readonly all?: boolean;
  /** What is gone was removed on purpose: it is named once more, and not missed from then on. */
  readonly forgetMissing?: boolean;
  readonly clock?: () => Date;
}

/** How all fared. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly verifications: readonly Verification[];
  /** Archives that have no manifest, and so cannot be verified. */
  readonly strays: readonly StrayArchive[];
  /** Destinations that could not be asked what they hold. */
  readonly failures: readonly Unanswered[];
  /** Why it is not known here what was stored before: what is gone then is not among these. */
  readonly catalogFailure?: Failure;
  /** Exit status by the table of `stages/errors.ts`. */
  readonly status: number;
}

/**
 * Fetches, decrypts and unpacks to nowhere, and compares every size and hash.
 *
 * @throws {BackupError} `snapshot-missing` when there is nothing to verify; `identity-wrong`; `usage`
 *   for a name that is empty or fits several.
 */
export async function verifySnapshots(options: VerifyOptions): Promise<VerifyReport> {
  const { pipeline, signal, listener, clock = () => new Date() } = options;
  if (options.snapshot !== undefined) requireName(options.snapshot);
  // Before looking: what a run stores meanwhile must not count as gone.
  const places = await findPlaces(pipeline, options.from);
  const known = deliveriesTo(places, pipeline);
  const stored = places.map((place, index): Stored => ({ place, deliveries: known[index]! }));
  using pool = new ReadingPool();
  await pool.warmTransforms();
  const finding = findCopies(options, pool);
  finding.catch(() => {}); // Waited for below.
  await pool.warmSources([]);
  const { copies, strays, lost: gone, answers, failures, fault } = await finding;
  if (fault !== undefined && options.forgetMissing) throw fault;
  const error = unanswered(failures, answers);
  // Where all is gone there is nothing to prove, but a loss to tell.
  const isAllGone = copies.length === 0 && options.snapshot === undefined && gone.length > 0;
  if (copies.length === 0 && error !== undefined && !isAllGone) throw error;
  const nothing = isAllGone || copies.length === 0 && options.forgetMissing === true;
  const chosen = nothing ? [] : choose(copies, options, gone);
  const reading = await readerOptions(options);
  using catalog = pipeline && Catalog.openIfThere(pipeline.state);
  const note = noterIn(catalog, listener);
  const verifications: Verification[] = [];
  for (const copy of chosen) {
    signal?.throwIfAborted();
    const stage = copy.place.id;
    listener?.({ type: "stage-started", stage, snapshot: `${copy.held.id}/${copy.held.name}` });
    const onProgress = (done: number, total: number | undefined) =>
      listener?.({ type: "stage-progress", stage, done, total });
    const verification = await proveCopy(copy, pool, { ...reading, onProgress });
    signal?.throwIfAborted();
    if (wasPruned(copy, stored, pipeline, verification)) continue;
    const { id, name, status } = verification;
    note((catalog) =>
      catalog.addVerification({ id, name, location: copy.place.location }, clock(), status)
    );
    verifications.push(verification);
  }
  if (options.snapshot === undefined) {
    const silent = failures.map(({ destination }) => destination);
    const asked = stillMeant(stored, pipeline).filter(({ place }) => !silent.includes(place.id));
    const { forgetMissing = false } = options;
    const lost = lostCopies(asked, copies, true);
    note((catalog) => {
      if (forgetMissing) forget(lost, asked, copies, catalog);
      noteMissing(asked, copies, catalog);
    });
    verifications.push(...forgetMissing ? lost.map(asForgotten) : lost);
  }
  if (catalog !== undefined) leaveDoubts(pipeline!, catalog);
  const status = statusFor(verifications, failures.length > 0 || fault !== undefined);
  return {
    ...{ ok: status === 0, verifications, strays, failures, status },
    ...(fault && { catalogFailure: fault }),
  };
}

/** Notes in a catalog what was found, and says once where that cannot be. */
function noterIn(catalog: Catalog | undefined, listener: Listener | undefined) {
  let isTold = false;
  return (work: (catalog: Catalog) => void): void => {
    try {
      if (catalog !== undefined) work(catalog);
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      if (isTold) return;
      isTold = true;
      warn(listener, `${error.message}: what is found is not noted, and "status" will not know`);
    }
  };
}

/** What this machine remembers to have stored at a place. */
export interface Stored {
  readonly place: Place;
  readonly deliveries: readonly Named[];
}

/** Without what was removed on purpose meanwhile: a run may be pruning. */
export function stillMeant(stored: readonly Stored[], pipeline: Pipeline | undefined): Stored[] {
  const now = deliveriesTo(stored.map(({ place }) => place), pipeline);
  return stored.map(({ place, deliveries }, index) => {
    const meant = new Set(now[index]!.map(keyOf));
    return { place, deliveries: deliveries.filter((one) => meant.has(keyOf(one))) };
  });
}

/** Whether a copy that could not be read was removed on purpose since this began. */
export function wasPruned(
  { place, held }: Copy,
  stored: readonly Stored[],
  pipeline: Pipeline | undefined,
  { status }: Verification,
): boolean {
  if (status !== "damaged") return false;
  const here = stored.filter((one) => one.place.id === place.id);
  const isIn = (list: readonly Stored[]) =>
    list.some(({ deliveries }) => deliveries.some((one) => keyOf(one) === keyOf(held)));
  return isIn(here) && !isIn(stillMeant(here, pipeline));
}

/** What was stored and is not there any more: the newest of every id, or with `all` any. */
export function lostCopies(
  stored: readonly Stored[],
  copies: readonly Copy[],
  all: boolean,
): Verification[] {
  return stored.flatMap(({ place, deliveries }) => {
    const here = copies.filter((copy) => copy.place.id === place.id).map(({ held }) => held);
    const there = new Set(here.map(keyOf));
    const newest = new Map<string, string>();
    for (const { id, name } of [...deliveries, ...here]) {
      if (name > (newest.get(id) ?? "")) newest.set(id, name);
    }
    return deliveries.filter((one) =>
      !there.has(keyOf(one)) && (all || newest.get(one.id) === one.name)
    ).map(({ id, name }): Verification => {
      const message = "It was stored there, and its manifest is gone";
      const others = copies.filter(({ place: other, held }) =>
        other.id !== place.id && held.id === id && held.name === name && !isTorn(held)
      );
      const hint = hintFor(others.map(({ place: { id } }) => id));
      const failure = { code: "snapshot-missing" as const, message, hint };
      return {
        id,
        name,
        destination: place.id,
        status: "damaged",
        files: 0,
        bytes: 0,
        seconds: 0,
        failure,
      };
    });
  });
}

/** A run stores what there is today, which is not what is gone. */
function hintFor(others: readonly string[]): string {
  const where = others.length === 0
    ? "Look for a copy of it elsewhere, as no other destination has it"
    : `Use the one in ${others.map((id) => `"${id}"`).join(", ")}`;
  return `${where}; if you removed it yourself, say so with "keepsake verify --forget-missing"`;
}

/** So that who asks no destination can tell of it, too. */
function noteMissing(
  stored: readonly Stored[],
  copies: readonly Copy[],
  catalog: Catalog,
): void {
  for (const { place, deliveries } of stored) {
    const there = copies.filter((copy) => copy.place.id === place.id).map(({ held }) => held);
    const missing = findMissing(deliveries, there);
    for (const id of new Set(deliveries.map(({ id }) => id))) {
      const names = missing.filter((one) => one.id === id).map(({ name }) => name);
      catalog.missing.note(id, place.location, names);
    }
  }
}

/** Where nothing is left of an id there is nothing to be proven, and nothing wrong with it. */
function forget(
  lost: readonly Verification[],
  stored: readonly Stored[],
  copies: readonly Copy[],
  catalog: Catalog,
): void {
  for (const { id, name, destination } of lost) {
    const { place: { location } } = stored.find(({ place }) => place.id === destination)!;
    catalog.pruning.finish([{ id, name, location }]);
    if (!catalog.pruning.isAnywhere(id, name)) catalog.contents.forget(id, [name]);
  }
  for (const { place: { id: destination, location } } of stored) {
    const proofs = catalog.proofs.at(location);
    const there = copies.filter(({ place }) => place.id === destination).map(({ held }) => held);
    const left = new Set([...there, ...catalog.deliveriesTo(location)].map(({ id }) => id));
    for (const { id } of proofs.filter(({ id }) => !left.has(id))) {
      catalog.proofs.forget(id, location);
      for (const kind of ["drill", "proof", "store"] as const) {
        catalog.watch.end(`${kind} ${destination}/${id}`);
      }
    }
  }
}

function asForgotten({ failure: _, ...verification }: Verification): Verification {
  return { ...verification, status: "forgotten" };
}

/** The copies that are meant: one snapshot wherever it is, the newest of every id, or all. */
function choose(
  copies: readonly Copy[],
  options: VerifyOptions,
  lost: readonly Lost[],
): readonly Copy[] {
  const { snapshot, all } = options;
  if (all && snapshot === undefined && copies.length > 0) return copies;
  if (snapshot !== undefined || copies.length === 0) {
    const { held } = chooseCopy(copies, snapshot ?? LATEST, options, lost);
    return copies.filter((copy) => copy.held.id === held.id && copy.held.name === held.name);
  }
  // What has lost its archive is known for that without being fetched.
  const newest = newestCopies(copies);
  return [...copies.filter((copy) => isTorn(copy.held) && !newest.includes(copy)), ...newest];
}

/** At every destination its own newest: one that lags behind is proven for what it has. */
export function newestCopies(copies: readonly Copy[]): Copy[] {
  return [...new Map(copies.map((copy) => [`${copy.held.id} ${copy.place.id}`, copy])).values()];
}

/** Damage weighs most; what could not be looked at ends as its own failure does. */
export function statusFor(
  verifications: readonly Pick<Verification, "failure">[],
  unreachable: boolean,
): number {
  const statuses = verifications.flatMap(({ failure }) =>
    failure === undefined ? [] : [FAILURES[failure.code].status]
  );
  const damage = FAILURES["snapshot-damaged"].status;
  if (statuses.includes(damage)) return damage;
  return statuses[0] ?? (unreachable ? FAILURES["destination-unreachable"].status : 0);
}
