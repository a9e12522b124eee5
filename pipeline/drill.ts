/**
 * Drills: brings the newest snapshots back from each destination, as after a loss, and looks into
 * them. What comes of it is noted in the catalog.
 *
 * @module
 */
import type { Inspection } from "../stages/contract.ts";
import { BackupError, FAILURES, toRecord } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import { isDrillDue, isOverdue, type Verdict } from "./catalog/proofs.ts";
import type { Pipeline } from "./config/pipeline.ts";
import type { Drill, Failure, Listener, Unproven } from "./events.ts";
import { deliveriesTo, findCopies, readerOptions } from "./find_copies.ts";
import { type Place, placesOf } from "./places.ts";
import { proveCopy, type Verification } from "./prove.ts";
import { leaveDoubts } from "./run/leave_facts.ts";
import { openScratch } from "./scratch.ts";
import { unanswered } from "./unanswered.ts";
import { lostCopies, newestCopies, statusFor, stillMeant, wasPruned } from "./verify.ts";
import { sightingOfDrill, subjectOfDrill } from "./watch/troubles.ts";
import { ReadingPool } from "./worker/pool.ts";

/** What to drill. */
export interface DrillOptions {
  /** Id of the one destination; `undefined`: all. */
  readonly destination?: string | undefined;
  /** Files with identities, in the place of the pipeline's own. */
  readonly identityFiles?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: Listener | undefined;
  readonly clock?: () => Date;
}

/** How all drills fared. */
export interface DrillReport {
  /** Whether every one ended with `proven`. */
  readonly ok: boolean;
  readonly drills: readonly Drill[];
  /** Exit status by the table of `stages/errors.ts`. */
  readonly status: number;
}

/**
 * Drills a pipeline's destinations: fetches, decrypts, compares every hash, reads every line of every
 * log and opens every database.
 *
 * @throws {BackupError} `usage` for a destination that is not there; `snapshot-missing` when nothing
 *   is stored anywhere; `run-in-progress` when another drill is at work.
 */
export async function drillPipeline(
  pipeline: Pipeline,
  options: DrillOptions = {},
): Promise<DrillReport> {
  const { destination, signal, clock = () => new Date() } = options;
  const all = placesOf(pipeline);
  const places = destination === undefined ? all : all.filter(({ id }) => id === destination);
  if (places.length === 0) {
    throw new BackupError("usage", `Cannot drill "${destination}": there is no such destination`, {
      hint: `Name one of ${all.map(({ id }) => `"${id}"`).join(", ")}`,
    });
  }
  await using scratch = await openScratch(pipeline.state);
  using catalog = Catalog.openIfThere(pipeline.state);
  const drills: Drill[] = [];
  for (const place of places) {
    signal?.throwIfAborted();
    const own = await drillPlace(pipeline, place, undefined, scratch.path, options);
    for (const drill of own) note(catalog, drill, clock());
    drills.push(...own);
  }
  if (drills.length === 0) {
    throw new BackupError("snapshot-missing", "Cannot drill: there are no snapshots", {
      hint: 'Make one with "keepsake run"',
    });
  }
  if (catalog !== undefined) leaveDoubts(pipeline, catalog);
  const ok = drills.every(({ verdict }) => verdict === "proven");
  return { ok, drills, status: statusFor(drills, false) };
}

/** What a run drills with. It holds the pipeline's lock. */
export interface RunDrillContext {
  readonly catalog: Catalog;
  readonly signal: AbortSignal | undefined;
  readonly listener: Listener;
  readonly clock: () => Date;
}

/** Drills what is due at the end of a run. What fails is part of the answer. */
export async function drillAfterRun(
  pipeline: Pipeline,
  { catalog, signal, listener, clock }: RunDrillContext,
): Promise<Drill[]> {
  const gap = catalog.watch.usualGap();
  const due = placesOf(pipeline).flatMap((place) => {
    const stage = pipeline.stages.find(({ id }) => id === place.id)!;
    const every = stage.drillEvery ?? pipeline.drillEvery;
    if (every === undefined) return [];
    const ids = catalog.proofs.at(place.location)
      .filter((proof) => isDrillDue(proof, every, clock(), gap)).map(({ id }) => id);
    return ids.length === 0 ? [] : [{ place, ids }];
  });
  if (due.length === 0) return [];
  const drills: Drill[] = [];
  try {
    await using scratch = await openScratch(pipeline.state);
    for (const { place, ids } of due) {
      signal?.throwIfAborted();
      const own = await drillPlace(pipeline, place, ids, scratch.path, { signal, listener });
      for (const drill of own) note(catalog, drill, clock());
      drills.push(...own);
    }
    return drills;
  } catch (error) {
    signal?.throwIfAborted();
    const left = due.filter(({ place }) =>
      !drills.some(({ destination }) => destination === place.id)
    );
    return [
      ...drills,
      ...left.flatMap(({ place, ids }) => ids.map((id) => undone(place, id, error))),
    ];
  }
}

/** What was not proven for longer than its destination allows. */
export function findUnproven({ stages }: Pipeline, catalog: Catalog, now: Date): Unproven[] {
  return stages.flatMap(({ id: destination, stage, options, maxUnproven }) => {
    if (stage.kind !== "destination" || maxUnproven === undefined) return [];
    return catalog.proofs.at(stage.location(options))
      .filter((proof) => isOverdue(proof, maxUnproven, now))
      .map(({ id, since, proven }) => ({ destination, id, since, proven, maxUnproven }));
  });
}

/** Drills one place: the newest of every id, or of some. */
async function drillPlace(
  pipeline: Pipeline,
  place: Place,
  ids: readonly string[] | undefined,
  scratch: string,
  { identityFiles, signal, listener }: Omit<DrillOptions, "destination" | "clock">,
): Promise<Drill[]> {
  const isMeant = ({ id }: { readonly id: string }) => ids?.includes(id) ?? true;
  const lookup = { pipeline, from: place.id, identityFiles, signal, listener };
  const deliveries = deliveriesTo([place], pipeline)[0]!.filter(isMeant);
  const stored = [{ place, deliveries }];
  using pool = new ReadingPool();
  await pool.warmTransforms();
  await pool.warmSources([scratch]);
  const { copies, answers, failures } = await findCopies(lookup, pool);
  const error = unanswered(failures, answers);
  if (error !== undefined) {
    const known = new Set(deliveries.map(({ id }) => id));
    return [...known.size > 0 ? known : [null]].map((id) => undone(place, id, error));
  }
  const drills: Drill[] = [];
  try {
    const reading = await readerOptions(lookup);
    for (const copy of newestCopies(copies).filter(({ held }) => isMeant(held))) {
      signal?.throwIfAborted();
      const { id, name } = copy.held;
      listener?.({ type: "stage-started", stage: place.id, snapshot: `${id}/${name}` });
      const onProgress = (done: number, total: number | undefined) =>
        listener?.({ type: "stage-progress", stage: place.id, done, total });
      const proof = await proveCopy(copy, pool, { ...reading, onProgress }, scratch);
      signal?.throwIfAborted();
      if (!wasPruned(copy, stored, pipeline, proof)) drills.push(judge(proof, place.location));
    }
  } catch (error) {
    signal?.throwIfAborted();
    const rest = newestCopies(copies).map(({ held }) => held).filter(isMeant)
      .filter(({ id }) => !drills.some((drill) => drill.id === id));
    drills.push(...rest.map(({ id, name }) => ({ ...undone(place, id, error), name })));
  }
  const lost = lostCopies(stillMeant(stored, pipeline), copies, false);
  const replaced = new Set(lost.map(({ id }) => id));
  return [
    ...drills.filter(({ id }) => id === null || !replaced.has(id)),
    ...lost.map((verification) => judge(verification, place.location)),
  ];
}

/** What a proof amounts to. Pure. */
export function judge(proof: Verification, location: string): Drill {
  const { id, name, destination, status, files, bytes, seconds, failure } = proof;
  const { inspection, unreadable } = proof;
  const { lines, databases, flaws, unchecked } = inspection ?? NOTHING;
  const about = {
    id,
    name,
    destination,
    location,
    files,
    bytes,
    lines,
    databases,
    flaws,
    unchecked,
    ...(unreadable && { unreadable }),
  };
  const verdictOf = (): readonly [Verdict, Failure | undefined] => {
    if (status === "damaged") return ["failed", failure];
    if (status !== "ok") return ["inconclusive", failure];
    if (flaws.length > 0) return ["failed", contentFailure(proof, flaws)];
    if (inspection === undefined || unchecked.length > 0) {
      return ["inconclusive", uncheckedFailure(proof, unchecked)];
    }
    return ["proven", undefined];
  };
  const [verdict, why] = verdictOf();
  return { ...about, verdict, seconds, ...(why !== undefined && { failure: why }) };
}

const NOTHING: Inspection = { lines: 0, databases: 0, flaws: [], unchecked: [] };

function contentFailure({ id, name }: Verification, flaws: Inspection["flaws"]): Failure {
  const [{ path, reason }] = flaws as [Inspection["flaws"][number]];
  const more = flaws.length === 1 ? "" : `, and ${flaws.length - 1} more`;
  return {
    code: "snapshot-damaged",
    message: `Cannot use "${path}" of "${id}/${name}": ${reason}${more}`,
    hint:
      `Look at that file on this machine: it came back as it was stored, so it was like that then. If you mend it, the next run takes that for a loss until you say otherwise with keepsake accept ${id}`,
  };
}

function uncheckedFailure({ id, name }: Verification, unchecked: Inspection["unchecked"]): Failure {
  const [first] = unchecked;
  const what = first === undefined ? "its files" : `"${first.path}"`;
  return {
    code: "stage-failed",
    message: `Cannot look into ${what} of "${id}/${name}"${first ? `: ${first.reason}` : ""}`,
    hint: "All bytes came back as they were stored: drill again when nothing uses that file",
  };
}

function undone({ id: destination, location }: Place, id: string | null, error: unknown): Drill {
  const { code, message, hint } = toRecord(error);
  if (code === "bug") throw error;
  const isDamage = FAILURES[code].status === FAILURES["snapshot-damaged"].status;
  return {
    ...{ id, name: null, destination, location, files: 0, bytes: 0, ...NOTHING, seconds: 0 },
    verdict: isDamage ? "failed" : "inconclusive",
    failure: { code, message, hint },
  };
}

/** A drill is a verification too: what bytes came to is noted as one, and what they are worth. */
function note(catalog: Catalog | undefined, drill: Drill, now: Date): void {
  const { id, name, destination, location, verdict, flaws, unchecked } = drill;
  if (id === null || catalog === undefined) return;
  catalog.proofs.add(id, location, now, verdict);
  const trouble = sightingOfDrill(drill);
  if (trouble !== undefined) catalog.watch.raise(trouble, now);
  if (verdict === "proven") {
    catalog.watch.end(subjectOfDrill(destination, id));
    catalog.watch.end(`proof ${destination}/${id}`);
  }
  if (name === null) return;
  const status = flaws.length > 0
    ? "useless"
    : verdict === "proven" || unchecked.length > 0
    ? "ok"
    : verdict === "failed"
    ? "damaged"
    : "unknown";
  catalog.addVerification({ id, name, location }, now, status);
}
