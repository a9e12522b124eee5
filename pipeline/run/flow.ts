/**
 * Bytes on their way from a source through transforms into the spool. Every stream has one writer
 * and any number of readers; a reader that fails takes down what depends on it and nothing else.
 *
 * @module
 */
import type { Codec } from "../../stages/contract.ts";
import { BackupError, messageOf } from "../../stages/errors.ts";
import type { Step } from "../routes.ts";
import { ChannelReader, type Coding, type Passed, PLAIN } from "../worker/channel.ts";
import type { WorkerPool } from "../worker/pool.ts";
import type { Inlet, Outlet } from "../worker/protocol.ts";
import type { Spool, Spooled, Written } from "./spool.ts";

/** One stream: what comes out of the source or of one transform. */
export interface Stream {
  /** Id of the stage that writes it. */
  readonly id: string;
  /** The transform that writes it; `undefined` for the source's. */
  readonly transform: Step["stage"] | undefined;
  /** Ids of the transforms that read it. */
  readonly readers: readonly string[];
  /** Whether a destination needs it as a file. */
  readonly spooled: boolean;
}

/**
 * The streams that some destinations need, the source's first, each after the one it is made from.
 *
 * @param steps All steps of a route.
 * @param wanted Ids of the destinations.
 */
export function streamsFor(
  source: string,
  steps: readonly Step[],
  wanted: ReadonlySet<string>,
): Stream[] {
  const transforms = steps.filter(({ stage }) => stage.stage.kind === "transform");
  const destinations = steps.filter(({ stage }) => wanted.has(stage.id));
  const needed = new Set(destinations.map(({ from }) => from));
  for (const { stage, from } of transforms.toReversed()) {
    if (needed.has(stage.id)) needed.add(from);
  }
  const used = transforms.filter(({ stage }) => needed.has(stage.id));
  const streamOf = (id: string, transform: Step["stage"] | undefined): Stream => ({
    id,
    transform,
    readers: used.filter(({ from }) => from === id).map(({ stage }) => stage.id),
    spooled: destinations.some(({ from }) => from === id),
  });
  return [streamOf(source, undefined), ...used.map(({ stage }) => streamOf(stage.id, stage))];
}

/** The transforms that lead from the source to one stream, first done first. */
export function chainTo(streams: readonly Stream[], id: string): Stream[] {
  const stream = streams.find((candidate) => candidate.id === id)!;
  const above = streams.find(({ readers }) => readers.includes(id));
  return above === undefined ? [stream] : [...chainTo(streams, above.id), stream];
}

/** What writes the first stream. */
export interface Origin {
  /** Writes everything and answers what was sent. */
  send(output: Outlet, signal: AbortSignal): Promise<Passed | undefined>;
  /** Goes on without one reader. */
  detach(reader: number, reason: string): void;
}

/** What a flow runs with. */
export interface FlowContext {
  readonly spool: Spool;
  readonly codec: Codec;
  readonly workers: WorkerPool;
  readonly signal: AbortSignal | undefined;
  readonly onProgress?: (stage: string, done: number, total: number | undefined) => void;
  /** Reads the first stream too, and hinders nobody when it fails. */
  readonly inspect?: ((input: Inlet, signal: AbortSignal) => Promise<void>) | undefined;
}

/** What came of the streams that were to be spooled, by id. */
export type FlowResult = ReadonlyMap<string, PromiseSettledResult<Spooled>>;

/** Runs the streams to their end. Rejects only when the origin fails of itself. */
export async function runFlow(
  origin: Origin,
  streams: readonly Stream[],
  context: FlowContext,
): Promise<FlowResult> {
  const nodes = new Map(streams.map((stream) => [stream.id, new Node(stream, context)]));
  const writers = new Map<string, Promise<Passed | undefined>>();
  const spools = new Map<string, Promise<Written>>();
  for (const node of nodes.values()) {
    const { id, transform, spooled } = node.stream;
    // What is compressed on its way has no hash yet; the rest is hashed where it is made.
    const hashing = node.outlet.coding.codec !== "none";
    if (spooled) spools.set(id, context.spool.write(node.spoolReader(), hashing));
    const writing = transform === undefined
      ? origin.send(node.outlet, node.controller.signal)
      : runTransform(node, nodes, context);
    writers.set(id, writing);
    if (node.inspects) {
      const { inletOfInspector: port, outlet: { coding }, controller: { signal } } = node;
      const inspecting = context.inspect!({ port, coding }, signal);
      inspecting.catch((error) => origin.detach(node.stream.readers.length, messageOf(error)));
    }
    writing.catch((error) => {
      for (const child of node.below(nodes)) child.controller.abort(brokenBy(error));
      node.stopSpooling(brokenBy(error));
      const parent = [...nodes.values()].find(({ stream }) => stream.readers.includes(id));
      if (parent === undefined) return;
      const reader = parent.stream.readers.indexOf(id);
      if (parent.stream.transform === undefined) origin.detach(reader, messageOf(error));
      else context.workers.get(parent.stream.transform).detach(reader, messageOf(error));
    });
  }
  const [written, spooled] = await Promise.all([settle(writers), settle(spools)]);
  for (const node of nodes.values()) node.letGo();
  const first = written.get(streams[0]!.id)!;
  if (first.status === "rejected" && !isBroken(first.reason)) throw first.reason;
  return new Map([...spooled].map(([id, outcome]) => [id, judge(id, outcome, written, streams)]));
}

/** One stream while it runs. */
class Node {
  readonly stream: Stream;
  readonly outlet: Outlet;
  /** Whether somebody looks at it besides its readers. */
  readonly inspects: boolean;
  readonly controller = new AbortController();
  readonly #spoolStop = new AbortController();
  readonly #inlets: readonly MessagePort[];
  readonly #signal: AbortSignal | undefined;

  constructor(stream: Stream, { codec, signal, inspect }: FlowContext) {
    this.stream = stream;
    this.inspects = inspect !== undefined && stream.transform === undefined;
    const channels = Array.from(
      { length: stream.readers.length + (this.inspects ? 1 : 0) + (stream.spooled ? 1 : 0) },
      () => new MessageChannel(),
    );
    const coding: Coding = stream.transform === undefined
      ? { way: "encode", codec }
      : { ...PLAIN, isQuickToo: true };
    this.outlet = { ports: channels.map(({ port1 }) => port1), coding };
    this.#inlets = channels.map(({ port2 }) => port2);
    this.#signal = signal;
    if (signal?.aborted) this.#stop();
    else signal?.addEventListener("abort", this.#stop);
  }

  /** To be called when all is over: a signal outlives many flows. */
  letGo(): void {
    this.#signal?.removeEventListener("abort", this.#stop);
  }

  readonly #stop = () => {
    this.controller.abort(this.#signal!.reason);
    this.stopSpooling(this.#signal!.reason);
  };

  /** The port on which transform `id` reads this stream. */
  inletOf(id: string): MessagePort {
    return this.#inlets[this.stream.readers.indexOf(id)]!;
  }

  /** Comes after the readers. */
  get inletOfInspector(): MessagePort {
    return this.#inlets[this.stream.readers.length]!;
  }

  spoolReader(): ChannelReader {
    return new ChannelReader(this.#inlets.at(-1)!, this.outlet.coding, this.#spoolStop.signal);
  }

  stopSpooling(reason: unknown): void {
    this.#spoolStop.abort(reason);
  }

  /** The streams made from this one. */
  below(nodes: ReadonlyMap<string, Node>): Node[] {
    return this.stream.readers.map((id) => nodes.get(id)!);
  }
}

async function runTransform(
  node: Node,
  nodes: ReadonlyMap<string, Node>,
  { workers, onProgress }: FlowContext,
): Promise<Passed | undefined> {
  const { id, transform } = node.stream;
  const above = [...nodes.values()].find(({ stream }) => stream.readers.includes(id))!;
  const { sent } = await workers.get(transform!, { ahead: "run" }).call(
    {
      operation: "run",
      context: { options: transform!.options, identities: [] },
      input: { port: above.inletOf(id), coding: above.outlet.coding },
      output: node.outlet,
    },
    {
      signal: node.controller.signal,
      onProgress: (done, total) => onProgress?.(id, done, total),
    },
  );
  return sent;
}

/** The true reason, where a stream only failed because something above it did. */
function judge(
  id: string,
  spooled: PromiseSettledResult<Written>,
  written: ReadonlyMap<string, PromiseSettledResult<Passed | undefined>>,
  streams: readonly Stream[],
): PromiseSettledResult<Spooled> {
  const writers = chainTo(streams, id).toReversed().map((stream) => written.get(stream.id)!);
  const reasons = [spooled, ...writers].flatMap((outcome) =>
    outcome.status === "rejected" ? [outcome.reason] : []
  );
  if (reasons.length > 0) {
    return {
      status: "rejected",
      reason: reasons.find((reason) => !isBroken(reason)) ?? reasons[0],
    };
  }
  const { value } = spooled as PromiseFulfilledResult<Written>;
  const { value: sent } = writers[0] as PromiseFulfilledResult<Passed | undefined>;
  const { sha256 } = value;
  if (sha256 !== undefined) return { status: "fulfilled", value: { ...value, sha256 } };
  if (sent?.sha256 !== undefined && sent.bytes === value.size) {
    const { sha256, xxh64 } = sent;
    return { status: "fulfilled", value: { ...value, sha256, ...(xxh64 && { xxh64 }) } };
  }
  const state = `"${id}" sent ${sent?.bytes} bytes, and ${value.size} arrived`;
  const reason = new BackupError("stream-broken", `Cannot trust the spooled archive: ${state}`);
  return { status: "rejected", reason };
}

async function settle<T>(
  promises: ReadonlyMap<string, Promise<T>>,
): Promise<Map<string, PromiseSettledResult<T>>> {
  const outcomes = await Promise.allSettled(promises.values());
  return new Map([...promises.keys()].map((id, index) => [id, outcomes[index]!]));
}

function brokenBy(error: unknown): BackupError {
  const message = `Cannot go on: ${messageOf(error)}`;
  return new BackupError("stream-broken", message, { cause: error });
}

function isBroken(error: unknown): boolean {
  return error instanceof BackupError && error.code === "stream-broken";
}
