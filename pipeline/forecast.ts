/**
 * What will be at some time to come, if backups go on as they did: which of the snapshots that there
 * are now will then still stay, by each destination's policy. Changes nothing, asks nobody.
 *
 * @module
 */
import { BackupError } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import { isDrillDue, isOverdue, type Proof } from "./catalog/proofs.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { lookAtHorizon, sweptBy } from "./horizon.ts";
import { createdOf } from "./names.ts";
import { targetsOf } from "./prune/sites.ts";
import { type Candidate, type Circumstances, judge, type Policy, sayPolicy } from "./retention.ts";
import { usualGap } from "./watch/troubles.ts";

/** What becomes of a snapshot that there is now. */
export interface Fate {
  /** The snapshot stage's id. */
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly created: Date;
  /** The run after which it would be removed; `undefined`: it stays. */
  readonly removed: Date | undefined;
  /** Why it stays then, or is removed: phrases without a full stop. */
  readonly reasons: readonly string[];
}

/** What a destination will hold of what it holds now. */
export interface PlaceForecast {
  /** The destination's stage id. */
  readonly id: string;
  /** The keys that keep; empty: nothing is ever removed there. */
  readonly policy: readonly string[];
  /** Oldest first within an id. */
  readonly snapshots: readonly Fate[];
  /** How many of the runs to come will then have a snapshot that stays. */
  readonly added: number;
  /** What is due for a drill by then; empty: nothing, or drills are not asked for. */
  readonly drills: readonly DrillForecast[];
}

/** Drills of a snapshot id at a destination. */
export interface DrillForecast {
  /** The snapshot stage's id. */
  readonly id: string;
  /** Times of the runs that will drill it. */
  readonly due: readonly Date[];
  /** When it will have gone unproven for too long, if no drill proves it; `undefined`: not by then. */
  readonly overdue: Date | undefined;
}

/** A conversation that Claude Code will have deleted. */
export interface SweepForecast {
  readonly path: string;
  readonly goes: Date;
  /** Ids of the destinations that hold all of it as it is now. */
  readonly destinations: readonly string[];
}

/** A snapshot id of which nothing is removed as things are. */
export interface PauseForecast {
  /** The snapshot stage's id. */
  readonly id: string;
  /** A phrase without a full stop. */
  readonly reason: string;
}

/** A time to come. */
export interface Forecast {
  readonly at: Date;
  /** The runs that are thought to come until then. */
  readonly runs: number;
  /** Whether they are scheduled; else one a day is supposed. */
  readonly isScheduled: boolean;
  /** Where something seems to be lost, everything stays until somebody accepts that. */
  readonly pauses: readonly PauseForecast[];
  readonly places: readonly PlaceForecast[];
  /** Those that go first come first. */
  readonly swept: readonly SweepForecast[];
}

/** What is known, and what is supposed. */
export interface ForecastOptions {
  readonly now: Date;
  readonly at: Date;
  /** When the run after one that began at this time begins. */
  readonly next: (after: Date) => Date;
  /** Whether that is scheduled, and not merely supposed. */
  readonly isScheduled: boolean;
}

/** More runs than these take their time to think through. */
const MOST_RUNS = 4000;

/**
 * Looks ahead. Every run to come is supposed to find changes, and nothing deleted.
 *
 * @throws {BackupError} `usage` for a time that is not to come, or too far ahead; what the disk has
 *   against the catalog.
 */
export function forecast(pipeline: Pipeline, options: ForecastOptions): Forecast {
  const { at, now } = options;
  const runs = runsUntil(options);
  using catalog = Catalog.openToTell(pipeline.state);
  const pauses = pausesIn(pipeline, catalog);
  const places = targetsOf(pipeline, undefined).map(({ place: { id, location }, policy }) => {
    const present = catalog === undefined ? [] : presentAt(catalog, location);
    const onlyIn = onlyInWith(catalog, present);
    const drills = drillsAt(pipeline, id, catalog?.proofs.at(location) ?? [], runs, options);
    if (policy === undefined) {
      const snapshots = present.map((snapshot) => fateOf(snapshot, ["nothing is removed there"]));
      const ids = new Set(present.map((snapshot) => snapshot.id));
      return { id, policy: [], snapshots, added: runs.length * ids.size, drills };
    }
    const { spared, judged } = sparedBy(pauses, present);
    const held = goThrough(judged, policy, runs, at, onlyIn);
    const ids = new Set(spared.map((snapshot) => snapshot.id));
    return {
      id,
      policy: sayPolicy(policy),
      snapshots: [...spared, ...held.snapshots],
      added: held.added + runs.length * ids.size,
      drills,
    };
  });
  const horizon = lookAtHorizon(pipeline, catalog, now, at.getTime() - now.getTime());
  const swept = horizon === undefined ? [] : sweptBy(horizon, at);
  return {
    at,
    runs: runs.length,
    isScheduled: options.isScheduled,
    pauses,
    places,
    swept: swept.map(({ path, goes, destinations }) => ({ path, goes, destinations })),
  };
}

function pausesIn({ stages }: Pipeline, catalog: Catalog | undefined): PauseForecast[] {
  return stages.filter(({ stage }) => stage.kind === "source").flatMap(({ id }) => {
    const reason = catalog?.suspicions.pause(id);
    return reason === undefined ? [] : [{ id, reason }];
  });
}

/** Sets apart what no policy is asked about, as runs do. */
function sparedBy(pauses: readonly PauseForecast[], present: readonly Candidate[]) {
  const reasons = new Map(pauses.map(({ id, reason }) => [id, reason]));
  return {
    spared: present.flatMap((snapshot) => {
      const reason = reasons.get(snapshot.id);
      return reason === undefined ? [] : [fateOf(snapshot, [reason])];
    }),
    judged: present.filter(({ id }) => !reasons.has(id)),
  };
}

/** Times of the runs to come. */
function runsUntil({ now, at, next }: ForecastOptions): Date[] {
  if (at <= now) {
    throw new BackupError("usage", "Cannot look ahead to that time: it has passed", {
      hint: "Name a time to come, or see keepsake prune --dry-run for now",
    });
  }
  const runs: Date[] = [];
  for (let time = next(now); time <= at; time = next(time)) {
    runs.push(time);
    if (runs.length > MOST_RUNS) {
      throw new BackupError("usage", "Cannot look so far ahead: too many runs lie in between", {
        hint: "Name a nearer time",
      });
    }
  }
  return runs;
}

/**
 * Goes through the runs one by one: what one of them removes, no later one can keep.
 *
 * @param present What there is now, oldest first.
 * @param runs Times of the runs to come.
 */
export function goThrough(
  present: readonly Candidate[],
  policy: Policy,
  runs: readonly Date[],
  at: Date,
  onlyIn: Circumstances["onlyIn"],
): Pick<PlaceForecast, "snapshots" | "added"> {
  const ids = [...new Set(present.map(({ id }) => id))];
  const fates = new Map<Candidate, Fate>();
  const future = new Set<Candidate>();
  let left: readonly Candidate[] = present;
  for (const now of runs) {
    const made = ids.map((id): Candidate => (
      { id, name: nameFor(now), created: now, state: "whole", verified: false }
    ));
    for (const one of made) future.add(one);
    const verdicts = judge([...left, ...made], policy, { now, onlyIn });
    for (const { snapshot, keep, reasons } of verdicts) {
      if (keep || future.has(snapshot)) continue;
      fates.set(snapshot, { ...fateOf(snapshot, reasons), removed: now });
    }
    left = verdicts.filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
  }
  for (const { snapshot, reasons } of judge(left, policy, { now: at, onlyIn })) {
    fates.set(snapshot, fateOf(snapshot, reasons));
  }
  return {
    snapshots: present.map((snapshot) => fates.get(snapshot)!),
    added: left.filter((snapshot) => future.has(snapshot)).length,
  };
}

/** Which runs will drill, supposing that each drill proves what it brings back. */
function drillsAt(
  { stages, drillEvery }: Pipeline,
  destination: string,
  proofs: readonly Proof[],
  runs: readonly Date[],
  { at, next }: ForecastOptions,
): DrillForecast[] {
  const stage = stages.find(({ id }) => id === destination);
  const every = stage?.drillEvery ?? drillEvery;
  const max = stage?.maxUnproven;
  if (every === undefined && max === undefined) return [];
  const last = runs.at(-1);
  const gap = last === undefined ? 0 : usualGap([next(last), ...runs.toReversed()]);
  return proofs.map((proof) => {
    const due: Date[] = [];
    let { drilled } = proof;
    for (const run of every === undefined ? [] : runs) {
      if (!isDrillDue({ drilled }, every!, run, gap)) continue;
      due.push(run);
      drilled = run;
    }
    const isLate = due.length === 0 && max !== undefined && isOverdue(proof, max, at);
    const overdue = isLate ? new Date((proof.proven ?? proof.since).getTime() + max) : undefined;
    return { id: proof.id, due, overdue };
  });
}

function presentAt(catalog: Catalog, location: string): Candidate[] {
  const verifications = catalog.pruning.verifications(location);
  return catalog.deliveriesTo(location).map(({ id, name }) => {
    const known = catalog.contents.known(id, name);
    const verified = verifications.get(`${id}/${name}`);
    const state = verified === "damaged"
      ? "damaged"
      : known?.incomplete === false
      ? "whole"
      : "incomplete";
    return {
      id,
      name,
      created: known?.created ?? createdOf(name),
      state,
      verified: verified === "ok",
    };
  });
}

/** What is to come is supposed to hold all that the newest holds. */
function onlyInWith(
  catalog: Catalog | undefined,
  present: readonly Candidate[],
): Circumstances["onlyIn"] {
  const known = new Set(present);
  const newest = new Map(present.map(({ id, name }) => [id, name]));
  return (snapshot, others) => {
    const isNewest = newest.get(snapshot.id) === snapshot.name;
    const hasFuture = others.some((other) => !known.has(other));
    if (!known.has(snapshot) || (isNewest && hasFuture)) return { count: 0, example: undefined };
    const names = others.filter((other) => known.has(other)).map(({ name }) => name);
    if (hasFuture) names.push(newest.get(snapshot.id)!);
    return catalog?.contents.onlyIn(snapshot.id, snapshot.name, [...new Set(names)]);
  };
}

function fateOf({ id, name, created }: Candidate, reasons: readonly string[]): Fate {
  return { id, name, created, removed: undefined, reasons };
}

/** Later than all that there is, and in the order of time. */
function nameFor(time: Date): string {
  return `${time.toISOString().replace(/[-:]/g, "").replace(/\.\d+Z$/, "Z")}-000000000000`;
}
