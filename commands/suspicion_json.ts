/**
 * How `accept` and `run` print what seems to be lost as JSON.
 *
 * @module
 */
import type { Suspicion } from "../pipeline/catalog/suspicions.ts";
import { restoreCommand, sayShrinkage, type Shrinkage } from "../pipeline/run/tripwire.ts";

/** A suspicion, with the command that brings back how it was. */
export function suspicionJson(
  { id, since, good, shrinkages }: Suspicion & { readonly id: string },
): Readonly<Record<string, unknown>> {
  return {
    ...{ id, since, good },
    restore: restoreCommand(id, good) ?? null,
    missing: shrinkages.map(shrinkageJson),
  };
}

function shrinkageJson(shrinkage: Shrinkage): unknown {
  const { path, what, before, after } = shrinkage;
  return { path, what, before, after, message: sayShrinkage(shrinkage) };
}
