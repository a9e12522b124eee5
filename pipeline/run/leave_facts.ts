/**
 * Leaves behind, when a run ends, what hooks tell sessions.
 *
 * @module
 */
import { FAILURES, toRecord } from "../../stages/errors.ts";
import { sayCount } from "../../stages/formats/words.ts";
import type { Catalog } from "../catalog.ts";
import type { OpenSuspicion } from "../catalog/suspicions.ts";
import type { Pipeline } from "../config/pipeline.ts";
import type { RunReport } from "../events.ts";
import { type HookFacts, readHookFacts, writeDoubts, writeHookFacts } from "../hook_facts.ts";
import type { Horizon } from "../horizon.ts";
import { placesIn, type PlaceStatus } from "../status.ts";
import { sayShrinkage } from "./tripwire.ts";

/** How a run ended. */
export interface RunEnd {
  readonly finished: Date;
  /** Its report; or what ended it before there was one. */
  readonly outcome: RunReport | { readonly error: unknown };
  /** Whether all stages were to run, and to store. */
  readonly isWhole: boolean;
  readonly horizon: Horizon | undefined;
}

/** As many as anyone would be told of. */
const MOST = 200;

/** Leaves it in the state directory. A run that was interrupted says nothing of the backup. */
export function leaveFacts({ name, state, stages }: Pipeline, end: RunEnd): void {
  const { finished, outcome, isWhole, horizon } = end;
  const { status, failures } = "error" in outcome ? endedBy(outcome.error) : told(outcome);
  if (status >= FAILURES.interrupted.status) return;
  const before = readHookFacts(state);
  const made = stages.flatMap(({ stage, options }) =>
    stage.kind === "prepare" ? stage.permissions(options, "run").write ?? [] : []
  );
  const nowhere = horizon?.conversations.filter(({ paused, destinations }) =>
    !paused && destinations.length === 0
  );
  const seen = nowhere?.map(({ path, changed, goes, preserved }) => ({
    ...{ path, changed: changed.getTime(), goes: goes.getTime() },
    ...(preserved.length > 0 && { preserved: true }),
  }));
  // What was in danger where nobody can look any more may be so still.
  const isBlind = horizon !== undefined && horizon.unseen.length > 0;
  const endangered = isBlind && seen?.length === 0 ? undefined : seen?.slice(0, MOST);
  const facts: HookFacts = {
    pipeline: name,
    finished: finished.getTime(),
    status,
    failures: failures.slice(0, 20),
    succeeded: isWhole && status === 0 ? finished.getTime() : before?.succeeded ?? null,
    made,
    endangered: endangered ?? before?.endangered ?? [],
  };
  writeHookFacts(state, facts);
}

/**
 * Leaves what the catalog now knows to be lost or damaged: after a run, and after whatever else looked.
 * Whatever is in the way of that is in the way of more, and told there.
 */
export function leaveDoubts(pipeline: Pipeline, catalog: Catalog): void {
  try {
    const doubts = doubtsOf(catalog.suspicions.all(), placesIn(pipeline, catalog));
    writeDoubts(pipeline.state, doubts.slice(0, MOST));
  } catch {
    // What was left before stays.
  }
}

function doubtsOf(
  suspicions: readonly OpenSuspicion[],
  places: readonly PlaceStatus[],
): readonly string[] {
  return [
    ...suspicions.map(({ id, shrinkages: [first, ...others] }) => {
      const what = first === undefined ? "" : `: ${sayShrinkage(first)}`;
      const more = others.length === 0 ? "" : `, and ${others.length} more`;
      return `${id}: something seems to be lost, and nothing of it is pruned${what}${more}`;
    }),
    ...places.flatMap(({ destination, snapshot, missing, damaged, drillFailed }) => [
      ...(missing === 0 ? [] : [
        `${destination}: ${sayCount(missing, "snapshot")} of ${snapshot} ${
          missing === 1 ? "was stored there and is" : "were stored there and are"
        } there no more`,
      ]),
      ...(damaged === undefined
        ? []
        : [`${destination}: ${snapshot}/${damaged.name} was found damaged there`]),
      ...(damaged === undefined && drillFailed !== undefined
        ? [`${destination}: the last drill of ${snapshot} failed`]
        : []),
    ]),
  ];
}

function endedBy(error: unknown) {
  const { code, message } = toRecord(error);
  return { status: FAILURES[code].status as number, failures: [message] };
}

function told({ status, stages, snapshots, unproven = [], failure }: RunReport) {
  const unread = snapshots.filter(({ unreadable }) => unreadable.length > 0);
  const failures = [
    ...stages.flatMap(({ id, status, message }) =>
      status === "failed" ? [`${id}: ${message}`] : []
    ),
    ...unread.map(({ id, unreadable }) =>
      `${id}: could not read ${sayCount(unreadable.length, "path")}`
    ),
    ...unproven.map(({ destination, id }) => `${destination}: ${id} is overdue for a drill`),
    ...(failure ? [failure.message] : []),
  ];
  return { status, failures };
}
