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
import { styleFor } from "./ui/style.ts";

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

/** A stage that makes digests. */
interface Digester {
  readonly id: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Makes the digests, and tells what was done. One stage that fails keeps no other from its own. */
export async function digest(values: DigestValues, context: Context): Promise<number> {
  const { terminal } = context;
  const { json } = values;
  const quiet = values.quiet || json;
  const [{ runPrepareStage, stageNamed }, { unreadFailure }, { reporterFor }] = await Promise.all([
    import("../pipeline/alone.ts"),
    import("../pipeline/unread.ts"),
    import("./ui/reporter.ts"),
  ]);
  const digesters = await digestersOf(values);
  using reporter = reporterFor(terminal, { quiet });
  const { listener } = reporter;
  const signal = context.takeSignal();
  const made: { readonly id: string; readonly document: ReturnType<typeof digestJson> }[] = [];
  const failures: unknown[] = [];
  for (const { id, options } of digesters) {
    const { to } = options as { readonly to: string };
    try {
      const result = await runPrepareStage(await stageNamed(STAGE), options, {
        signal,
        onLog: (level, message) => listener({ type: "log", level, stage: id, message }),
        onProgress: (done, total) => listener({ type: "stage-progress", stage: id, done, total }),
      }) as PrepareResult;
      terminal.status("");
      made.push({ id, document: digestJson(result, to) });
      if (!quiet) {
        const { renderDigest } = await import("./ui/digest_view.ts");
        terminal.print(renderDigest(result, to, homeDirectory()).join("\n"));
      }
      const failure = unreadFailure(result);
      if (failure !== undefined && !json) failures.push(failure);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  const [failure, ...others] = failures;
  if (others.length > 0) {
    const { renderFailure } = await import("./ui/errors.ts");
    const style = styleFor(terminal.err);
    terminal.say(others.flatMap((error) => renderFailure(error, style)).join("\n"));
  }
  if (failure !== undefined) throw failure;
  if (!json) return 0;
  const digests = made.map(({ id, document }) => ({ id, ...document }));
  printJson(terminal, digests.length === 1 ? made[0]!.document : { digests });
  return made.some(({ document }) => document.unreadable.length > 0) ? 2 : 0;
}

/** What `digest --json` prints of a stage. */
function digestJson(result: PrepareResult, to: string) {
  return {
    to,
    message: result.message,
    unchanged: result.unchanged ?? false,
    unreadable: result.unreadable ?? [],
    ...result.details as object | undefined,
  };
}

/** The stages that the pipeline has, or else the one by itself, with what the flags say instead. */
async function digestersOf(values: DigestValues): Promise<readonly Digester[]> {
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
  const stages = await pipelineStages(values.config);
  if (stages.length > 1 && (from !== undefined || to !== undefined)) {
    const ids = stages.map(({ id }) => `"${id}"`).join(", ");
    const flag = from === undefined ? "--to" : "--from";
    throw new BackupError(
      "usage",
      `Cannot use "${flag}": there are several digest stages, ${ids}`,
      {
        hint: "Leave it out: each has its own in the pipeline file",
      },
    );
  }
  if (stages.length === 0) return [{ id: STAGE, options: resolved }];
  return stages.map(({ id, options }) => ({ id, options: { ...options, ...own } }));
}

async function pipelineStages(config: string | undefined): Promise<readonly Digester[]> {
  try {
    const { stages } = await openPipeline(config);
    return stages.filter(({ use }) => use === STAGE);
  } catch (error) {
    // A digest takes no pipeline; but one that is named, or is there and wrong, is meant.
    const isAbsent = error instanceof BackupError && error.code === "pipeline-invalid" &&
      error.name !== "FileError";
    if (!isAbsent || config !== undefined) throw error;
    return [];
  }
}
