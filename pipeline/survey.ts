/**
 * What the snapshots of a pipeline would hold now, and what they would leave out, counted.
 *
 * @module
 */
import type { SurveyResult } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { ownPlaces, runGrants } from "./grants.ts";
import { isSealed, routesOf } from "./routes.ts";
import { StageWorker } from "./worker/host.ts";

/** One source, counted. */
export interface Survey extends Omit<SurveyResult, "skipped"> {
  /** Id of the stage. */
  readonly stage: string;
  /** How many paths would be left out, by reason; the most first. */
  readonly leftOut: readonly { readonly reason: string; readonly count: number }[];
}

/** Counts what each source would hold, by names and sizes. Those that cannot be read are left out. */
export async function surveySources({ stages, state }: Pipeline): Promise<Survey[]> {
  const avoid = ownPlaces(stages, state);
  const surveys = await Promise.all(
    routesOf(stages).map(async (route) => {
      const { source } = route;
      const told = await ask(source, { options: source.options, avoid, sealed: isSealed(route) });
      if (told === undefined) return [];
      const { skipped, ...counts } = told;
      const leftOut = [...Map.groupBy(skipped, ({ reason }) => reason)]
        .map(([reason, paths]) => ({ reason, count: paths.length }))
        .toSorted((a, b) => b.count - a.count);
      return [{ stage: source.id, ...counts, leftOut }];
    }),
  );
  return surveys.flat();

  async function ask(
    source: PipelineStage,
    context: Readonly<Record<string, unknown>>,
  ): Promise<SurveyResult | undefined> {
    if (source.stage.kind !== "source" || source.stage.survey === undefined) return undefined;
    using worker = new StageWorker(source.use, runGrants(source, state), { operation: "survey" });
    try {
      return (await worker.call<SurveyResult>({ operation: "survey", context })).result;
    } catch (error) {
      // What is not there, or cannot be read, has been told of already.
      if (error instanceof BackupError && error.code.startsWith("source-")) return undefined;
      throw error;
    }
  }
}
