/**
 * What the stages of a run are granted: what `plan` shows and what their workers get.
 *
 * @module
 */
import { join } from "node:path";
import type { Grants, Operation, Stage } from "../stages/contract.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { findPrograms } from "./programs.ts";
import { realPath } from "./real_path.ts";
import { scratchDirectory } from "./scratch.ts";
import { resolveGrants } from "./worker/host.ts";

/** Where finished files wait for destination `id`, in a pipeline's state directory. */
export function spoolDirectory(state: string, id?: string): string {
  return id === undefined ? join(state, "spool") : join(state, "spool", `to-${id}`);
}

/** Where destinations work that need a folder, in a pipeline's state directory. */
export function workDirectory(state: string): string {
  return join(state, "work");
}

/** Where destination `id` works, if it needs a folder. */
export function folderOf(
  { id, stage }: Pick<PipelineStage, "id" | "stage">,
  state: string,
): string | undefined {
  if (stage.kind !== "destination" || stage.keepsFolder !== true) return undefined;
  return join(workDirectory(state), id);
}

/** Where source `id` writes what it must write to read from it. */
export function sourceDirectory(state: string, id: string): string {
  return join(spoolDirectory(state), `of-${id}`);
}

/** Everything that a stage's worker may touch during a run. */
export function runGrants(pipelineStage: PipelineStage, state: string): Grants {
  const { id, stage, options } = pipelineStage;
  const own = (operation: Operation) => withPrograms(stage.permissions(options, operation));
  if (stage.kind === "source") {
    const directory = stage.needsDirectory?.(options) ? [sourceDirectory(state, id)] : [];
    return union(own("scan"), own("run"), { read: directory, write: directory });
  }
  if (stage.kind === "prepare") return prepareGrants(stage, options);
  if (stage.kind !== "destination") return own("run");
  // A destination is asked what it holds, and takes its files out of a directory of its own.
  const folder = folderOf(pipelineStage, state);
  const places = [spoolDirectory(state, id), ...folder === undefined ? [] : [folder]];
  return union(own("list"), own("run"), { read: places, write: places });
}

/** Everything that a prepare stage's worker may touch, with what the links that it follows lead to. */
export function prepareGrants(stage: Stage, options: Readonly<Record<string, unknown>>): Grants {
  const directory = stage.kind === "prepare" ? stage.follows?.(options) : undefined;
  const read = directory === undefined ? [] : placesBehind(directory);
  return union(withPrograms(stage.permissions(options, "run")), { read });
}

/** The directories that the links in a directory lead to. */
function placesBehind(directory: string): string[] {
  try {
    const links = Array.from(Deno.readDirSync(directory)).filter(({ isSymlink }) => isSymlink);
    return links.map(({ name }) => realPath(join(directory, name))).filter(isDirectory).sort();
  } catch {
    return []; // What is not there, or closed, is for the stage to tell.
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** The same with programs as they are granted: each the one file that was found for its name. */
export function withPrograms(grants: Grants): Grants {
  if (grants.run === undefined) return grants;
  const found = findPrograms(grants.run);
  // What is missing stays, so that `plan` shows that it is wanted; it cannot be started.
  return { ...grants, run: grants.run.map((name) => found[name] ?? name) };
}

/** What the worker may touch that removes, after a run, what a destination's policy does not keep. */
export function pruneGrants({ stage, options, retention }: PipelineStage): Grants {
  const prunes = stage.kind === "destination" && retention !== undefined;
  return prunes ? withPrograms(stage.permissions(options, "remove")) : {};
}

/** What the worker may touch that gives what is stored the keys that the file names now. */
export function rekeyGrants({ stage, options }: PipelineStage): Grants {
  const rewraps = stage.kind === "transform" && stage.rewrap !== undefined;
  return rewraps ? withPrograms(stage.permissions(options, "rewrap")) : {};
}

/** What the worker may touch that looks, after a run, into what a drill brought back. */
export function drillGrants({ stages, state, drillEvery }: Pipeline): Grants {
  const drills = stages.some((stage) =>
    stage.stage.kind === "destination" && (stage.drillEvery ?? drillEvery) !== undefined
  );
  const places = drills ? [scratchDirectory(state)] : [];
  return { read: places, write: places };
}

/** Where runs of a pipeline write to: its state, and the directories that its destinations are. */
export function ownPlaces(stages: readonly PipelineStage[], state: string): string[] {
  const directories = stages.flatMap(({ stage, options }) =>
    stage.kind === "destination" ? stage.directory?.(options) ?? [] : []
  );
  const { read = [] } = resolveGrants({ read: [state, ...directories] });
  return [...read];
}

/** All that any of these grants. */
export function union(...grants: readonly Grants[]): Grants {
  const keys = ["read", "write", "net", "env", "sys", "run"] as const;
  return Object.fromEntries(
    keys.map((key) => [key, [...new Set(grants.flatMap((grant) => grant[key] ?? []))]]),
  );
}
