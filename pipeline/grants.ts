/**
 * What the stages of a run are granted: what `plan` shows and what their workers get.
 *
 * @module
 */
import { join } from "node:path";
import type { Grants, Operation } from "../stages/contract.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import { resolveGrants } from "./worker/host.ts";

/** Where finished files wait for destination `id`, in a pipeline's state directory. */
export function spoolDirectory(state: string, id?: string): string {
  return id === undefined ? join(state, "spool") : join(state, "spool", `to-${id}`);
}

/** Everything that a stage's worker may touch during a run. */
export function runGrants({ id, stage, options }: PipelineStage, state: string): Grants {
  const own = (operation: Operation) => stage.permissions(options, operation);
  if (stage.kind === "source") return union(own("scan"), own("run"));
  if (stage.kind !== "destination") return own("run");
  // A destination is asked what it holds, and takes its files out of a directory of its own.
  const spool = [spoolDirectory(state, id)];
  return union(own("list"), own("run"), { read: spool, write: spool });
}

/** What the worker may touch that removes, after a run, what a destination's policy does not keep. */
export function pruneGrants({ stage, options, retention }: PipelineStage): Grants {
  const prunes = stage.kind === "destination" && retention !== undefined;
  return prunes ? stage.permissions(options, "remove") : {};
}

/** Where runs of a pipeline write to: its state, and what its destinations may write. */
export function ownPlaces(stages: readonly PipelineStage[], state: string): string[] {
  const written = stages.flatMap(({ stage, options }) =>
    stage.kind === "destination" ? stage.permissions(options, "run").write ?? [] : []
  );
  const { read = [] } = resolveGrants({ read: [state, ...written] });
  return [...read];
}

/** All that any of these grants. */
export function union(...grants: readonly Grants[]): Grants {
  const keys = ["read", "write", "net", "env", "sys", "run"] as const;
  return Object.fromEntries(
    keys.map((key) => [key, [...new Set(grants.flatMap((grant) => grant[key] ?? []))]]),
  );
}
