/**
 * The purge horizon: when Claude Code deletes each conversation, and which destinations hold it by
 * then. Asks no destination: what counts is what the catalog knows.
 *
 * @module
 */
import { sep } from "node:path";
import type { Copies, Remark } from "../stages/contract.ts";
import {
  type Conversation,
  directoryOf,
  filesOf,
  findHomes,
  findProjects,
  type OnUnseen,
} from "../stages/formats/claude/conversations.ts";
import { readSweep, type Sweep } from "../stages/formats/claude/sweep.ts";
import { Catalog } from "./catalog.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { copiesOf, holdCopies } from "./copies.ts";
import { Holders } from "./holders.ts";

/** A conversation, until when it stays, and who holds it. */
export interface Fate {
  /** Absolute path of its log. */
  readonly path: string;
  /** When it was last written to. */
  readonly changed: Date;
  /** From when on Claude Code deletes it: with the next session that begins. */
  readonly goes: Date;
  /** Whether settings that cannot be used keep it from being deleted for now. */
  readonly paused: boolean;
  /** Ids of the destinations that hold all of it as it is now. */
  readonly destinations: readonly string[];
  /** Directories of this machine with a copy of it as it is now; not looked for where it is safe. */
  readonly preserved: readonly string[];
}

/** When the conversations that a pipeline reads go. */
export interface Horizon {
  readonly now: Date;
  /** One for each of Claude Code's folders. */
  readonly sweeps: readonly Sweep[];
  /** Those that go first come first. */
  readonly conversations: readonly Fate[];
  /** What is there and cannot be looked at: nobody knows what goes there. Each path once. */
  readonly unseen: readonly Remark[];
}

/** So long before a conversation goes it is time to say so. */
export const NOTICE_MS = 48 * 3_600_000;

/** The conversations that go soon, or could have gone already, and are in no destination. */
export function endangered({ now, conversations }: Horizon): readonly Fate[] {
  const end = now.getTime() + NOTICE_MS;
  return conversations.filter(({ goes, paused, destinations }) =>
    !paused && goes.getTime() <= end && destinations.length === 0
  );
}

/** The conversations that are gone by a day, unless somebody goes on with them. */
export function sweptBy({ conversations }: Horizon, day: Date): readonly Fate[] {
  return conversations.filter(({ goes, paused }) => !paused && goes <= day);
}

/** What a run's report says of the horizon. */
export interface HorizonReport {
  readonly withinHours: number;
  /** The conversations that go within that time and are in no destination. */
  readonly endangered: readonly Pick<Fate, "path" | "goes" | "preserved">[];
  /** Settings for which Claude Code deletes nothing in a folder, until they are put right. */
  readonly paused: readonly (Remark & { readonly home: string })[];
  /** Where conversations may go of which nobody knows. */
  readonly unseen: readonly Remark[];
}

/** The same in short: what a person should know. */
export function reportOf(horizon: Horizon): HorizonReport {
  return {
    withinHours: NOTICE_MS / 3_600_000,
    endangered: endangered(horizon).map(({ path, goes, preserved }) => ({ path, goes, preserved })),
    paused: horizon.sweeps.flatMap(({ home, paused }) => paused ? [{ ...paused, home }] : []),
    unseen: horizon.unseen,
  };
}

/** The folders of Claude Code's that a pipeline reads. */
export function homesOf(pipeline: Pipeline): readonly string[] {
  return findHomes(readBy(pipeline));
}

/**
 * Looks when the conversations that a pipeline reads go.
 *
 * @param within Milliseconds: looks only for who holds those that go by then; left out, all.
 * @returns `undefined` when it reads nothing of Claude Code's.
 */
export function horizonOf(pipeline: Pipeline, now: Date, within?: number): Horizon | undefined {
  using catalog = Catalog.openIfThere(pipeline.state);
  return lookAtHorizon(pipeline, catalog, now, within);
}

/** The conversations that a pipeline reads, as they are on this machine. */
export interface Sighting {
  readonly found: readonly Found[];
  /** What cannot be looked at, by path. */
  readonly unseen: ReadonlyMap<string, Remark>;
}

/** Looks at them, which is what takes time of a look at the horizon. */
export function seeConversations(pipeline: Pipeline): Sighting {
  const unseen = new Map<string, Remark>();
  const onUnseen: OnUnseen = (remark) => unseen.set(remark.path, remark);
  const found = findHomes(readBy(pipeline), onUnseen).map((home) => {
    const projects = findProjects(home, onUnseen);
    const directories = projects.flatMap((project) => directoryOf(project) ?? []);
    const conversations = projects.flatMap(({ conversations }) => conversations);
    return { sweep: readSweep(home, directories), conversations };
  });
  return { found, unseen };
}

/**
 * As {@linkcode horizonOf}, with a catalog that is open.
 *
 * @param sighting May be older than the catalog: what was written to since stays longer for that.
 */
export function lookAtHorizon(
  pipeline: Pipeline,
  catalog: Catalog | undefined,
  now: Date,
  within = Infinity,
  sighting: Sighting = seeConversations(pipeline),
): Horizon | undefined {
  const { found } = sighting;
  const unseen = new Map(sighting.unseen);
  const onUnseen: OnUnseen = (remark) => unseen.set(remark.path, remark);
  if (found.length === 0 && unseen.size === 0) return undefined;
  const end = now.getTime() + within;
  const wanted = found.flatMap(({ sweep, conversations }) =>
    conversations.flatMap((one) => goesAt(one, sweep) <= end ? filesOf(one, onUnseen) : [])
  );
  const holders = catalog === undefined || wanted.length === 0
    ? undefined
    : new Holders(pipeline, catalog, wanted, now);
  return {
    ...judge(found, holders, copiesOf(pipeline), now, end),
    unseen: outermost([...unseen.values()]),
  };
}

/** What lies in a place that cannot be looked at need not be named besides. */
function outermost(remarks: readonly Remark[]): Remark[] {
  return remarks.filter(({ path }) => remarks.every((other) => !path.startsWith(other.path + sep)));
}

/** A folder's conversations, and what becomes of them. */
export interface Found {
  readonly sweep: Sweep;
  readonly conversations: readonly Conversation[];
}

function judge(
  found: readonly Found[],
  holders: Holders | undefined,
  copies: readonly Copies[],
  now: Date,
  end: number,
): Omit<Horizon, "unseen"> {
  const conversations = found.flatMap(({ sweep, conversations }) =>
    conversations.map((one): Fate => {
      const goes = goesAt(one, sweep);
      const files = goes <= end ? filesOf(one) : [];
      const destinations = holders?.of(files) ?? [];
      return {
        path: one.path,
        changed: new Date(one.changed),
        goes: new Date(goes),
        paused: sweep.paused !== undefined,
        destinations,
        preserved: destinations.length > 0 ? [] : holdCopies(copies, files),
      };
    })
  );
  return {
    now,
    sweeps: found.map(({ sweep }) => sweep),
    conversations: conversations.sort((a, b) => a.goes.getTime() - b.goes.getTime()),
  };
}

const DAY_MS = 86_400_000;
/** The last moment that a date can be: a person may set more days than there are. */
const LAST = 8.64e15;

function goesAt({ changed }: Conversation, { days }: Sweep): number {
  return Math.min(changed + days * DAY_MS, LAST);
}

/** What the stages of a pipeline read on this machine. */
function readBy({ stages }: Pipeline): string[] {
  return stages.flatMap(({ stage, options }) =>
    stage.kind === "source" || stage.kind === "prepare"
      ? stage.permissions(options, "run").read ?? []
      : []
  );
}
