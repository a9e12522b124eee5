/**
 * What `digest` does.
 *
 * @module
 */
import type { PrepareResult } from "../pipeline/alone.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Context } from "./command.ts";
import { homeDirectory } from "./home.ts";
import { printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";

/** What the words of `digest` say. */
export interface DigestValues {
  readonly days: number | undefined;
  readonly all: boolean;
  readonly maxSize: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
}

const STAGE = "digest";

/** Makes the digests, and tells what was done. */
export async function digest(values: DigestValues, { terminal, signal }: Context): Promise<number> {
  const { json } = values;
  const quiet = values.quiet || json;
  const [{ runPrepareStage, stageNamed }, { unreadFailure }, { reporterFor }] = await Promise.all([
    import("../pipeline/alone.ts"),
    import("../pipeline/unread.ts"),
    import("./ui/reporter.ts"),
  ]);
  const options = await optionsOf(values);
  using reporter = reporterFor(terminal, { quiet });
  const { listener } = reporter;
  const result = await runPrepareStage(await stageNamed(STAGE), options, {
    signal,
    onLog: (level, message) => listener({ type: "log", level, stage: STAGE, message }),
    onProgress: (done, total) => listener({ type: "stage-progress", stage: STAGE, done, total }),
  }) as PrepareResult;
  terminal.status("");
  const { to } = options as { readonly to: string };
  if (json) {
    printJson(terminal, {
      to,
      message: result.message,
      unchanged: result.unchanged ?? false,
      unreadable: result.unreadable ?? [],
      ...result.details as object | undefined,
    });
  } else if (!quiet) {
    const { renderDigest } = await import("./ui/digest_view.ts");
    terminal.print(renderDigest(result, to, homeDirectory()).join("\n"));
  }
  const failure = unreadFailure(result);
  if (failure !== undefined && !json) throw failure;
  return failure === undefined ? 0 : 2;
}

/** What the pipeline says, if it has such a stage, and what the flags say instead. */
async function optionsOf(values: DigestValues): Promise<Readonly<Record<string, unknown>>> {
  const { resolveOptions, stageNamed } = await import("../pipeline/alone.ts");
  const { days, all, maxSize, from, to } = values;
  if (days !== undefined && all) {
    throw new BackupError("usage", 'Cannot use "--days" with "--all": it is some or all', {
      hint: "Leave out one of them",
    });
  }
  const given = {
    ...(days !== undefined && { days, all: false }),
    ...(all && { all }),
    ...(maxSize !== undefined && { max_size: maxSize }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const surroundings = { environment: Deno.env.toObject(), home: homeDirectory() };
  const resolved = await resolveOptions(await stageNamed(STAGE), given, {
    cwd: Deno.cwd(),
    ...surroundings,
  });
  const own = Object.fromEntries(Object.keys(given).map((key) => [key, resolved[key]]));
  return { ...await pipelineOptions(values.config) ?? resolved, ...own };
}

async function pipelineOptions(
  config: string | undefined,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const { stages } = await openPipeline(config);
    return stages.find(({ use }) => use === STAGE)?.options;
  } catch (error) {
    // A digest takes no pipeline; but one that is named, or is there and wrong, is meant.
    const isAbsent = error instanceof BackupError && error.code === "pipeline-invalid" &&
      error.name !== "FileError";
    if (!isAbsent || config !== undefined) throw error;
  }
}
