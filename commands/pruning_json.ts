/**
 * What pruning came to, as `prune --json` and `run --json` print it.
 *
 * @module
 */
import type { Pruning } from "../pipeline/events.ts";
import { partJson } from "./ui/errors.ts";

/** What is told of one destination. */
export function pruningJson({ id, location, policy, removal, items, failure }: Pruning): unknown {
  return {
    ...{ id, location, policy, removal },
    items: items.map((item) => ({
      id: item.id,
      name: item.name,
      what: item.what,
      created: item.created.toISOString(),
      bytes: item.bytes,
      keep: item.keep,
      removed: item.removed,
      reasons: item.reasons,
    })),
    ...(failure && { failure: partJson(failure) }),
  };
}
