/** Stages whose workers fail in every way there is: a failure with a code, and nothing published. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Stage } from "../../stages/contract.ts";
import hashGate from "../../stages/hash_gate.ts";
import local from "../../stages/local.ts";
import snapshot from "../../stages/snapshot.ts";
import type { Pipeline, PipelineStage } from "../../pipeline/config/pipeline.ts";
import { runFlow, type Stream } from "../../pipeline/flow.ts";
import { runGrants } from "../../pipeline/grants.ts";
import { SnapshotReader } from "../../pipeline/reader.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { Spool } from "../../pipeline/spool.ts";
import { ChannelReader, ChannelWriter, PLAIN } from "../../pipeline/worker/channel.ts";
import { StageWorker } from "../../pipeline/worker/host.ts";
import { WorkerPool } from "../../pipeline/worker_pool.ts";
import { filesIn, rejection, Sandbox } from "./harness.ts";
import type { Manner } from "./stages/unruly.ts";
import unrulyDestination, { LIES } from "./stages/unruly_destination.ts";
import unrulyGate from "./stages/unruly_gate.ts";
import unrulySource from "./stages/unruly_source.ts";
import unrulyTransform from "./stages/unruly_transform.ts";

/** Milliseconds: enough for a worker to start on a busy machine. */
const PATIENCE = 4000;

const SILENT = /gave no sign of life/;

const ENDINGS: Readonly<Record<Exclude<Manner, "none">, readonly [code: string, says: RegExp]>> = {
  "throws": ["bug", /Nobody had thought of this/],
  "throws aside": ["worker-died", /Nobody had thought of this/],
  "closes itself": ["worker-died", SILENT],
  "exits": ["worker-died", SILENT],
  "blocks": ["worker-died", SILENT],
  "waits for ever": ["timed-out", /took longer than 1 s/],
  "stops reading": ["stream-broken", /left a part unread/],
  "reads nothing": ["stream-broken", /left a part unread/],
};

together("a call fails with a code", ENDINGS, "when its worker", async (manner, [code, says]) => {
  const { use, options, stage } = stageOf("unruly_transform.ts", unrulyTransform, { manner });
  using worker = new StageWorker(use, stage.permissions(options, "run"), PATIENCE);
  const stop = new AbortController();
  const [up, down] = [new MessageChannel(), new MessageChannel()];
  const neighbours = Promise.allSettled(
    [feed(up.port1, stop.signal), drain(down.port2, stop.signal)],
  );
  const call = worker.call({
    operation: "run",
    context: { options },
    input: { port: up.port2, coding: PLAIN },
    output: { ports: [down.port1], coding: PLAIN },
  }, manner === "waits for ever" ? { timeout: 1000 } : {});
  const error = await call.then(() => assert.fail("It did not fail"), (error) => error);
  assert.equal(error.code ?? "bug", code);
  assert.match(error.message, says);
  stop.abort(error);
  for (const { status } of await neighbours) assert.equal(status, "rejected");
  if (code === "worker-died") await assert.rejects(worker.call({ operation: "run", context: {} }));
});

const PATIENT = {
  "that works is not taken for dead, however long it takes": async () => {
    const manner = "waits for ever";
    const { use, options, stage } = stageOf("unruly_source.ts", unrulySource, { manner });
    using worker = new StageWorker(use, stage.permissions(options, "run"), PATIENCE);
    const timeout = PATIENCE * 1.5;
    const call = worker.call({ operation: "scan", context: { options } }, { timeout });
    assert.equal((await rejection(call)).code, "timed-out");
  },
  "that takes no notice of an abort is ended": async () => {
    const { use, options, stage } = stageOf("unruly_gate.ts", unrulyGate, { manner: "blocks" });
    using worker = new StageWorker(use, stage.permissions(options, "run"), 60_000);
    const controller = new AbortController();
    const { signal } = controller;
    const call = worker.call({ operation: "run", context: { options } }, { signal });
    const reason = new Error("The user had enough");
    controller.abort(reason);
    await assert.rejects(call, reason);
  },
};

together("a worker", PATIENT, "", (_, attempt) => attempt());

const SILENCES = { "closes itself": 0, "blocks": 0 };

together("a stream fails, and no other one,", SILENCES, "when its transform", async (manner) => {
  using place = new Folder();
  const spool = await Spool.open(join(place.path, "spool"));
  using workers = new ImpatientPool(place.path);
  const good = stageOf("unruly_transform.ts", unrulyTransform, { manner: "none" }, "good");
  const bad = stageOf("unruly_transform.ts", unrulyTransform, { manner }, "bad");
  const stream = (id: string, transform: PipelineStage | undefined): Stream => ({
    id,
    transform,
    readers: transform === undefined ? ["bad", "good"] : [],
    spooled: transform !== undefined,
  });
  const streams = [stream("source", undefined), stream("bad", bad), stream("good", good)];
  let writer: ChannelWriter | undefined;
  const origin = {
    async send(output: { readonly ports: readonly MessagePort[] }, signal: AbortSignal) {
      writer = await ChannelWriter.open(output.ports, PLAIN, signal);
      return await pour(writer);
    },
    detach: (reader: number, reason: string) => writer!.detach(reader, reason),
  };
  const context = { spool, workers, signal: undefined, codec: "none" as const };
  const outcomes = await runFlow(origin, streams, context);
  const [badly, well] = [outcomes.get("bad")!, outcomes.get("good")!];
  assert.equal(badly.status, "rejected");
  assert.equal(badly.reason.code, "worker-died");
  assert.equal(well.status, "fulfilled");
  assert.equal(well.value.size, AMOUNT);
  assert.deepEqual([...filesIn(join(place.path, "spool")).keys()], [well.value.path.slice(-1)]);
});

together("all streams fail and leave nothing", SILENCES, "when the source", async (manner) => {
  using place = new Folder();
  const spool = await Spool.open(join(place.path, "spool"));
  using workers = new ImpatientPool(place.path);
  const source = stageOf("unruly_source.ts", unrulySource, { manner });
  const good = stageOf("unruly_transform.ts", unrulyTransform, { manner: "none" }, "good");
  const worker = workers.get(source);
  const origin = {
    async send(output: Parameters<Parameters<typeof runFlow>[0]["send"]>[0]) {
      const context = { options: source.options };
      return (await worker.call({ operation: "run", context, output })).sent;
    },
    detach: (reader: number, reason: string) => worker.detach(reader, reason),
  };
  const streams: Stream[] = [
    { id: "source", transform: undefined, readers: ["good"], spooled: true },
    { id: "good", transform: good, readers: [], spooled: true },
  ];
  const context = { spool, workers, signal: undefined, codec: "none" as const };
  assert.equal((await rejection(runFlow(origin, streams, context))).code, "worker-died");
  assert.deepEqual([...filesIn(join(place.path, "spool")).keys()], []);
});

for (const manner of ["throws", "throws aside", "stops reading", "reads nothing"] as const) {
  Deno.test(`a run delivers what does not depend on a transform that ${manner}`, async () => {
    using sandbox = await Sandbox.make();
    const bad = stageOf("unruly_transform.ts", unrulyTransform, { manner }, "bad");
    const pipeline = pipelineOf(sandbox, [
      destinationOf(sandbox, "plain"),
      bad,
      destinationOf(sandbox, "behind"),
    ]);
    const report = await runPipeline(pipeline);
    assert.equal(report.status, 2);
    const [plain, behind] = report.snapshots[0]!.destinations;
    assert.equal(plain?.status, "ok");
    assert.equal(behind?.status, "failed");
    assert.equal(behind.failure?.code, ENDINGS[manner][0]);
    assert.match(behind.message, ENDINGS[manner][1]);
    assert.equal(filesIn(sandbox.destination("plain")).size, 2);
    assert.equal(filesIn(sandbox.destination("behind")).size, 0);
    assert.equal(filesIn(join(sandbox.state, "spool")).size, 0);
  });
}

Deno.test("a run tells of a destination that fails in the middle, and stores at the others", async () => {
  using sandbox = await Sandbox.make();
  const pipeline = pipelineOf(sandbox, [
    destinationOf(sandbox, "first"),
    stageOf("unruly_destination.ts", unrulyDestination, {
      path: sandbox.folder + "/elsewhere",
      manner: "throws aside",
      lie: "none",
    }, "second"),
  ]);
  Deno.mkdirSync(join(sandbox.folder, "elsewhere"));
  const report = await runPipeline(pipeline);
  assert.equal(report.status, 2);
  assert.deepEqual(report.snapshots[0]!.destinations.map(({ status }) => status), ["ok", "failed"]);
  assert.equal(report.snapshots[0]!.destinations[1]!.failure?.code, "worker-died");
  const again = await runPipeline(pipeline);
  const statuses = again.snapshots[0]!.destinations.map(({ status }) => status);
  assert.deepEqual(statuses, ["unchanged", "failed"]);
});

for (const manner of ["throws aside", "throws"] as const) {
  Deno.test(`a run fails when its gate ${manner}, and the next one succeeds`, async () => {
    using sandbox = await Sandbox.make();
    const gate = stageOf("unruly_gate.ts", unrulyGate, { manner }, "gate");
    const bad = pipelineOf(sandbox, [gate, destinationOf(sandbox, "plain")]);
    const outcome = await runPipeline(bad).then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    assert.ok(outcome === 2 || outcome === "Nobody had thought of this", String(outcome));
    assert.equal(filesIn(sandbox.destination("plain")).size, 0);
    const good = { ...gate, use: "hash-gate", stage: hashGate as unknown as Stage };
    const after = await runPipeline(pipelineOf(sandbox, [good, destinationOf(sandbox, "plain")]));
    assert.equal(after.status, 0);
  });
}

for (const lie of LIES.slice(1)) {
  Deno.test(`what a destination sends back with ${lie} is taken for damaged`, async () => {
    using sandbox = await Sandbox.make(undefined, { "a.txt": "content" });
    await sandbox.backUp();
    const options = { path: sandbox.destination(), manner: "none", lie };
    const { use, stage } = stageOf("unruly_destination.ts", unrulyDestination, options);
    assert.ok(stage.kind === "destination");
    const place = { id: "liar", use, stage, options, location: "" };
    const honest = { ...place, options: { ...options, lie: "none" } };
    const reading = { identities: [sandbox.identity], signal: undefined };
    using reader = new SnapshotReader(place, reading);
    using other = new SnapshotReader(honest, reading);
    const [held] = await reader.list();
    assert.equal((await rejection(reader.manifest(held!))).code, "snapshot-damaged");
    const manifest = await other.manifest(held!);
    const nowhere = { into: undefined, wanted: undefined };
    await other.unpack(held!, manifest, nowhere);
    const failure = await rejection(reader.unpack(held!, manifest, nowhere));
    assert.equal(failure.code, "snapshot-damaged");
  });
}

/** A test with a step for every case, all at once: most of the time is spent with waiting. */
function together<T>(
  what: string,
  cases: Readonly<Record<string, T>>,
  when: string,
  attempt: (name: string, value: T) => Promise<void>,
): void {
  const [first, ...others] = Object.keys(cases);
  const name = others.length === 0 ? first : "…";
  Deno.test(`${what} ${when} ${name}`.replaceAll("  ", " "), async (test) => {
    await Promise.all(
      Object.entries(cases).map(([name, value]) =>
        test.step({
          name: `${what} ${when} ${name}`.replaceAll("  ", " "),
          fn: () => attempt(name, value),
          sanitizeOps: false,
          sanitizeResources: false,
          sanitizeExit: false,
        })
      ),
    );
  });
}

/** A stage of this folder, as a pipeline holds it. */
function stageOf(
  module: string,
  stage: unknown,
  options: Readonly<Record<string, unknown>>,
  id = "unruly",
): PipelineStage {
  const use = new URL(`./stages/${module}`, import.meta.url).href;
  return { ...PLAIN_STAGE, id, use, stage: stage as Stage, options };
}

const PLAIN_STAGE = { at: "", only: undefined, input: undefined, plaintext: true } as const;

function destinationOf(sandbox: Sandbox, id: string): PipelineStage {
  const options = { path: sandbox.destination(id) };
  return { ...PLAIN_STAGE, id, use: "local", stage: local as unknown as Stage, options };
}

/** The sandbox's tree, and then these stages. */
function pipelineOf(sandbox: Sandbox, stages: readonly PipelineStage[]): Pipeline {
  const options = {
    paths: [sandbox.tree],
    exclude: [],
    compress: "zstd",
    include_secrets: false,
    include_caches: false,
  };
  const source = { ...PLAIN_STAGE, id: "m", use: "snapshot", options };
  return {
    ...sandbox.pipeline,
    stages: [{ ...source, stage: snapshot as unknown as Stage }, ...stages],
  };
}

/** Takes workers for dead sooner. */
class ImpatientPool extends WorkerPool {
  readonly #workers = new Map<string, StageWorker>();
  readonly #state: string;

  constructor(state: string) {
    super(state);
    this.#state = state;
  }

  override get(stage: PipelineStage): StageWorker {
    const worker = this.#workers.get(stage.id) ??
      new StageWorker(stage.use, runGrants(stage, this.#state), PATIENCE);
    this.#workers.set(stage.id, worker);
    return worker;
  }

  override [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.close();
    super[Symbol.dispose]();
  }
}

class Folder implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-faults-" }));

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** More than is under way between two stages at any time. */
const AMOUNT = 20 << 20;

async function pour(writer: ChannelWriter) {
  for (let sent = 0; sent < AMOUNT; sent += 1 << 20) await writer.write(new Uint8Array(1 << 20));
  return await writer.finish();
}

async function feed(port: MessagePort, signal: AbortSignal): Promise<void> {
  await pour(await ChannelWriter.open([port], PLAIN, signal));
}

async function drain(port: MessagePort, signal: AbortSignal): Promise<void> {
  const reader = new ChannelReader(port, PLAIN, signal);
  for await (const bytes of reader) assert.ok(bytes.length > 0);
}
