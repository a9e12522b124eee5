/**
 * Applies retention at one destination: looks, judges, removes, looks again.
 *
 * @module
 */
import type { StoredFile } from "../../stages/contract.ts";
import { BackupError, toRecord } from "../../stages/errors.ts";
import type { Catalog } from "../catalog.ts";
import type { PrunedItem, Pruning } from "../events.ts";
import type { Manifest } from "../manifest.ts";
import { createdOf, parseKey } from "../names.ts";
import { groupFiles, type HeldSnapshot, type Place, removalAt } from "../places.ts";
import { type Candidate, judge, type Policy, sayPolicy, UNKNOWN_HERE } from "../retention.ts";

/** A destination that is pruned. */
export interface Site {
  readonly place: Place;
  readonly policy: Policy;
  /** Why snapshots of an id are left alone; `undefined`: they are not. */
  spares(id: string): string | undefined;
  list(): Promise<readonly StoredFile[]>;
  remove(keys: readonly string[]): Promise<void>;
  /** Reads a manifest, where that can be done; `damaged` when it is no good. */
  read?(held: HeldSnapshot): Promise<Manifest | "damaged" | undefined>;
}

/** What pruning goes by. Whoever calls holds the pipeline's lock. */
export interface PruneContext {
  readonly catalog: Catalog;
  readonly now: Date;
  /** This machine, and the pipeline: what others made is for them to prune. */
  readonly own: Pick<Manifest, "host" | "pipeline">;
  /** Of all destinations that the pipeline has now. */
  readonly locations: readonly string[];
  readonly dryRun: boolean;
  onRemoved(item: PrunedItem): void;
}

/**
 * Prunes. What goes wrong at the destination is part of the answer: whatever could not be removed is
 * still there, and judged again the next time.
 *
 * @throws What has nothing to do with the destination: a bug, the catalog's disk.
 */
export async function prune(site: Site, context: PruneContext): Promise<Pruning> {
  const { id, location } = site.place;
  const about = { id, location, removal: removalAt(site.place), policy: sayPolicy(site.policy) };
  let judged: readonly Judged[] = [];
  try {
    const inventory = await take(site, context);
    judged = [...judgeSnapshots(inventory, context), ...judgeArchives(inventory, context)];
    const going = judged.filter(({ item }) => !item.keep);
    if (context.dryRun || going.length === 0) return { ...about, items: itemsOf(judged) };
    judged = await removeAll(site, judged, context);
    return { ...about, items: itemsOf(judged) };
  } catch (error) {
    const [cause, left] = error instanceof Unfinished ? [error.cause, error.judged] : [error];
    const { code, message, hint } = toRecord(cause);
    if (code === "bug" || code === "interrupted") throw cause;
    return { ...about, items: itemsOf(left ?? judged), failure: { code, message, hint } };
  }
}

/** What a removal came to that did not end well. */
class Unfinished extends Error {
  readonly judged: readonly Judged[];

  constructor(judged: readonly Judged[], cause: unknown) {
    super("Not everything was removed", { cause });
    this.judged = judged;
  }
}

/** What a destination holds, with all that is known of it. */
interface Inventory {
  readonly site: Site;
  readonly files: readonly StoredFile[];
  readonly snapshots: readonly Stored[];
  /** Those that stay and take nobody's place, by `id/name`, and why. */
  readonly apart: ReadonlyMap<string, string>;
}

/** A snapshot that can be judged. */
interface Stored extends Candidate {
  /** Its files, manifests first. */
  readonly files: readonly StoredFile[];
}

interface Judged {
  readonly item: PrunedItem;
  readonly files: readonly StoredFile[];
}

async function take(site: Site, { catalog, now, own }: PruneContext): Promise<Inventory> {
  const { location } = site.place;
  const files = await site.list();
  // The same name with two manifests is one snapshot, stored in two ways.
  const groups = [...Map.groupBy(groupFiles(files), ({ id, name }) => `${id}/${name}`)];
  // A removal that was begun and never came so far.
  catalog.pruning.cancel(
    groups.map(([, group]) => ({ id: group[0]!.id, name: group[0]!.name, location }))
      .filter((spot) => catalog.pruning.wasBegun(spot)),
  );
  const verifications = catalog.pruning.verifications(location);
  const look = (damaged: ReadonlySet<string>) =>
    groups.map(([key, group]): Stored => {
      const { id, name, archives } = group[0]!;
      const own = [...group.map(({ manifest }) => manifest), ...archives];
      const known = catalog.contents.known(id, name);
      const verified = verifications.get(key);
      const isDamaged = damaged.has(key) || archives.length === 0 ||
        catalog.pruning.damaged({ id, name, location }) !== undefined ||
        differsInSize(catalog, { id, name, location }, own);
      return {
        id,
        name,
        created: known?.created ?? createdOf(name),
        // Of what nobody knows to be whole, nothing else need make room.
        state: isDamaged ? "damaged" : known?.incomplete === false ? "whole" : "incomplete",
        verified: verified === "ok",
        files: own,
      };
    });
  const first = look(new Set());
  const apart = new Map<string, string>();
  // What a rekeying left under two names is one snapshot until that is finished.
  for (const { id, name, renamed } of catalog.rekeys.begun(location)) {
    if (!groups.some(([key]) => key === `${id}/${name}`)) continue;
    apart.set(`${id}/${renamed}`, `${name} under its new name: a rekey of it was cut short`);
  }
  const generous = { ...site.policy, forgetDeleted: true };
  const onlyIn = () => undefined;
  const due = judge(first, generous, { now, onlyIn }).filter(({ keep }) => !keep);
  if (due.length === 0) return { site, files, snapshots: first, apart };
  const ids = new Set(due.map(({ snapshot }) => snapshot.id));
  const damaged = new Set<string>();
  for (const [key, [held]] of groups) {
    const { id, name } = held!;
    const isKnown = catalog.contents.known(id, name) !== undefined;
    const isOurs = isKnown && !catalog.pruning.wasFound(id, name);
    if (isOurs || !ids.has(id) || site.spares(id) !== undefined) continue;
    const manifest = await site.read?.(held!);
    if (manifest === "damaged") damaged.add(key);
    // It may be another machine's, or another pipeline's.
    else if (manifest === undefined) apart.set(key, UNKNOWN_HERE);
    else if (manifest.host !== own.host) {
      apart.set(key, `it was made on "${manifest.host}": prune it there, or remove it by hand`);
    } else if (manifest.pipeline !== own.pipeline) {
      const maker = `the pipeline "${manifest.pipeline}"`;
      apart.set(key, `it was made by ${maker}: prune it with that, or remove it by hand`);
    } else {
      catalog.contents.add(id, name, manifest);
      catalog.pruning.claim(id, name);
    }
  }
  return { site, files, snapshots: look(damaged), apart };
}

/** A delivery that was noted tells how many bytes there should be. */
function differsInSize(
  catalog: Catalog,
  { id, name, location }: { id: string; name: string; location: string },
  files: readonly StoredFile[],
): boolean {
  const delivery = catalog.delivery(id, name, location);
  return delivery !== undefined && delivery.bytes !== bytesOf(files);
}

function judgeSnapshots(
  { site, snapshots, apart }: Inventory,
  { catalog, now }: PruneContext,
): Judged[] {
  const onlyIn = ({ id, name }: Candidate, others: readonly Candidate[]) =>
    catalog.contents.onlyIn(id, name, others.map((other) => other.name));
  const isJudged = ({ id, name }: Stored) => !apart.has(`${id}/${name}`);
  const verdicts = [
    ...judge(snapshots.filter(isJudged), site.policy, { now, onlyIn }),
    ...snapshots.filter((one) => !isJudged(one)).map((snapshot) => {
      const reason = apart.get(`${snapshot.id}/${snapshot.name}`)!;
      return { snapshot, keep: true, reasons: [reason] };
    }),
  ];
  return verdicts.map(({ snapshot, keep, reasons }) => {
    const { id, name, created, files } = snapshot;
    const spared = site.spares(id);
    const verdict = spared === undefined ? { keep, reasons } : { keep: true, reasons: [spared] };
    const about = { id, name, what: "snapshot", created, bytes: bytesOf(files) } as const;
    return { item: { ...about, ...verdict, removed: false }, files };
  });
}

/**
 * Archives without a manifest. One that this machine began and never finished is of use to nobody;
 * any other may be about to get its manifest from another machine, or have lost it and be the one
 * copy that is left, which can be unpacked without.
 */
function judgeArchives(
  { site, files, snapshots }: Inventory,
  { catalog, locations }: PruneContext,
): Judged[] {
  const { location } = site.place;
  const whole = new Set(snapshots.map(({ id, name }) => `${id}/${name}`));
  const archives = files.flatMap((file) => {
    const { id, name, kind } = parseKey(file.key) ?? {};
    if (kind !== "archive" || whole.has(`${id}/${name}`)) return [];
    return [{ id: id!, name: name!, file }];
  });
  const groups = Map.groupBy(archives, ({ id, name }) => `${id}/${name}`);
  return [...groups.values()].map((group) => {
    const { id, name } = group[0]!;
    const own = group.map(({ file }) => file);
    const spot = { id, name, location };
    const verdict = (keep: boolean, reason: string): Judged => {
      const created = catalog.contents.known(id, name)?.created ?? createdOf(name);
      const about = { id, name, what: "archive", created, bytes: bytesOf(own) } as const;
      return { item: { ...about, keep, removed: false, reasons: [reason] }, files: own };
    };
    const spared = site.spares(id);
    if (spared !== undefined) return verdict(true, spared);
    const isOld = snapshots.some((other) => other.id === id && other.name > name);
    if (!isOld) return verdict(true, "an archive that may be about to get its manifest");
    if (catalog.pruning.wasBegun(spot)) {
      return verdict(false, "left by a removal that was cut short");
    }
    const isKnown = catalog.contents.known(id, name) !== undefined;
    // Of what is older than the first run another destination may have told.
    const isOurs = isKnown && catalog.pruning.hadBegun(createdOf(name));
    const wasWhole = catalog.delivery(id, name, location) !== undefined ||
      catalog.pruning.wasGivenElsewhere(id, name, locations);
    if (wasWhole || isKnown && !isOurs) {
      return verdict(true, "an archive that lost its manifest, and can be unpacked without");
    }
    if (isOurs) {
      return verdict(false, "left by a run that was cut short");
    }
    return verdict(true, "an archive without a manifest, of another machine as far as is known");
  });
}

/** Removes what is to go; what is not listed any more after that is gone. */
async function removeAll(
  site: Site,
  judged: readonly Judged[],
  { catalog, onRemoved }: PruneContext,
): Promise<readonly Judged[]> {
  const { place: { id: destination, location } } = site;
  const going = judged.filter(({ item }) => !item.keep);
  const spotOf = ({ item: { id, name } }: Judged) => ({ id, name, location });
  catalog.pruning.begin(going.map(spotOf));
  let failure: { readonly error: unknown } | undefined;
  try {
    await site.remove(going.flatMap(({ files }) => files.map(({ key }) => key)));
  } catch (error) {
    failure = { error };
  }
  let left: Set<string>;
  try {
    left = new Set((await site.list()).map(({ key }) => key));
  } catch (error) {
    throw new Unfinished(judged, failure?.error ?? error);
  }
  const isThere = ({ files }: Judged) => files.some(({ key }) => left.has(key));
  const isSnapshot = ({ files }: Judged) =>
    files.some(({ key }) => left.has(key) && parseKey(key)?.kind === "manifest");
  const gone = going.filter((one) => !isThere(one));
  catalog.pruning.finish(gone.map(spotOf));
  catalog.pruning.cancel(going.filter(isSnapshot).map(spotOf));
  for (const [id, names] of Map.groupBy(gone, ({ item }) => item.id)) {
    const nowhere = names.map(({ item }) => item.name)
      .filter((name) => !catalog.pruning.isAnywhere(id, name));
    catalog.contents.forget(id, nowhere);
  }
  const after = judged.map((one) =>
    gone.includes(one) ? { ...one, item: { ...one.item, removed: true } } : one
  );
  for (const { item } of after) if (item.removed) onRemoved(item);
  const remaining = going.find(isThere);
  if (failure !== undefined) throw new Unfinished(after, failure.error);
  if (remaining !== undefined) {
    const { id, name } = remaining.item;
    const message = `Cannot remove "${id}/${name}" from "${destination}": it is still there`;
    throw new Unfinished(after, new BackupError("destination-refused", message));
  }
  return after;
}

function itemsOf(judged: readonly Judged[]): PrunedItem[] {
  return judged.map(({ item }) => item)
    .toSorted((a, b) => compare(a.id, b.id) || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function bytesOf(files: readonly StoredFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
