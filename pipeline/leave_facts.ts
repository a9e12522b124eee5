/**
 * Leaves behind, when a run ends, what hooks tell sessions.
 *
 * @module
 */
import { FAILURES, toRecord } from "../stages/errors.ts";
import type { Pipeline } from "./config/pipeline.ts";
import type { RunReport } from "./events.ts";
import { type HookFacts, readHookFacts, writeHookFacts } from "./hook_facts.ts";
import type { Horizon } from "./horizon.ts";

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

function endedBy(error: unknown) {
  const { code, message } = toRecord(error);
  return { status: FAILURES[code].status as number, failures: [message] };
}

function told({ status, stages, snapshots, failure }: RunReport) {
  const unread = snapshots.filter(({ unreadable }) => unreadable.length > 0);
  const failures = [
    ...stages.flatMap(({ id, status, message }) =>
      status === "failed" ? [`${id}: ${message}`] : []
    ),
    ...unread.map(({ id, unreadable }) => `${id}: could not read ${sayPaths(unreadable.length)}`),
    ...(failure ? [failure.message] : []),
  ];
  return { status, failures };
}

function sayPaths(count: number): string {
  return count === 1 ? "1 path" : `${count} paths`;
}
