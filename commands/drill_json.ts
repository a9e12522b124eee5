/**
 * How `drill` and `run` print drills as JSON.
 *
 * @module
 */
import type { Drill, Unproven } from "../pipeline/events.ts";
import { roundSeconds } from "./json.ts";
import { partJson } from "./ui/errors.ts";

/** One drill. */
export function drillJson(drill: Drill): unknown {
  const { id, name, destination, verdict, files, bytes, lines, databases, failure } = drill;
  return {
    ...{ id, name, destination, verdict, files, bytes, lines, databases },
    flaws: drill.flaws.map(({ path, reason }) => ({ path, reason })),
    unchecked: drill.unchecked.map(({ path, reason }) => ({ path, reason })),
    complete: drill.unreadable === undefined ? null : drill.unreadable.length === 0,
    unreadable: drill.unreadable ?? [],
    seconds: roundSeconds(drill.seconds),
    ...(failure && { failure: partJson(failure) }),
  };
}

/** One destination that is overdue for a drill. */
export function unprovenJson({ destination, id, since, proven, maxUnproven }: Unproven): unknown {
  return {
    ...{ destination, id },
    since: since.toISOString(),
    proven: proven?.toISOString() ?? null,
    max_unproven_seconds: maxUnproven / 1000,
  };
}
