/**
 * Runs one stage by itself, in its worker, without a pipeline around it.
 *
 * @module
 */
import { join } from "node:path";
import type { PrepareResult, Stage, StoredFile } from "../stages/contract.ts";
import { BackupError } from "../stages/errors.ts";
import { stages } from "../stages/mod.ts";
import type { Surroundings } from "./config/expand.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import { sayPath } from "./config/problems.ts";
import { resolvePipeline } from "./config/resolve.ts";
import { validatePipeline } from "./config/validate.ts";
import { folderOf, prepareGrants, runGrants, sourceDirectory } from "./grants.ts";
import { runPrepare } from "./run/preparing.ts";
import { unreadFailure } from "./unread.ts";
import { ChannelReader, PLAIN, sendAll } from "./worker/channel.ts";
import { equip } from "./worker/equipment.ts";
import { type CallOptions, StageWorker } from "./worker/host.ts";

export type { PrepareResult, Stage } from "../stages/contract.ts";

/** What a stage alone works with. */
export interface AloneContext extends Surroundings {
  /** What relative paths are relative to. */
  readonly cwd: string;
  readonly input: ReadableStream<Uint8Array>;
  readonly output: WritableStream<Uint8Array>;
  readonly signal: AbortSignal;
  readonly say: (message: string) => void;
}

/**
 * Does a stage's work once: a source writes its archive, a transform turns input into output, a
 * destination lists what it holds.
 *
 * @param table The options, as a pipeline file holds them.
 * @returns Lines for a person to read, and what a destination holds.
 * @throws {BackupError} `usage` for options that are wrong; what the stage raises.
 */
export async function runStageAlone(
  stage: Stage,
  table: Readonly<Record<string, unknown>>,
  context: AloneContext,
): Promise<{ readonly lines: readonly string[]; readonly files?: readonly StoredFile[] }> {
  const options = await resolveOptions(stage, table, context);
  const { signal, say } = context;
  const call = { signal, onLog: (_: string, message: string) => say(message) };
  if (stage.kind === "prepare") {
    const result = await runPrepareStage(stage, options, call);
    const unread = unreadFailure(result);
    if (unread !== undefined) throw unread;
    return { lines: result === undefined ? [] : [result.message] };
  }
  const inPipeline: PipelineStage = {
    id: stage.name,
    use: stage.name,
    at: stage.name,
    stage,
    options,
    only: undefined,
    input: undefined,
    plaintext: true,
  };
  const writes = stage.kind === "source" && stage.needsDirectory?.(options) === true;
  // Without a pipeline there is no state.
  await using room = writes ? await Room.make(stage.name) : undefined;
  const state = room?.state ?? join(context.cwd, "state");
  const given = equip(inPipeline, folderOf(inPipeline, state));
  using worker = new StageWorker(stage.name, runGrants(inPipeline, state), { given });
  if (stage.kind === "destination") {
    const { result } = await worker.call<readonly StoredFile[]>(
      { operation: "list", context: { options } },
      call,
    );
    return { lines: [], files: result };
  }
  const [up, down] = [new MessageChannel(), new MessageChannel()];
  const codec = stage.kind === "source" ? stage.codec(options) : "none";
  const coding = { way: "encode", codec } as const;
  const feeding = stage.kind === "transform" && sendAll(context.input, [up.port1], PLAIN, signal);
  const draining = drain(new ChannelReader(down.port2, coding, signal), context.output);
  const [{ result }] = await Promise.all([
    worker.call<{ readonly unreadable?: readonly { path: string; reason: string }[] }>({
      operation: "run",
      context: { options, identities: [], ...(room && { directory: room.directory }) },
      ...(stage.kind === "transform" && { input: { port: up.port2, coding: PLAIN } }),
      output: { ports: [down.port1], coding },
    }, call),
    feeding,
    draining,
  ]);
  for (const { path, reason } of result?.unreadable ?? []) {
    say(`Not in the archive: ${path}: ${reason}`);
  }
  return { lines: [] };
}

/** A directory for what a source must write, which goes away with its user. */
class Room implements AsyncDisposable {
  readonly state: string;
  readonly directory: string;

  private constructor(state: string, id: string) {
    this.state = state;
    this.directory = sourceDirectory(state, id);
  }

  static async make(id: string): Promise<Room> {
    const room = new Room(await Deno.makeTempDir({ prefix: "keepsake-" }), id);
    await Deno.mkdir(room.directory, { recursive: true, mode: 0o700 });
    return room;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.state, { recursive: true });
  }
}

/**
 * Has a prepare stage do its work, without a pipeline around it.
 *
 * @param options As the stage receives them.
 * @throws {BackupError} What the stage raises.
 */
export async function runPrepareStage(
  stage: Stage,
  options: Readonly<Record<string, unknown>>,
  call: CallOptions,
): Promise<PrepareResult | void> {
  using workers = new DisposableStack();
  const grants = prepareGrants(stage, options);
  const workerFor = () => workers.use(new StageWorker(stage.name, grants, { operation: "run" }));
  return await runPrepare(stage, { options, workerFor }, call);
}

/** The stage of that name. */
export async function stageNamed(use: string): Promise<Stage> {
  const load = stages[use];
  if (load === undefined) throw new TypeError(`Cannot load stage "${use}": there is none`);
  return (await load()).default;
}

/**
 * Options as a stage receives them.
 *
 * @param table The options, as a pipeline file holds them.
 * @throws {BackupError} `usage` for options that are wrong.
 */
export async function resolveOptions(
  stage: Stage,
  table: Readonly<Record<string, unknown>>,
  context: Surroundings & { readonly cwd: string },
): Promise<Readonly<Record<string, unknown>>> {
  const file = join(context.cwd, stage.name);
  const registry = { [stage.name]: () => Promise.resolve({ default: stage }) };
  const draft = await validatePipeline({ stage: [{ use: stage.name, ...table }] }, registry);
  const { stages: resolved, findings } = await resolvePipeline(draft, file, context);
  const all = [...draft.findings, ...findings].filter(({ path }) => path[0] === "stage");
  if (all.length === 0) return resolved[0]!.options;
  const told = all.map(({ path, message }) => `${sayPath(path.slice(2))}: ${message}`);
  // What the file itself has wrong is told how to write in a file, and these are flags.
  const hints = new Set(all.map((one) => findings.includes(one) ? one.hint : undefined));
  const [hint = "See its options with --help"] = hints.size === 1 ? hints : [];
  throw new BackupError("usage", `Cannot run "${stage.name}": ${told.join("; ")}`, { hint });
}

async function drain(
  source: AsyncIterable<Uint8Array>,
  output: WritableStream<Uint8Array>,
): Promise<void> {
  const writer = output.getWriter();
  // Copied: the memory of a piece is used again once the next is asked for.
  for await (const bytes of source) await writer.write(bytes.slice());
  await writer.close();
}
