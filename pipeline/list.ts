/**
 * What destinations hold.
 *
 * @module
 */
import { BackupError } from "../stages/errors.ts";
import { Catalog, type RememberedSnapshot } from "./catalog.ts";
import { bytesOf, isTorn, keyOf } from "./catalog/missing.ts";
import {
  type Copy,
  findCopies,
  type Finding,
  findSnapshot,
  identitiesFor,
  type Lookup,
  type Lost,
  readerOptions,
  type StrayArchive,
} from "./find_copies.ts";
import type { Manifest } from "./manifest.ts";
import { createdOf } from "./names.ts";
import { isEncrypted } from "./places.ts";
import { SnapshotReader } from "./reader.ts";
import type { Unanswered } from "./unanswered.ts";
import { ReadingPool } from "./worker/pool.ts";

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

/** Lists the snapshots at one destination or all. */
export async function listSnapshots(lookup: Lookup): Promise<Listing> {
  using pool = new ReadingPool();
  const { copies, strays, lost, answers, failures } = await findCopies(lookup, pool);
  const groups = Map.groupBy(copies, ({ held }) => keyOf(held));
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
