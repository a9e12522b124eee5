/**
 * Runs in the worker: one stage, one operation a call, one answer each.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import type { Operation, Stage } from "../../stages/contract.ts";
import { BackupError, fromRecord, toRecord } from "../../stages/errors.ts";
import { ChannelReader, ChannelWriter } from "./channel.ts";
import type { Call, FromWorker, ToWorker } from "./protocol.ts";
import { makeTurn } from "./turn.ts";

type Operations = Readonly<Record<string, (context: unknown) => Promise<unknown>>>;

interface Ongoing {
  readonly controller: AbortController;
  readonly reader: ChannelReader | undefined;
  writer?: ChannelWriter;
  /** Bytes that had moved when the last sign of life was given. */
  moved: number;
  /** Readers that were lost before there was a writer. */
  readonly detached: [reader: number, reason: string][];
}

/** Takes the runner's calls for a stage, and gets ready for the operation that comes first. */
export function serve(stage: Stage, first: Operation | undefined): void {
  const operations = stage as unknown as Operations;
  const ongoing = new Map<number, Ongoing>();
  self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === "call") void answer(operations, data.id, data.call, ongoing);
    else if (data.type === "abort") ongoing.get(data.id)?.controller.abort(fromRecord(data.reason));
    else if (data.type === "ping") {
      const active = [...ongoing].flatMap(([id, call]) => isActive(call) ? [id] : []);
      post({ type: "beat", active });
    } else {
      const call = ongoing.get(data.id);
      call?.detached.push([data.reader, data.reason]);
      call?.writer?.detach(data.reader, data.reason);
    }
  });
  // The calls that need what could not be loaded say what is wrong.
  const preparing = Promise.try(() => first && stage.prepare?.(first));
  void Promise.allSettled([preparing]).then(() => post({ type: "ready" }));
}

async function answer(
  operations: Operations,
  id: number,
  { operation, context, input, output, team }: Call,
  ongoing: Map<number, Ongoing>,
): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const reader = input && new ChannelReader(input.port, input.coding, signal);
  const call: Ongoing = { controller, reader, moved: 0, detached: [] };
  ongoing.set(id, call);
  try {
    if (output) {
      call.writer = await ChannelWriter.open(output.ports, output.coding, signal);
      for (const [reader, reason] of call.detached) call.writer.detach(reader, reason);
    }
    const result = await operations[operation]!({
      ...context,
      ...(team && { team }),
      ...(reader && { input: reader }),
      ...(call.writer && { output: call.writer }),
      signal,
      log: (level: "info", message: string) => post({ type: "log", id, level, message }),
      progress: (done: number, total?: number) => post({ type: "progress", id, done, total }),
      alive: () => post({ type: "beat", active: [id] }),
      silence: (milliseconds: number) => post({ type: "silence", id, milliseconds }),
      help: () => post({ type: "help", id }),
    });
    if (reader?.ended === false) {
      throw new BackupError("stream-broken", "Cannot trust the stage: it left a part unread");
    }
    const sent = await call.writer?.finish();
    // What fails aside ends the worker within this turn: an answer must not be ahead of that.
    await takeTurn();
    post({ type: "done", id, result, sent, received: reader?.passed });
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

/** Who waits for a neighbour is not stuck: that neighbour may be, and is watched as well. */
function isActive(call: Ongoing): boolean {
  const { reader, writer, moved } = call;
  call.moved = (reader?.bytes ?? 0) + (writer?.bytes ?? 0);
  return call.moved !== moved || (reader?.isWaiting ?? false) || (writer?.isWaiting ?? false);
}

async function takeTurn(): Promise<void> {
  const turn = makeTurn();
  await turn.take();
  turn.close();
}

function post(message: FromWorker): void {
  self.postMessage(message);
}
