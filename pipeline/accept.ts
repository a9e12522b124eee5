/**
 * Ends suspicions because somebody says that what is gone may be gone.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import type { OpenSuspicion } from "./catalog/suspicions.ts";
import type { Pipeline } from "./config/pipeline.ts";
import { acquireLock } from "./lock.ts";
import { leaveDoubts } from "./run/leave_facts.ts";

export type { OpenSuspicion } from "./catalog/suspicions.ts";

/**
 * The suspicions that are open.
 *
 * @throws {BackupError} What the disk has against the catalog.
 */
export function openSuspicions({ state }: Pick<Pipeline, "state">): OpenSuspicion[] {
  using catalog = Catalog.openToTell(state);
  return catalog?.suspicions.all() ?? [];
}

/**
 * Accepts what is missing: from now on it is not missed, and pruning goes on.
 *
 * @param id A snapshot id; `undefined`: all.
 * @returns What was accepted.
 * @throws {BackupError} `usage` for an id that no stage has; `run-in-progress`; what the disk has
 *   against the catalog.
 */
export async function acceptLosses(
  pipeline: Pipeline,
  id: string | undefined,
): Promise<OpenSuspicion[]> {
  const { stages, state } = pipeline;
  const ids = stages.filter(({ stage }) => stage.kind === "source").map((source) => source.id);
  if (id !== undefined && !ids.includes(id)) {
    throw new BackupError("usage", `Cannot accept "${id}": there is no such snapshot id`, {
      hint: `Name one of ${ids.map((known) => `"${known}"`).join(", ")}`,
    });
  }
  if (openSuspicions({ state }).length === 0) return [];
  using _lock = await acquireLock(join(state, "lock"));
  using catalog = Catalog.openToTell(state);
  if (catalog === undefined) return [];
  const meant = catalog.suspicions.all().filter((one) => id === undefined || one.id === id);
  for (const one of meant) {
    catalog.suspicions.accept(one.id);
    catalog.watch.accept(one.id);
  }
  leaveDoubts(pipeline, catalog);
  return meant;
}
