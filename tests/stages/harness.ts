/**
 * Runs one operation of one stage as a run does: in its own worker, with what its own
 * `permissions()` says and nothing else.
 *
 * @module
 */
import { ok as assert } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { withPrograms } from "../../pipeline/grants.ts";
import { ChannelReader, type Coding, PLAIN, sendAll } from "../../pipeline/worker/channel.ts";
import { equip } from "../../pipeline/worker/equipment.ts";
import { type Answer, type CallOptions, StageWorker } from "../../pipeline/worker/host.ts";
import type { Grants, Operation, Team } from "../../stages/contract.ts";
import { stages } from "../../stages/mod.ts";

/** What to run. */
export interface StageJob {
  readonly use: string;
  readonly operation: Operation;
  /** As a pipeline file writes them, with absolute paths. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** As the stage receives them, in their place. */
  readonly received?: Readonly<Record<string, unknown>>;
  /** What else the operation's context holds. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** On top of what the stage's `permissions()` says. */
  readonly grants?: Grants;
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly inputCoding?: Coding;
  /** Whether the operation writes a stream. */
  readonly output?: boolean;
  readonly outputCoding?: Coding;
  readonly team?: Team;
  /** For a destination that keeps a folder. */
  readonly folder?: string;
  readonly call?: CallOptions;
  /** Workers to use again, by what they are granted; whoever made it closes them. */
  readonly pool?: Map<string, StageWorker>;
}

/** What came of it. */
export interface StageOutcome<T> extends Answer<T> {
  /** All that the stage wrote. */
  readonly output: Uint8Array<ArrayBuffer>;
}

const CHILD = fileURLToPath(new URL("./stage_child.ts", import.meta.url));

/** The words that run the job in a process of its own, which prints `{ result }` or `{ failure }`. */
export function childFor(job: StageJob): [program: string, ...args: string[]] {
  return [Deno.execPath(), "run", "-A", "--quiet", "--cached-only", CHILD, JSON.stringify(job)];
}

/** Runs the job to its end; rejects with what the stage raised. */
export async function runStage<T>(job: StageJob): Promise<StageOutcome<T>> {
  const load = stages[job.use];
  assert(load, job.use);
  const { default: stage } = await load();
  const options = job.received ?? v.parse(stage.options, job.options ?? {});
  const least = withPrograms(stage.permissions(options, job.operation));
  const folder = job.folder === undefined ? [] : [job.folder];
  const grants: Grants = {
    ...least,
    read: [...least.read ?? [], ...job.grants?.read ?? [], ...folder],
    write: [...least.write ?? [], ...job.grants?.write ?? [], ...folder],
  };
  const given = equip({ stage, options }, job.folder);
  using own = new DisposableStack();
  const worker = job.pool === undefined
    ? own.use(new StageWorker(job.use, grants, { given }))
    : workerFrom(job.pool, job.use, grants, given);
  const stop = new AbortController();
  const up = new MessageChannel();
  const down = new MessageChannel();
  const feeding = job.input && sendAll(job.input, [up.port1], PLAIN, stop.signal);
  const output = job.output ? collect(down.port1, job.outputCoding ?? PLAIN, stop.signal) : [];
  // Waited for below; a stage that fails ends them first.
  void Promise.allSettled([feeding, output]);
  try {
    const answer = await worker.call<T>({
      operation: job.operation,
      context: { options, ...job.context },
      ...(job.input && { input: { port: up.port2, coding: job.inputCoding ?? PLAIN } }),
      ...(job.output && {
        output: { ports: [down.port2], coding: job.outputCoding ?? PLAIN },
      }),
      ...(job.team && { team: job.team }),
    }, job.call);
    await feeding;
    const parts = await output;
    return { ...answer, output: new Uint8Array(await new Blob(parts).arrayBuffer()) };
  } finally {
    stop.abort(new Error("the test is over"));
    await Promise.allSettled([feeding, output]);
    for (const { port1, port2 } of [up, down]) {
      port1.close();
      port2.close();
    }
  }
}

function workerFrom(
  pool: Map<string, StageWorker>,
  use: string,
  grants: Grants,
  given: ReturnType<typeof equip>,
): StageWorker {
  const key = `${use} ${JSON.stringify(grants)}`;
  const there = pool.get(key);
  if (there?.isAlive) return there;
  const worker = new StageWorker(use, grants, { given });
  pool.set(key, worker);
  return worker;
}

async function collect(
  port: MessagePort,
  coding: Coding,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of new ChannelReader(port, coding, signal)) parts.push(bytes.slice());
  return parts;
}
