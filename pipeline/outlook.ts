/**
 * What a run would meet if it began now: sources that are not there or cannot be read, directories
 * of destinations that would have to be made, a state that it could not keep.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { FAILURES, stateOf } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import type { Survey } from "./survey.ts";

/** One path that is not as a run would like it. */
export interface Finding {
  /** Id of the stage that needs it; `null`: every run does, for its state. */
  readonly stage: string | null;
  readonly path: string;
  /**
   * Of a source: `missing` or `unreadable`, or `new` when a run makes it. Of a destination: `new` when
   * a run would make it, `blocked` when it could not, `gone` when it would not, because snapshots were
   * there. Of the state: `blocked`.
   */
  readonly state: "missing" | "unreadable" | "new" | "blocked" | "gone";
  /** A short phrase without a full stop: `it does not exist`. */
  readonly reason: string;
}

/** What a run would meet now. */
export interface Outlook {
  readonly findings: readonly Finding[];
  /** How a run would end for these reasons alone, by the table of `stages/errors.ts`. */
  readonly status: number;
}

/** Looks at the paths of sources, of destinations and of the state. Makes nothing, and opens no file's content. */
export async function lookAhead({ stages, state }: Pipeline): Promise<Outlook> {
  using catalog = Catalog.openIfThere(state);
  const made = new Set(
    stages.flatMap(({ stage, options }) =>
      stage.kind === "prepare" ? stage.permissions(options, "run").write ?? [] : []
    ),
  );
  const found = (await Promise.all(stages.map(findingsOf))).flat().map((finding): Finding =>
    finding.state === "missing" && made.has(finding.path) ? { ...finding, state: "new" } : finding
  );
  const findings = [
    ...await lookAtState(state),
    ...found.map((finding) => catalog ? asRemembered(finding, catalog) : finding),
  ];
  return { findings, status: statusOf(stages, findings) };
}

/** A place that held snapshots is not begun anew: its disk may not be connected. */
function asRemembered(finding: Finding, catalog: Catalog): Finding {
  if (finding.state !== "new") return finding;
  const { length } = catalog.deliveriesTo(finding.path);
  if (length === 0) return finding;
  const held = length === 1 ? "a snapshot" : `${length} snapshots`;
  return { ...finding, state: "gone", reason: `it held ${held}, and is not there` };
}

/** With what only a walk through the sources can tell. */
export function withSurveys(
  { findings, status }: Outlook,
  surveys: readonly Pick<Survey, "stage" | "unreadable">[],
): Outlook {
  const known = new Set(findings.map(({ stage, path }) => `${stage} ${path}`));
  const more = surveys.flatMap(({ stage, unreadable }) =>
    unreadable.filter(({ path }) => !known.has(`${stage} ${path}`))
      .map(({ path, reason }): Finding => ({ stage, path, state: "unreadable", reason }))
  );
  const worse = more.length > 0 && status === 0;
  return {
    findings: [...more, ...findings],
    status: worse ? FAILURES["source-unreadable"].status : status,
  };
}

/** The pipeline without the destinations that are not there: what is in them is nowhere for now. */
export function withoutGone(pipeline: Pipeline, { findings }: Outlook): Pipeline {
  const gone = new Set(findings.filter(({ state }) => state === "gone").map(({ stage }) => stage));
  return { ...pipeline, stages: pipeline.stages.filter(({ id }) => !gone.has(id)) };
}

async function findingsOf({ id, stage, options }: PipelineStage): Promise<Finding[]> {
  const { read = [], write = [] } = stage.permissions(options, "run");
  if (stage.kind === "source") {
    return (await Promise.all(read.map((path) => lookAtSource(id, path)))).flat();
  }
  if (stage.kind !== "destination") return [];
  // What it keeps elsewhere is no directory that it would make.
  const place = stage.location(options);
  return write.includes(place) ? await lookAtDirectory(id, place) : [];
}

async function lookAtSource(stage: string, path: string): Promise<Finding[]> {
  try {
    const { isDirectory, isFile } = await Deno.stat(path);
    if (isDirectory) await Array.fromAsync(first(Deno.readDir(path)));
    else if (isFile) (await Deno.open(path)).close();
    return [];
  } catch (error) {
    const state = error instanceof Deno.errors.NotFound ? "missing" : "unreadable";
    return [{ stage, path, state, reason: reasonOf(error) }];
  }
}

/** A run takes its lock there before all else. */
async function lookAtState(path: string): Promise<Finding[]> {
  const [found] = await lookAtDirectory(null, path);
  if (found?.state === "new") return [];
  const lock = () =>
    Deno.open(join(path, "lock"), { read: true, write: true }).then((file) => file.close());
  const reason = found?.reason ?? await obstacleIn(path) ?? await refusalOf(lock());
  return reason === undefined ? [] : [{ stage: null, path, state: "blocked", reason }];
}

async function lookAtDirectory(stage: string | null, path: string): Promise<Finding[]> {
  try {
    if ((await Deno.stat(path)).isDirectory) {
      await Array.fromAsync(first(Deno.readDir(path)));
      return [];
    }
    return [{ stage, path, state: "blocked", reason: "it is no directory" }];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      return [{ stage, path, state: "blocked", reason: reasonOf(error) }];
    }
    const isLink = await Deno.lstat(path).then(() => true, () => false);
    const obstacle = isLink ? "its link leads nowhere" : await obstacleIn(dirname(path));
    return obstacle === undefined
      ? [{ stage, path, state: "new", reason: reasonOf(error) }]
      : [{ stage, path, state: "blocked", reason: obstacle }];
  }
}

/** Why nothing could be made in a directory, or in the nearest that is there, as far as looks tell. */
async function obstacleIn(directory: string): Promise<string | undefined> {
  const there = await Deno.stat(directory).catch(() => undefined);
  if (there === undefined) {
    const parent = dirname(directory);
    return parent === directory ? undefined : await obstacleIn(parent);
  }
  const user = Deno.uid();
  // Root may do all, and what groups may do, the system alone knows.
  const needed = there.uid === user ? 0o200 : 0o022;
  if (there.mode !== null && user !== 0 && (there.mode & needed) === 0) return "permission denied";
  // Nothing is moved, as it is not there: a file system that is read-only says so before it looks.
  const absent = join(directory, `keepsake-${crypto.randomUUID()}`);
  return await refusalOf(Deno.rename(absent, `${absent}-`));
}

/** What the system has against it, other than that something is not there. */
async function refusalOf(attempt: Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return reasonOf(error);
  }
}

/**
 * What there is at least goes on; where nothing of any source is there, or no state can be kept, the
 * request is wrong.
 */
function statusOf(stages: readonly PipelineStage[], findings: readonly Finding[]): number {
  if (findings.some(({ stage }) => stage === null)) return FAILURES["pipeline-invalid"].status;
  const sources = stages.filter(({ stage }) => stage.kind === "source");
  const nothingIsThere = sources.every(({ id, stage, options }) =>
    stage.permissions(options, "run").read?.every((path) =>
      findings.some((one) => one.stage === id && one.path === path && one.state === "missing")
    )
  );
  if (nothingIsThere) return FAILURES["source-missing"].status;
  return findings.some(({ state }) => state !== "new") ? FAILURES["source-unreadable"].status : 0;
}

async function* first<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) return yield item;
}

function reasonOf(error: unknown): string {
  return stateOf(error, { ENOENT: "it does not exist", ENOTDIR: "a file is in its way" });
}
