/**
 * What destinations hold.
 *
 * @module
 */
import { BackupError, toRecord } from "../stages/errors.ts";
import { Catalog, type RememberedSnapshot } from "./catalog.ts";
import { bytesOf, isTorn, type Named } from "./catalog/missing.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { type Listener, warn } from "./events.ts";
import { readIdentities } from "./identities.ts";
import type { Manifest } from "./manifest.ts";
import { createdOf, LATEST, parseKey } from "./names.ts";
import {
  filesIn,
  findPlaces,
  groupFiles,
  type HeldSnapshot,
  isEncrypted,
  type Place,
  strayArchives,
} from "./places.ts";
import { type ReaderOptions, SnapshotReader } from "./reader.ts";
import { shellWord } from "./shell.ts";
import { type Unanswered, unanswered } from "./unanswered.ts";
import type { CallOptions } from "./worker/host.ts";
import { ReadingPool } from "./worker/pool.ts";

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

/** One snapshot, wherever it is kept. */
export interface StoredSnapshot {
  /** The snapshot stage's id: `claude`. */
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly created: Date;
  /** What only a manifest could tell is `null` when no identity is at hand to read it. */
  readonly contentHash: string | null;
  readonly files: number | null;
  readonly bytes: number | null;
  readonly encrypted: boolean;
  /** Whether everything could be read when it was made; `null` when that is not known. */
  readonly complete: boolean | null;
  /** Whether something seems to have been lost before it was made. */
  readonly suspect: boolean;
  /** What it takes up at one destination, in bytes. */
  readonly storedBytes: number;
  /** Ids or addresses of the destinations that hold it. */
  readonly destinations: readonly string[];
  /** Of those that hold its manifest alone: from there it cannot be brought back. */
  readonly torn: readonly string[];
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

/** What was found, oldest first, and which destinations did not answer. */
export interface Listing {
  readonly snapshots: readonly StoredSnapshot[];
  readonly strays: readonly StrayArchive[];
  readonly lost: readonly Lost[];
  /** Of how many snapshots nothing is known, because no identity opens their manifests. */
  readonly locked: number;
  /** Whether there was an identity at all. */
  readonly hasIdentity: boolean;
  /** How many places did answer. */
  readonly answers: number;
  readonly failures: readonly Unanswered[];
}

/** A snapshot at one place. */
export interface Copy {
  readonly place: Place;
  readonly held: HeldSnapshot;
}

/** Every copy at the places that a lookup means, oldest first, and the places that failed. */
export interface Copies {
  readonly copies: readonly Copy[];
  readonly strays: readonly StrayArchive[];
  /** Of the places that did answer. */
  readonly lost: readonly Lost[];
  /** What keeps from knowing what was stored before, and so what is lost. */
  readonly fault?: BackupError;
  readonly answers: number;
  readonly failures: readonly Unanswered[];
}

/** Lists the snapshots at one destination or all. */
export async function listSnapshots(lookup: Lookup): Promise<Listing> {
  using pool = new ReadingPool();
  const { copies, strays, lost, answers, failures } = await findCopies(lookup, pool);
  const groups = Map.groupBy(copies, ({ held }) => `${held.id}/${held.name}`);
  using catalog = lookup.pipeline && Catalog.openIfThere(lookup.pipeline.state);
  const identities = await identitiesFor(lookup, false);
  const snapshots: StoredSnapshot[] = [];
  let locked = 0;
  for (const group of groups.values()) {
    const whole = group.filter(({ held }) => !isTorn(held));
    const { held } = whole[0] ?? group[0]!;
    const onLocked = () => void locked++;
    const known = await totalsOf(group[0]!, catalog, pool, identities, { ...lookup, onLocked });
    snapshots.push({
      id: held.id,
      name: held.name,
      created: createdOf(held.name),
      contentHash: known?.contentHash ?? null,
      files: known?.files ?? null,
      bytes: known?.bytes ?? null,
      complete: known === undefined || known.unreadable === null ? null : known.unreadable === 0,
      suspect: catalog?.suspicions.isSuspect(held.id, held.name) ?? false,
      encrypted: group.every(({ held }) => isEncrypted(held)),
      storedBytes: bytesOf(held),
      destinations: [...new Set(whole.map(({ place }) => place.id))],
      torn: [
        ...new Set(group.filter(({ held }) => isTorn(held)).map(({ place }) => place.id)),
      ],
    });
  }
  const hasIdentity = identities.length > 0;
  return { snapshots, strays, lost, locked, hasIdentity, answers, failures };
}

/**
 * Reads what one snapshot holds.
 *
 * @param snapshot `latest`, an id, a name or the beginning of one, or `id/name`.
 * @throws {BackupError} `snapshot-missing`, `identity-wrong`, `snapshot-damaged`.
 */
export async function readSnapshot(lookup: Lookup, snapshot: string): Promise<Contents> {
  using pool = new ReadingPool();
  const { place, held, unanswered } = await findSnapshot(lookup, snapshot, pool);
  const reader = new SnapshotReader(place, pool, await readerOptions(lookup));
  return { manifest: await reader.manifest(held), unanswered };
}

/** What a snapshot holds, and the places that might hold one that is meant rather. */
export interface Contents extends Pick<Finding, "unanswered"> {
  readonly manifest: Manifest;
}

/** Looks everywhere that a lookup means. */
export async function findCopies(lookup: Lookup, pool: ReadingPool): Promise<Copies> {
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

/** A snapshot's id and name in one. */
export function keyOf({ id, name }: Named): string {
  return `${id}/${name}`;
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

/** Where somebody wants to look. */
type Where = Pick<Lookup, "pipeline" | "from">;

/** The address at which to look; `undefined` for destinations of the pipeline. */
export function addressIn({ pipeline, from }: Where): string | undefined {
  return pipeline?.stages.some(({ id }) => id === from) ? undefined : from;
}

/** What to do where an address turns out to hold nothing. */
export const HINT_ADDRESS = "Name the very place that holds a folder for each snapshot id";

/**
 * The copy that a user means by `latest`, an id, a name or its beginning, or `id/name`. Pure.
 *
 * @param copies Oldest first; of those with one name, the first place comes first.
 * @param where Where they were looked for.
 * @param lost What was stored there and is gone: whoever finds nothing has to know of it.
 */
export function chooseCopy(
  copies: readonly Copy[],
  wanted: string,
  where: Where = { pipeline: undefined },
  lost: readonly Lost[] = [],
): Copy {
  const { from } = where;
  const address = addressIn(where);
  // Others may hold what this one does not.
  const hintAside = `Only "${from}" was asked: see "keepsake list" for what all destinations hold`;
  const ids = idsIn(copies);
  const list = ids.map((id) => `"${id}"`).join(", ");
  const missing = (state: string, hint: string) =>
    new BackupError("snapshot-missing", `Cannot find snapshot "${wanted}": ${state}`, { hint });
  if (copies.length === 0 && lost.length > 0) {
    throw missing(
      `everything that was stored in ${
        lost.map(({ destination }) => `"${destination}"`).join(", ")
      } is gone`,
      'See "keepsake verify" for what it was, or look for a copy elsewhere with --from',
    );
  }
  if (copies.length === 0) {
    throw missing(
      from === undefined ? "there are no snapshots" : `there are no snapshots at "${from}"`,
      from === undefined
        ? 'Make one with "keepsake run", or look elsewhere with --from'
        : address === undefined
        ? hintAside
        : HINT_ADDRESS,
    );
  }
  const { id, name } = requestOf(wanted, ids);
  const among = copies.filter(({ held }) => id === undefined || held.id === id);
  if (name === undefined) {
    if (id === undefined && ids.length > 1) {
      throw new BackupError(
        "usage",
        `Cannot tell which latest snapshot is meant: there are ${list}`,
        {
          hint: `Name one: "${ids[0]}" or "${ids[0]}/latest"`,
        },
      );
    }
    const nowhere = from === undefined
      ? `there is none of "${id}"`
      : `"${from}" has none of "${id}"`;
    const own = from === undefined || address !== undefined;
    return newest(among) ?? fail(missing(nowhere, own ? `Name one of ${list}` : hintAside));
  }
  const matching = among.filter(({ held }) =>
    held.name.startsWith(name) || endsSo(held.name, name)
  );
  const names = new Set(matching.map(({ held }) => `${held.id}/${held.name}`));
  if (names.size > 1) {
    throw new BackupError(
      "usage",
      `Cannot tell which snapshot "${wanted}" is: ${names.size} match`,
      {
        hint: `Write more of its name: ${[...names].slice(0, 3).join(", ")}`,
      },
    );
  }
  return wholeFirst(matching)[0] ??
    fail(missing(
      from === undefined ? "no destination holds one" : `"${from}" holds none`,
      from !== undefined && address === undefined
        ? hintAside
        : `See what there is with "keepsake list${
          address === undefined ? "" : ` --from ${shellWord(address)}`
        }"`,
    ));
}

/**
 * Refuses what a variable that is not set leaves of a name, which is no wish for the newest, and what
 * goes on behind the name.
 *
 * @throws {BackupError} `usage`.
 */
export function requireName(wanted: string): void {
  const [snapshot, name, ...path] = wanted.split("/");
  if (path.length > 0 && snapshot !== "" && name !== "") {
    const message = `Cannot find snapshot "${wanted}": its name ends at the second slash`;
    throw new BackupError("usage", message, {
      hint: `Write "${snapshot}/${name}"; what of it comes back is for "restore --path" to say`,
    });
  }
  if (wanted !== "" && !wanted.endsWith("/") && !wanted.startsWith("/")) return;
  const id = wanted.startsWith("/") ? "" : wanted;
  throw new BackupError("usage", `Cannot find snapshot "${wanted}": its name is empty`, {
    hint: `Write its name, or "${id}${LATEST}"`,
  });
}

/** Of which id, if one is said, and which one; without a name, the newest. */
function requestOf(
  wanted: string,
  ids: readonly string[],
): { readonly id: string | undefined; readonly name: string | undefined } {
  const [id, name] = wanted.includes("/")
    ? wanted.split("/", 2) as [string, string]
    : ids.includes(wanted) && wanted !== LATEST
    ? [wanted, ""]
    : [undefined, wanted];
  return { id, name: name === LATEST || name === "" ? undefined : name };
}

function idsIn(copies: readonly Copy[]): string[] {
  return [...new Set(copies.map(({ held }) => held.id))];
}

/** A snapshot may be called by its hash as well. */
function endsSo(name: string, hash: string): boolean {
  return hash.length >= 4 && name.slice(-12).startsWith(hash);
}

function newest(copies: readonly Copy[]): Copy | undefined {
  const last = copies.at(-1);
  return last && wholeFirst(copies).find(({ held }) => held.name === last.held.name);
}

/** A place that has lost the archive is the last to ask. */
function wholeFirst(copies: readonly Copy[]): Copy[] {
  return copies.toSorted((a, b) => Number(isTorn(a.held)) - Number(isTorn(b.held)));
}

function fail(error: Error): never {
  throw error;
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
async function identitiesFor(lookup: Lookup, needed: boolean): Promise<string[]> {
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

/** What the catalog knows of a snapshot; where that is not all, what its manifest says. */
async function totalsOf(
  { place, held }: Copy,
  catalog: Catalog | undefined,
  pool: ReadingPool,
  identities: readonly string[],
  { signal, onLocked }: Lookup & { readonly onLocked: () => void },
): Promise<RememberedSnapshot | undefined> {
  const known = catalog?.snapshot(held.id, held.name);
  if (known !== undefined && known.unreadable !== null) return known;
  if (isEncrypted(held) && identities.length === 0) {
    if (known === undefined) onLocked();
    return known;
  }
  const reader = new SnapshotReader(place, pool, { identities, signal });
  try {
    const manifest = await reader.manifest(held);
    return { ...manifest, unreadable: manifest.unreadable.length };
  } catch (error) {
    signal?.throwIfAborted();
    const isLocked = error instanceof BackupError && error.code === "identity-wrong";
    if (isLocked && known === undefined) onLocked();
    return known; // A list shows what there is; verify says what is wrong with it.
  }
}
