/** Stages whose workers fail in every way there is: a failure with a code, and nothing published. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import type { Pipeline, PipelineStage } from "../../pipeline/config/pipeline.ts";
import { runGrants } from "../../pipeline/grants.ts";
import { prunePipeline } from "../../pipeline/prune.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { type FlowContext, type Origin, runFlow, type Stream } from "../../pipeline/run/flow.ts";
import { runPrepare } from "../../pipeline/run/preparing.ts";
import { Spool } from "../../pipeline/run/spool.ts";
import { ChannelReader, ChannelWriter, PLAIN } from "../../pipeline/worker/channel.ts";
import { StageWorker } from "../../pipeline/worker/host.ts";
import { WorkerPool } from "../../pipeline/worker/pool.ts";
import type { Stage } from "../../stages/contract.ts";
import hashGate from "../../stages/hash_gate.ts";
import local from "../../stages/local.ts";
import snapshot from "../../stages/snapshot.ts";
import { within } from "../platform/probe.ts";
import { filesIn, Look, rejection, Sandbox, together } from "./harness.ts";
import type { Late, Manner } from "./stages/unruly.ts";
import unrulyDestination, { LIES } from "./stages/unruly_destination.ts";
import unrulyGate from "./stages/unruly_gate.ts";
import unrulyPrepare from "./stages/unruly_prepare.ts";
import unrulySource from "./stages/unruly_source.ts";
import unrulyTransform from "./stages/unruly_transform.ts";

/** Milliseconds: enough for a worker to start on a busy machine. */
const PATIENCE = 4000;

/** Milliseconds: longer than from one sign of life to the next. */
const STALL = 2000;

const SILENT = /gave no sign of life/;

const ENDINGS: Readonly<
  Record<Exclude<Manner, "none" | Late>, readonly [code: string, says: RegExp]>
> = {
  "throws": ["bug", /Nobody had thought of this/],
  "throws aside": ["worker-died", /Nobody had thought of this/],
  "closes itself": ["worker-died", SILENT],
  "exits": ["worker-died", SILENT],
  "blocks": ["worker-died", SILENT],
  "waits for ever": ["timed-out", /made no progress for 1 s/],
  "stops reading": ["stream-broken", /left a part unread/],
  "reads nothing": ["stream-broken", /left a part unread/],
};

const manners = Object.keys(ENDINGS) as (keyof typeof ENDINGS)[];

together("a worker that fails or falls silent ends what it was to do, and no more", {
  ...casesOf(manners, (manner) => [`a call ends when its worker ${manner}`, endCall]),
  ...casesOf(["closes itself", "blocks"], (manner) => [
    `a stream fails, and no other one, when its transform ${manner}`,
    failStream,
  ]),
  ...casesOf(["closes itself", "blocks"], (manner) => [
    `all streams fail and leave nothing when their source ${manner}`,
    failSource,
  ]),

  ...casesOf(["throws", "throws aside", "closes itself", "blocks"], (manner) => [
    `a prepare stage fails when its helper ${manner}`,
    failHelped,
  ]),

  async "a prepare stage has the help that it asks for"() {
    assert.equal((await runHelped("none"))?.message, "had help");
  },

  async "a worker that works is not taken for dead, however long it takes"() {
    const manner = "waits for ever";
    const { use, options, stage } = stageOf("unruly_source.ts", unrulySource, { manner });
    using worker = new StageWorker(use, stage.permissions(options, "run"), { patience: PATIENCE });
    const stall = PATIENCE * 1.5;
    const call = worker.call({ operation: "scan", context: { options } }, { stall });
    assert.equal((await rejection(call)).code, "timed-out");
  },

  async "a stage that waits for its neighbours, or reports, is not taken for stuck"() {
    for (const manner of ["none", "reports"] as const) {
      const { use, options, stage } = stageOf("unruly_transform.ts", unrulyTransform, { manner });
      using worker = new StageWorker(use, stage.permissions(options, "run"));
      const stop = new AbortController();
      const [up, down] = [new MessageChannel(), new MessageChannel()];
      const writer = await ChannelWriter.open([up.port1], PLAIN, stop.signal);
      const draining = drain(down.port2, stop.signal);
      const calling = worker.call({
        operation: "run",
        context: { options },
        input: { port: up.port2, coding: PLAIN },
        output: { ports: [down.port1], coding: PLAIN },
      }, { stall: STALL });
      // Another one that is stuck, and ended: so long has it been.
      await endStuck();
      const told = new BroadcastChannel("unruly");
      told.postMessage("go on");
      await pour(writer);
      assert.equal((await calling).sent?.bytes, AMOUNT);
      await draining;
      told.close();
    }
  },

  async "a worker that takes no notice of an abort is ended"() {
    const { use, options, stage } = stageOf("unruly_gate.ts", unrulyGate, { manner: "blocks" });
    using worker = new StageWorker(use, stage.permissions(options, "run"), { patience: 60_000 });
    const controller = new AbortController();
    const { signal } = controller;
    const call = worker.call({ operation: "run", context: { options } }, { signal });
    const reason = new Error("The user had enough");
    controller.abort(reason);
    await assert.rejects(call, reason);
  },
});

/** Waits until a stage was found to be stuck, for longer than others may be. */
async function endStuck(): Promise<void> {
  const options = { manner: "waits for ever" };
  const { use, stage } = stageOf("unruly_gate.ts", unrulyGate, options);
  using worker = new StageWorker(use, stage.permissions(options, "run"));
  const call = worker.call({ operation: "run", context: { options } }, { stall: STALL * 1.5 });
  assert.equal((await rejection(call)).code, "timed-out");
}

async function failHelped(manner: Exclude<Manner, "none" | Late>): Promise<void> {
  await assert.rejects(runHelped(manner), ENDINGS[manner][1]);
}

async function runHelped(manner: Manner) {
  const { use, options, stage } = stageOf("unruly_prepare.ts", unrulyPrepare, { manner });
  using workers = new DisposableStack();
  const workerFor = () => {
    const grants = stage.permissions(options, "run");
    return workers.use(new StageWorker(use, grants, { patience: PATIENCE }));
  };
  return await runPrepare(stage, { options, workerFor }, {});
}

async function endCall(manner: Exclude<Manner, "none" | Late>): Promise<void> {
  const [code, says] = ENDINGS[manner];
  const { use, options, stage } = stageOf("unruly_transform.ts", unrulyTransform, { manner });
  using worker = new StageWorker(use, stage.permissions(options, "run"), { patience: PATIENCE });
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
  }, manner === "waits for ever" ? { stall: 1000 } : {});
  const error = await call.then(() => assert.fail("It did not fail"), (error) => error);
  assert.equal(error.code ?? "bug", code);
  assert.match(error.message, says);
  stop.abort(error);
  for (const { status } of await neighbours) assert.equal(status, "rejected");
  if (code === "worker-died") await assert.rejects(worker.call({ operation: "run", context: {} }));
}

async function failStream(manner: Manner): Promise<void> {
  using place = new Folder();
  using workers = new ImpatientPool(place.path);
  const good = stageOf("unruly_transform.ts", unrulyTransform, { manner: "none" }, "good");
  const bad = stageOf("unruly_transform.ts", unrulyTransform, { manner }, "bad");
  const streams: Stream[] = [
    { id: "source", transform: undefined, readers: ["bad", "good"], spooled: false },
    { id: "bad", transform: bad, readers: [], spooled: true },
    { id: "good", transform: good, readers: [], spooled: true },
  ];
  let writer: ChannelWriter | undefined;
  const origin: Origin = {
    async send({ ports }, signal) {
      writer = await ChannelWriter.open(ports, PLAIN, signal);
      return await pour(writer);
    },
    detach: (reader, reason) => writer!.detach(reader, reason),
  };
  const outcomes = await runFlow(origin, streams, await contextOf(place, workers));
  const [badly, well] = [outcomes.get("bad")!, outcomes.get("good")!];
  assert.equal(badly.status, "rejected");
  assert.equal(badly.reason.code, "worker-died");
  assert.equal(well.status, "fulfilled");
  assert.equal(well.value.size, AMOUNT);
  assert.deepEqual([...filesIn(place.spool).keys()], [basename(well.value.path)]);
}

async function failSource(manner: Manner): Promise<void> {
  using place = new Folder();
  using workers = new ImpatientPool(place.path);
  const source = stageOf("unruly_source.ts", unrulySource, { manner });
  const good = stageOf("unruly_transform.ts", unrulyTransform, { manner: "none" }, "good");
  const worker = workers.get(source);
  const origin: Origin = {
    async send(output) {
      const context = { options: source.options };
      return (await worker.call({ operation: "run", context, output })).sent;
    },
    detach: (reader, reason) => worker.detach(reader, reason),
  };
  const streams: Stream[] = [
    { id: "source", transform: undefined, readers: ["good"], spooled: true },
    { id: "good", transform: good, readers: [], spooled: true },
  ];
  const flow = runFlow(origin, streams, await contextOf(place, workers));
  assert.equal((await rejection(flow)).code, "worker-died");
  assert.deepEqual([...filesIn(place.spool).keys()], []);
}

Deno.test("an answer is none when its worker fails as it gives it", async () => {
  const options = { manner: "throws in parting" };
  const { use, stage } = stageOf("unruly_gate.ts", unrulyGate, options);
  using worker = new StageWorker(use, stage.permissions(options, "run"));
  const error = await rejection(worker.call({ operation: "run", context: { options } }));
  assert.equal(error.code, "worker-died");
});

Deno.test("a run tells of a worker that fails after it has answered", async () => {
  using sandbox = await Sandbox.make(undefined, { "a.txt": "content" });
  const path = join(sandbox.folder, "elsewhere");
  await Deno.mkdir(path);
  const until = join(sandbox.folder, "pipe");
  await new Deno.Command("mkfifo", { args: [until] }).output();
  using pipe = await Deno.open(until, { read: true, write: true });
  // The run does not end before the failure has come: the other destination waits for that.
  using _ = onFailure(() => pipe.writeSync(new TextEncoder().encode("failed")));
  const told = { lie: "none" } as const;
  const pipeline = pipelineOf(sandbox, [
    stageOf(
      "unruly_destination.ts",
      unrulyDestination,
      { ...told, path, manner: "throws afterwards" },
      "liar",
    ),
    stageOf(
      "unruly_destination.ts",
      unrulyDestination,
      { ...told, path, until, manner: "none" },
      "good",
    ),
  ]);
  const run = within(runPipeline(pipeline), () => pipe.writeSync(new Uint8Array(1)));
  const { status, ok, stages, snapshots } = await run;
  assert.deepEqual(snapshots[0]!.destinations.map(({ status }) => status), ["failed", "ok"]);
  const liar = stages.find(({ id }) => id === "liar")!;
  assert.equal(liar.failure?.code, "worker-died");
  assert.match(liar.message, /Nobody had thought of this/);
  assert.deepEqual([status, ok], [2, false]);
});

/** Calls `heard` whenever a worker's failure has come to this side, before anybody else hears of it. */
function onFailure(heard: () => void): Disposable {
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor(...words: ConstructorParameters<typeof Worker>) {
      super(...words);
      this.addEventListener("error", heard);
    }
  };
  return { [Symbol.dispose]: () => globalThis.Worker = Worker };
}

Deno.test("what ended well lets go of the signal", async () => {
  const { signal, listeners } = countedSignal();
  const { port1, port2 } = new MessageChannel();
  const read = (async () => {
    for await (const bytes of new ChannelReader(port2, PLAIN, signal)) assert.ok(bytes.length > 0);
  })();
  const writer = await ChannelWriter.open([port1], PLAIN, signal);
  await pour(writer);
  await read;
  assert.equal(listeners(), 0);
  using sandbox = await Sandbox.make(undefined, { "a.txt": "content" });
  await sandbox.backUp({ signal });
  assert.equal(listeners(), 0);
});

Deno.test("a stage that writes on after it was told to stop hears of it", async () => {
  for (const early of [true, false]) {
    const controller = new AbortController();
    const { port1, port2 } = new MessageChannel();
    const reason = new Error("The user had enough");
    if (early) controller.abort(reason);
    const writer = await ChannelWriter.open([port1], PLAIN, controller.signal);
    controller.abort(reason);
    await assert.rejects(writer.write(new Uint8Array(2 << 20)), reason);
    await assert.rejects(writer.finish(), /had enough/);
    port2.close();
  }
});

for (const manner of ["throws aside", "stops reading", "reads nothing"] as const) {
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

Deno.test("what a destination said that it had removed, and holds still, is told", async () => {
  using sandbox = await Sandbox.make();
  const path = sandbox.destination("kept");
  for (let times = 0; times < 2; times++) {
    sandbox.change();
    await runPipeline(pipelineOf(sandbox, [destinationOf(sandbox, "kept")]));
  }
  const [name] = [...filesIn(path).keys()].toSorted();
  const stage = stageOf("unruly_destination.ts", unrulyDestination, { path, lie: "none" }, "kept");
  const retention = { last: 1, forgetDeleted: true };
  const { status, destinations: [kept] } = await prunePipeline(
    pipelineOf(sandbox, [{ ...stage, retention }]),
  );
  assert.equal(status, 2);
  const snapshot = name!.slice(0, name!.indexOf("."));
  assert.equal(
    kept?.failure?.message,
    `Cannot remove "${snapshot}" from "kept": it is still there`,
  );
});

Deno.test("a run with a bug in one stage delivers all the same where that does not stand in the way", async () => {
  using sandbox = await Sandbox.make();
  const bad = stageOf("unruly_transform.ts", unrulyTransform, { manner: "throws" }, "bad");
  const pipeline = pipelineOf(sandbox, [
    destinationOf(sandbox, "plain"),
    bad,
    destinationOf(sandbox, "behind"),
  ]);
  await assert.rejects(runPipeline(pipeline), /Nobody had thought of this/);
  assert.equal(filesIn(sandbox.destination("plain")).size, 2);
  assert.equal(filesIn(sandbox.destination("behind")).size, 0);
  assert.equal(filesIn(join(sandbox.state, "spool")).size, 0);
});

Deno.test("a run tells of a destination that fails in the middle, and stores at the others", async () => {
  using sandbox = await Sandbox.make();
  const pipeline = pipelineOf(sandbox, [
    {
      ...PLAIN_STAGE,
      id: "gate",
      use: "hash-gate",
      stage: hashGate as unknown as Stage,
      options: {},
    },
    destinationOf(sandbox, "first"),
    stageOf("unruly_destination.ts", unrulyDestination, {
      path: sandbox.folder + "/elsewhere",
      manner: "throws aside",
      lie: "none",
    }, "second"),
  ]);
  await Deno.mkdir(join(sandbox.folder, "elsewhere"));
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

Deno.test("what a destination sends back otherwise than it got it is taken for damaged", async () => {
  using sandbox = await Sandbox.make(undefined, { "a.txt": "content" });
  await sandbox.backUp();
  const nowhere = { into: undefined, wanted: undefined };
  const lookWith = (lie: typeof LIES[number]) => {
    const options = { path: sandbox.destination(), manner: "none", lie };
    const { use, stage } = stageOf("unruly_destination.ts", unrulyDestination, options);
    assert.ok(stage.kind === "destination");
    const place = { id: "liar", use, stage, options, location: "", folder: undefined };
    return new Look(place, sandbox.identity);
  };
  using honest = lookWith("none");
  const [held] = await honest.list();
  const manifest = await honest.reader.manifest(held!);
  await honest.reader.unpack(held!, manifest, nowhere);
  await Promise.all(
    LIES.slice(1).map(async (lie) => {
      using look = lookWith(lie);
      const liar = look.reader;
      assert.equal((await rejection(liar.manifest(held!))).code, "snapshot-damaged", lie);
      const failure = await rejection(liar.unpack(held!, manifest, nowhere));
      assert.equal(failure.code, "snapshot-damaged", lie);
    }),
  );
});

/** A signal that tells how many listen to it. */
function countedSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = AbortSignal.prototype;
  signal.addEventListener = (type: string, listener: unknown, options?: unknown) => {
    listening.add(listener);
    Reflect.apply(addEventListener, signal, [type, listener, options]);
  };
  signal.removeEventListener = (type: string, listener: unknown) => {
    listening.delete(listener);
    Reflect.apply(removeEventListener, signal, [type, listener]);
  };
  return { signal, listeners: () => listening.size };
}

/** What to try, under its name, for each of these manners. */
function casesOf<M extends Manner>(
  manners: readonly M[],
  caseOf: (manner: M) => readonly [name: string, attempt: (manner: M) => Promise<void>],
): Record<string, () => Promise<void>> {
  return Object.fromEntries(manners.map((manner) => {
    const [name, attempt] = caseOf(manner);
    return [name, () => attempt(manner)];
  }));
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
      new StageWorker(stage.use, runGrants(stage, this.#state), { patience: PATIENCE });
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
  readonly spool = join(this.path, "spool");

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function contextOf({ spool }: Folder, workers: WorkerPool): Promise<FlowContext> {
  return { spool: await Spool.open(spool), workers, signal: undefined, codec: "none" };
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
