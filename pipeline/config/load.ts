/**
 * Finds a pipeline file and turns it into a pipeline, or tells everything that is wrong with it.
 *
 * Two phases: {@linkcode validatePipeline} looks at the file alone, {@linkcode resolvePipeline} at
 * the environment and at the files it names. Both are gone through, so that every problem is told.
 *
 * @module
 */
import { isAbsolute, join, resolve } from "node:path";
import { BackupError } from "../../stages/errors.ts";
import { stages as builtin } from "../../stages/mod.ts";
import { expandTilde, type Surroundings } from "./expand.ts";
import { locate } from "./locate.ts";
import { checkOverlaps } from "./overlaps.ts";
import { parseToml } from "./parse.ts";
import type { Pipeline, PipelineStage, Problem, Watch } from "./pipeline.ts";
import { type Finding, invalidFile, quote, sayPath } from "./problems.ts";
import { HINT_NONE, readPipelineFile } from "./read.ts";
import { type Resolved, type ResolveOptions, resolvePipeline } from "./resolve.ts";
import { checkPlaces, checkRules } from "./rules.ts";
import { type DraftStage, type Registry, validatePipeline } from "./validate.ts";

export type { Surroundings } from "./expand.ts";
export { PipelineError } from "./problems.ts";

/** Where to look for a pipeline file. */
export interface Search extends Surroundings {
  /** What `--config` says. */
  readonly flag: string | undefined;
  /** The working directory. */
  readonly cwd: string;
}

/**
 * The absolute path of the file that `--config`, or else `$KEEPSAKE_CONFIG`, names, if one does.
 *
 * @throws {BackupError} `usage` when `--config` names nothing.
 */
export function namedPipelineFile({ flag, environment, cwd, home }: Search): string | undefined {
  if (flag === "") {
    throw new BackupError("usage", 'Cannot use "--config": it names no file', {
      hint: "Name a file after it",
    });
  }
  const named = flag ?? environment["KEEPSAKE_CONFIG"];
  return named ? resolve(cwd, expandTilde(named, home)) : undefined;
}

/**
 * The absolute path of the pipeline file: `--config`, else `$KEEPSAKE_CONFIG`, else
 * `./pipeline.toml`, else `$XDG_CONFIG_HOME/keepsake/pipeline.toml`. The first two are taken at
 * their word: that there is such a file is for {@linkcode loadPipeline} to find.
 *
 * @throws {BackupError} `pipeline-invalid` when there is none; `usage` when `--config` names nothing.
 */
export async function findPipelineFile(search: Search): Promise<string> {
  const { environment, cwd, home } = search;
  const named = namedPipelineFile(search);
  if (named !== undefined) return named;

  const places = [join(cwd, "pipeline.toml")];
  // By the XDG Base Directory Specification, a relative path there counts as none.
  const { XDG_CONFIG_HOME: xdg = "" } = environment;
  const settings = isAbsolute(xdg) ? xdg : home && join(home, ".config");
  if (settings) places.push(join(settings, "keepsake", "pipeline.toml"));
  for (const place of places) if (await exists(place)) return place;
  const tried = places.map(quote).join(" nor ");
  throw new BackupError(
    "pipeline-invalid",
    `Cannot find a pipeline file: there is ${places.length === 1 ? "no" : "neither"} ${tried}`,
    { hint: HINT_NONE },
  );
}

/** What a pipeline file is read with. */
export interface LoadOptions extends ResolveOptions {
  /** The stages that a file can name; the built-in ones unless said otherwise. */
  readonly stages?: Registry;
}

/**
 * Reads, validates and resolves a pipeline file.
 *
 * @throws {PipelineError} with every problem of the file, in its order.
 */
export async function loadPipeline(
  file: string,
  { stages = builtin, ...surroundings }: LoadOptions,
): Promise<Pipeline> {
  const path = resolve(file);
  const text = await readPipelineFile(path);
  const parsed = parseToml(text);
  if (!parsed.ok) throw invalidFile(path, [parsed.problem]);
  const draft = await validatePipeline(parsed.table, stages);
  const resolved = await resolvePipeline(draft, path, surroundings);
  const findings = [
    ...draft.findings,
    ...checkRules(draft.stages),
    ...resolved.findings,
    ...checkPlaces(resolved.stages),
    ...checkOverlaps(resolved.stages, stateOf(resolved)),
  ];
  if (findings.length > 0) throw invalidFile(path, await problemsOf(text, findings));
  const { name, identity, drill_every: drillEvery } = resolved.pipeline;
  const watch = watchOf(resolved.pipeline);
  return {
    file: path,
    name: name!,
    state: stateOf(resolved),
    identity,
    drillEvery,
    stages: resolved.stages.map(toStage),
    knownSecrets: resolved.pipeline.known_secrets,
    ...(watch && { watch }),
  };
}

function stateOf({ pipeline: { name, state } }: Resolved): string {
  return join(state ?? "", name ?? "");
}

function watchOf(
  { alert = [], command, heartbeat, log, metrics }: Resolved["pipeline"],
): Watch | undefined {
  const alerts = alert.map((hook) =>
    typeof hook === "string"
      ? { address: hook, shape: undefined }
      : { address: hook.url, shape: hook.shape }
  );
  const any = alerts.length > 0 || (command ?? heartbeat ?? log ?? metrics) !== undefined;
  return any ? { alerts, command, heartbeat, log, metrics } : undefined;
}

function toStage(draft: DraftStage): PipelineStage {
  const { id, use, index, stage, options, only, input, plaintext, secrets } = draft;
  const { retention, proof } = draft;
  const at = sayPath(["stage", index]);
  const known = {
    ...{ id, use, at, stage: stage!, options, only, input, plaintext, ...proof },
    ...(secrets && { secrets }),
  };
  return retention === undefined ? known : { ...known, retention };
}

async function problemsOf(text: string, findings: readonly Finding[]): Promise<Problem[]> {
  const positions = await locate(text, findings);
  return findings
    .map(({ path, message, hint }, index) => ({
      ...positions[index]!,
      path: sayPath(path),
      message,
      hint,
    }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    // What is there and cannot be looked at is not passed over: reading it says why.
    return !(error instanceof Deno.errors.NotFound);
  }
}
