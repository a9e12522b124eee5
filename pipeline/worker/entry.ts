/**
 * Runs in the worker: loads one stage, does one operation a call, answers each once.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { BackupError, fromRecord, toRecord } from "../../stages/errors.ts";
import { stages } from "../../stages/mod.ts";
import { ChannelReader, ChannelWriter } from "./channel.ts";
import type { Call, FromWorker, ToWorker } from "./protocol.ts";

/** Often enough for the runner's patience, rarely enough to cost nothing. */
const BEAT_MS = 1000;

type Operations = Readonly<Record<string, (context: unknown) => Promise<unknown>>>;

interface Ongoing {
  readonly controller: AbortController;
  writer?: ChannelWriter;
  /** Readers that were lost before there was a writer. */
  readonly detached: [reader: number, reason: string][];
}

const ongoing = new Map<number, Ongoing>();
let loading: Promise<Operations> | undefined;

self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "load") {
    loading = load(data.use);
    const { operation } = data;
    const preparing = operation && loading.then((stage) => stage["prepare"]?.(operation));
    // The calls that wait for it say what is wrong.
    void Promise.allSettled([loading, preparing]).then(() => post({ type: "ready" }));
  } else if (data.type === "call") void answer(data.id, data.call);
  else if (data.type === "abort") ongoing.get(data.id)?.controller.abort(fromRecord(data.reason));
  else {
    const call = ongoing.get(data.id);
    call?.detached.push([data.reader, data.reason]);
    call?.writer?.detach(data.reader, data.reason);
  }
});

setInterval(() => post({ type: "beat" }), BEAT_MS);

async function answer(id: number, { operation, context, input, output, team }: Call) {
  const controller = new AbortController();
  const call: Ongoing = { controller, detached: [] };
  ongoing.set(id, call);
  const { signal } = controller;
  const reader = input && new ChannelReader(input.port, input.coding, signal);
  try {
    if (output) {
      call.writer = await ChannelWriter.open(output.ports, output.coding, signal);
      for (const [reader, reason] of call.detached) call.writer.detach(reader, reason);
    }
    const stage = await loading!;
    const result = await stage[operation]!({
      ...context,
      ...(team && { team }),
      ...(reader && { input: reader }),
      ...(call.writer && { output: call.writer }),
      signal,
      log: (level: "info", message: string) => post({ type: "log", id, level, message }),
      progress: (done: number, total?: number) => post({ type: "progress", id, done, total }),
    });
    if (reader?.ended === false) {
      throw new BackupError("stream-broken", "Cannot trust the stage: it left a part unread");
    }
    const sent = await call.writer?.finish();
    post({ type: "done", id, result, sent });
  } catch (thrown) {
    const failure = toRecord(thrown);
    // Neighbours must neither wait for ever nor take what they have for the whole.
    call.writer?.abort(failure.message);
    reader?.abort(failure.message);
    post({ type: "failed", id, failure });
  } finally {
    ongoing.delete(id);
  }
}

/** A stage of the registry, or of a module whose address `use` is: that must be readable. */
async function load(use: string): Promise<Operations> {
  if (use.startsWith("file:")) return (await import(use)).default as Operations;
  const stage = stages[use];
  if (stage === undefined) throw new BackupError("pipeline-invalid", `There is no stage "${use}"`);
  return (await stage()).default as unknown as Operations;
}

function post(message: FromWorker): void {
  self.postMessage(message);
}
