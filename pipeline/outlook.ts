/**
 * What a run would meet if it began now: sources that are not there or cannot be read, directories
 * of destinations that would have to be made.
 *
 * @module
 */
import { FAILURES, stateOf } from "../stages/errors.ts";
import { Catalog } from "./catalog.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import type { Survey } from "./survey.ts";

/** One path that is not as a run would like it. */
export interface Finding {
  /** Id of the stage that needs it. */
  readonly stage: string;
  readonly path: string;
  /**
   * Of a source: `missing` or `unreadable`, or `new` when a run makes it. Of a destination: `new` when
   * a run would make it, `blocked` when it could not, `gone` when it would not, because snapshots were
   * there.
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

/** Looks at the paths of sources and destinations. Makes nothing, and opens no file's content. */
export async function lookAhead({ stages, state }: Pipeline): Promise<Outlook> {
  const catalog = Catalog.openIfThere(state);
  try {
    const made = new Set(
      stages.flatMap(({ stage, options }) =>
        stage.kind === "prepare" ? stage.permissions(options, "run").write ?? [] : []
      ),
    );
    const found = (await Promise.all(stages.map(findingsOf))).flat().map((finding): Finding =>
      finding.state === "missing" && made.has(finding.path) ? { ...finding, state: "new" } : finding
    );
    const findings = found.map((finding) => catalog ? asRemembered(finding, catalog) : finding);
    return { findings, status: statusOf(stages, findings) };
  } finally {
    catalog?.close();
  }
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

async function lookAtDirectory(stage: string, path: string): Promise<Finding[]> {
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
    return isLink
      ? [{ stage, path, state: "blocked", reason: "its link leads nowhere" }]
      : [{ stage, path, state: "new", reason: reasonOf(error) }];
  }
}

/** What there is at least goes on; where nothing of any source is there, the request is wrong. */
function statusOf(stages: readonly PipelineStage[], findings: readonly Finding[]): number {
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
