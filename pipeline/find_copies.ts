/**
 * Finds the copies of snapshots at the places that are meant, and the one that somebody wants.
 *
 * @module
 */
import { BackupError, toRecord } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import { keyOf } from "./catalog/missing.ts";
import { chooseCopy, idsIn, requestOf, requireName } from "./choose_copy.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { type Listener, warn } from "./events.ts";
import { readIdentities } from "./identities.ts";
import { parseKey } from "./names.ts";
import {
  filesIn,
  findPlaces,
  groupFiles,
  type HeldSnapshot,
  isEncrypted,
  type Place,
  strayArchives,
} from "./places.ts";
import type { ReaderOptions } from "./reader.ts";
import { type Unanswered, unanswered } from "./unanswered.ts";
import type { CallOptions } from "./worker/host.ts";
import type { ReadingPool } from "./worker/pool.ts";

/** Where to look and with what to open it. */
export interface Lookup {
  /** `undefined` when there is no pipeline file: then `from` must be an address. */
  readonly pipeline: Pipeline | undefined;
  /** A destination's id, or an address such as a directory; `undefined`: every destination. */
  readonly from?: string | undefined;
  /** Files with identities, in the place of the pipeline's own. */
  readonly identityFiles?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: Listener | undefined;
}

/** An archive that has no manifest. */
export interface StrayArchive {
  /** Id or address of the destination that holds it. */
  readonly destination: string;
  readonly key: string;
}

/** What a place was given, and has not any more. */
export interface Lost {
  /** Id or address of the destination. */
  readonly destination: string;
  /** How many snapshots, of which even the manifest is gone. */
  readonly count: number;
}

/** A snapshot at one place. */
export interface Copy {
  readonly place: Place;
  readonly held: HeldSnapshot;
}

/** Every copy at the places that a lookup means, oldest first, and the places that failed. */
export interface FoundCopies {
  readonly copies: readonly Copy[];
  readonly strays: readonly StrayArchive[];
  /** Of the places that did answer. */
  readonly lost: readonly Lost[];
  /** What keeps from knowing what was stored before, and so what is lost. */
  readonly fault?: BackupError;
  readonly answers: number;
  readonly failures: readonly Unanswered[];
}

/** Looks everywhere that a lookup means. */
export async function findCopies(lookup: Lookup, pool: ReadingPool): Promise<FoundCopies> {
  const places = await findPlaces(lookup.pipeline, lookup.from);
  const { signal, pipeline } = lookup;
  const { deliveries: known, fault } = recall(places, pipeline);
  if (fault !== undefined) {
    warn(lookup.listener, `${fault.message}: what was stored before is not known here`);
  }
  const found = await Promise.allSettled(places.map(async (place, index) => {
    // An address that a user names, and a place that held snapshots, must be there.
    const own = pipeline?.stages.some(({ id }) => id === place.id) ?? false;
    const mustExist = !own || known[index]!.length > 0;
    const ids = own ? idsOf(pipeline!, known[index]!) : undefined;
    const onLog: CallOptions["onLog"] = (level, message) =>
      lookup.listener?.({ type: "log", level, stage: own ? place.id : undefined, message });
    return await filesIn(pool.at(place), place.options, { mustExist, ids }, { signal, onLog });
  }));
  lookup.signal?.throwIfAborted();
  const copies: Copy[] = [];
  const strays: StrayArchive[] = [];
  const failures: Unanswered[] = [];
  for (const [index, outcome] of found.entries()) {
    const place = places[index]!;
    if (outcome.status === "fulfilled") {
      copies.push(...groupFiles(outcome.value).map((held) => ({ place, held })));
      strays.push(...strayArchives(outcome.value).map((key) => ({ destination: place.id, key })));
      continue;
    }
    const { code, message, hint } = toRecord(outcome.reason);
    if (code === "bug") throw outcome.reason;
    failures.push({ destination: place.id, failure: { code, message, hint } });
  }
  copies.sort((a, b) => a.held.name < b.held.name ? -1 : a.held.name > b.held.name ? 1 : 0);
  // Asked once more: what was pruned meanwhile is not lost.
  const meant = deliveriesTo(places, pipeline);
  const lost = places.flatMap((place, index): Lost[] => {
    if (found[index]!.status === "rejected") return [];
    const there = new Set(
      copies.filter((copy) => copy.place === place).map(({ held }) => keyOf(held)),
    );
    const stillMeant = new Set(meant[index]!.map(keyOf));
    const count = known[index]!.map(keyOf)
      .filter((key) => !there.has(key) && stillMeant.has(key)).length;
    return count === 0 ? [] : [{ destination: place.id, count }];
  });
  const answers = places.length - failures.length;
  return { copies, strays, lost, answers, failures, ...(fault && { fault }) };
}

/** The snapshots that a destination of the pipeline may hold, and those that it was given before. */
function idsOf({ stages }: Pipeline, deliveries: readonly { readonly id: string }[]): string[] {
  const own = stages.flatMap(({ id, stage }) => stage.kind === "source" ? [id] : []);
  return [...new Set([...own, ...deliveries.map(({ id }) => id)])];
}

/** What this machine remembers to have stored at each of these places, in their order. */
export function deliveriesTo(
  places: readonly Place[],
  pipeline: Pipeline | undefined,
): ReturnType<Catalog["deliveriesTo"]>[] {
  return recall(places, pipeline).deliveries;
}

/** The same, and what keeps from knowing it. */
function recall(places: readonly Place[], pipeline: Pipeline | undefined): {
  readonly deliveries: ReturnType<typeof deliveriesTo>;
  readonly fault?: BackupError;
} {
  try {
    using catalog = pipeline && Catalog.openToTell(pipeline.state);
    return { deliveries: places.map(({ location }) => catalog?.deliveriesTo(location) ?? []) };
  } catch (fault) {
    if (!(fault instanceof BackupError)) throw fault;
    return { deliveries: places.map(() => []), fault };
  }
}

/** A snapshot that was found, and the places that might hold one that is meant rather. */
export interface Finding extends Copy {
  readonly unanswered: readonly Unanswered[];
}

/**
 * Finds the one snapshot that is meant, at the first place that holds it. Tells the listener where
 * there may be a newer one.
 *
 * @throws {BackupError} `snapshot-missing`, `usage` when several are meant or no name is given.
 */
export async function findSnapshot(
  lookup: Lookup,
  wanted: string,
  pool: ReadingPool,
): Promise<Finding> {
  requireName(wanted);
  const { copies, strays, lost, answers, failures } = await findCopies(lookup, pool);
  const error = unanswered(failures, answers);
  if (copies.length === 0 && error !== undefined) throw error;
  const copy = chooseCopy(copies, wanted, lookup, lost);
  warnOfNewer(copy, copies, strays, lookup.listener);
  warnOfPlaintext(copy, copies, lookup.listener);
  warnOfLoss(copy, lookup);
  // Whoever says which one it is has it.
  const doubtful = requestOf(wanted, idsIn(copies)).name === undefined ? failures : [];
  for (const { destination, failure } of doubtful) {
    const message = `There may be a newer one at "${destination}". ${failure.message}`;
    warn(lookup.listener, message);
  }
  return { ...copy, unanswered: doubtful };
}

/** Whoever gets the newest snapshot has to know of an archive that is newer and cannot be used. */
function warnOfNewer(
  { held }: Copy,
  copies: readonly Copy[],
  strays: readonly StrayArchive[],
  listener: Listener | undefined,
): void {
  if (copies.some((other) => other.held.id === held.id && other.held.name > held.name)) return;
  for (const { destination, key } of strays) {
    const { id, name } = parseKey(key)!;
    if (id !== held.id || name <= held.name) continue;
    const message = `"${key}" at "${destination}" is newer, and has no manifest: this is not the ` +
      "last state that was stored";
    warn(listener, message);
  }
}

/** Where what was stored before is encrypted, it takes no recipient to put in something that is not. */
function warnOfPlaintext(
  { place, held }: Copy,
  copies: readonly Copy[],
  listener: Listener | undefined,
): void {
  const { id, name } = held;
  const sealed = copies.some((other) =>
    other.place === place && other.held.id === id && other.held.name < name &&
    isEncrypted(other.held)
  );
  if (isEncrypted(held) || !sealed) return;
  const message = `"${id}/${name}" at "${place.id}" is not encrypted, and those before it are: ` +
    "whoever may write there could have made it";
  warn(listener, message);
}

/** Whoever gets a snapshot has to know that something was lost before it was made. */
function warnOfLoss({ held }: Copy, { pipeline, listener }: Lookup): void {
  using catalog = pipeline && Catalog.openIfThere(pipeline.state);
  if (!catalog?.suspicions.isSuspect(held.id, held.name)) return;
  const good = catalog.suspicions.open(held.id)?.good;
  const message = `"${held.id}/${held.name}" is suspect: something was lost before it was made` +
    (good ? `; "${held.id}/${good}" may still have it` : "");
  warn(listener, message);
}

/** What a reader needs for this lookup. */
export async function readerOptions(lookup: Lookup): Promise<ReaderOptions> {
  const { signal, listener } = lookup;
  return {
    identities: await identitiesFor(lookup, true),
    identityFile: lookup.identityFiles?.length ? undefined : lookup.pipeline?.identity,
    signal,
    onLog: (level: "debug" | "info" | "warn", message: string) =>
      listener?.({ type: "log", level, stage: undefined, message }),
  };
}

/** Identities that were named must be there; the pipeline's own need not, where they only help. */
export async function identitiesFor(lookup: Lookup, needed: boolean): Promise<string[]> {
  const { identityFiles, pipeline } = lookup;
  if (identityFiles !== undefined && identityFiles.length > 0) {
    return await readIdentities(identityFiles);
  }
  if (pipeline?.identity === undefined) return [];
  try {
    return await readIdentities([pipeline.identity]);
  } catch (error) {
    if (needed && !isMissingFile(error)) throw error;
    return []; // What is encrypted will say that it needs one; what is not needs none.
  }
}

function isMissingFile(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Deno.errors.NotFound;
}
