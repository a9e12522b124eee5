/**
 * One source's way through a run: scan, gate, stream, deliver.
 *
 * @module
 */
import { join } from "node:path";
import type {
  Entry,
  GateResult,
  Holding,
  Remark,
  ScanResult,
  SourceResult,
  SourceStage,
  StoreResult,
} from "../stages/contract.ts";
import { BackupError, toRecord } from "../stages/errors.ts";
import { contentHash } from "../stages/formats/entries.ts";
import type { Catalog } from "./catalog.ts";
import type { PipelineStage } from "./config/pipeline.ts";
import { deliver } from "./deliver.ts";
import type { DeliveryReport, SnapshotReport } from "./events.ts";
import { chainTo, type FlowContext, runFlow, type Stream, streamsFor } from "./flow.ts";
import { type Manifest, writeManifest } from "./manifest.ts";
import { createdOf, fileName, HASH_DIGITS, snapshotName } from "./names.ts";
import { type HeldSnapshot, snapshotsIn } from "./places.ts";
import type { Route, Step } from "./routes.ts";
import type { Spool, Spooled } from "./spool.ts";
import type { StageLog } from "./stage_log.ts";
import { ChannelWriter } from "./worker/channel.ts";
import type { WorkerPool } from "./worker_pool.ts";

/** What a backup runs with. */
export interface BackupContext {
  readonly pipeline: { readonly name: string; readonly state: string };
  readonly run: number;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly message: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly catalog: Catalog;
  readonly spool: Spool;
  readonly workers: WorkerPool;
  readonly log: StageLog;
  readonly clock: () => Date;
  readonly host: string;
  /** The pipeline's stages, for its gates. */
  readonly stages: readonly PipelineStage[];
}

/**
 * Starts what a backup will need, before it is asked for: a worker takes its time to come up, and the
 * machine has more than one processor.
 */
export function prewarm(
  { source, steps }: Route,
  destinations: readonly Step[],
  { workers, stages, known }: {
    readonly workers: WorkerPool;
    readonly stages: readonly PipelineStage[];
    /** Whether the source was stored before, and so has probably not changed. */
    readonly known: boolean;
  },
): void {
  workers.get(source);
  if (known) workers.get(source, "helper");
  for (const { stage } of destinations) workers.get(stage);
  for (const stage of stages) {
    if (destinations.some(({ gates }) => gates.includes(stage.id))) workers.get(stage);
  }
  if (known) return;
  for (const { stage } of steps) if (stage.stage.kind === "transform") workers.get(stage);
}

/** What was read of the sources in this run. */
interface Reading {
  readonly entries: readonly Entry[];
  readonly contentHash: string;
  readonly signature: string;
  readonly unreadable: readonly Remark[];
}

/** A source that was streamed, with the files that came of it. */
interface Streamed extends Reading {
  readonly created: Date;
  readonly source: SourceResult;
  readonly streams: readonly Stream[];
  readonly spooled: ReadonlyMap<string, PromiseSettledResult<Spooled>>;
}

/**
 * Backs one source up to these destinations of its route.
 *
 * @throws {BackupError} When the source as a whole cannot be read; the signal's reason. What befalls
 *   a transform or destination is part of the report.
 */
export function backUp(
  route: Route,
  destinations: readonly Step[],
  context: BackupContext,
): Promise<SnapshotReport> {
  return new Backup(route, destinations, context).run();
}

class Backup {
  readonly #route: Route;
  readonly #destinations: readonly Step[];
  readonly #context: BackupContext;
  readonly #reports = new Map<string, DeliveryReport>();
  readonly #source: SourceStage;

  constructor(route: Route, destinations: readonly Step[], context: BackupContext) {
    this.#route = route;
    this.#destinations = destinations;
    this.#context = context;
    this.#source = route.source.stage as SourceStage;
  }

  async run(): Promise<SnapshotReport> {
    const { id } = this.#route.source;
    const { catalog, force, log } = this.#context;
    const listing = this.#listAll();
    const mayHold = !force && this.#destinations.every(({ gates }) => gates.length > 0);
    const signature = catalog.signature(id);
    // A source that was stored before has probably not changed; do not wait to find out.
    const scanning = mayHold && signature !== undefined ? this.#scan(signature) : undefined;
    scanning?.catch(() => {}); // Waited for below.
    const held = await listing;
    const open = this.#destinations.filter(({ stage }) => held.has(stage.id));
    const holdings = new Map(open.map(({ stage }) => [stage.id, this.#holdingOf(stage, held)]));
    const allHold = open.length > 0 && [...holdings.values()].every(({ newest }) => newest);
    const reading = await (scanning ?? (mayHold && allHold ? this.#scan(undefined) : undefined));
    if (reading !== undefined) {
      const needed = await this.#ask(open, holdings, reading.contentHash);
      if (needed.size === 0) return this.#unchanged(reading, held);
    }
    if (open.length === 0) return this.#report(undefined, undefined);
    const streamed = await this.#stream(open);
    const needed = force
      ? new Set(holdings.keys())
      : await this.#ask(open, holdings, streamed.contentHash);
    if (needed.size === 0) return this.#unchanged(streamed, held);
    for (const { stage } of open) {
      if (!needed.has(stage.id)) this.#noteUnchanged(stage);
    }
    const changes = catalog.changes(id, streamed.entries);
    await this.#deliverAll(open.filter(({ stage }) => needed.has(stage.id)), streamed);
    const delivered = [...this.#reports.values()].some(({ status }) => status === "ok");
    if (delivered) catalog.remember(id, streamed.signature, streamed.entries);
    const files = streamed.entries.filter(({ kind }) => kind === "file").length;
    log.finish(this.#route.source, "ok", `${files} files`);
    return { ...this.#report(streamed, streamed.source), changes };
  }

  /** What each destination holds of this source; those that do not answer are reported. */
  async #listAll(): Promise<Map<string, HeldSnapshot[]>> {
    const held = new Map<string, HeldSnapshot[]>();
    await Promise.all(this.#destinations.map(async ({ stage }) => {
      this.#context.log.start(stage, this.#route.source.id);
      try {
        const call = { signal: this.#context.signal };
        const all = await snapshotsIn(this.#context.workers.get(stage), stage.options, call);
        held.set(stage.id, all.filter(({ id }) => id === this.#route.source.id));
      } catch (error) {
        this.#noteFailure(stage, error);
      }
    }));
    return held;
  }

  /** Two workers read everything; one that finds the sources changed for certain stops there. */
  async #scan(signature: string | undefined): Promise<Reading | undefined> {
    const { source } = this.#route;
    const { log, signal, workers } = this.#context;
    log.start(source, source.id);
    const { port1, port2 } = new MessageChannel();
    const context = { options: source.options, signature };
    const team = (role: "walker" | "helper", port: MessagePort) => ({ role, port });
    const helping = workers.get(source, "helper").call(
      { operation: "scan", context, team: team("helper", port2) },
      { signal },
    );
    helping.catch(() => {}); // The walker notices a helper that is gone: see below.
    const walking = this.#context.workers.get(source).call<ScanResult>(
      { operation: "scan", context, team: team("walker", port1) },
      { signal, onProgress: (done, total) => log.progress(source.id, done, total) },
    );
    const died = helping.then(() => walking, (error) => Promise.reject(error));
    const { result } = await Promise.race([walking, died]);
    const { entries, unreadable } = result;
    if (entries === undefined) return undefined;
    const hash = await contentHash(entries);
    return { entries, contentHash: hash, signature: result.signature, unreadable };
  }

  /** What the gates are told of a destination. */
  #holdingOf(stage: PipelineStage, held: ReadonlyMap<string, HeldSnapshot[]>): Holding {
    const newest = held.get(stage.id)?.at(-1);
    const whole = newest !== undefined && this.#isWhole(stage, newest);
    return { id: stage.id, newest: whole ? newest.name.slice(-HASH_DIGITS) : undefined };
  }

  /** Whether a copy can count as one: complete, and made the way that it would be made today. */
  #isWhole(stage: PipelineStage, { id, name, archives, manifest }: HeldSnapshot): boolean {
    if (archives.length === 0) return false;
    const known = this.#context.catalog.delivery(id, name, locationOf(stage));
    if (known === undefined) return true;
    const bytes = archives.reduce((sum, { size }) => sum + size, manifest.size);
    return known.bytes === bytes && known.way === this.#wayTo(stage);
  }

  /** All that decides what a destination's archive looks like, besides its content. */
  #wayTo({ id }: PipelineStage): string {
    const streams = streamsFor(this.#route.source.id, this.#route.steps, new Set([id]));
    const way = streams.map(({ transform }) =>
      transform === undefined
        ? this.#source.codec(this.#route.source.options)
        : { use: transform.use, options: transform.options }
    );
    return JSON.stringify(way);
  }

  /** Asks every gate; answers the destinations that shall get the snapshot. */
  async #ask(
    steps: readonly Step[],
    holdings: ReadonlyMap<string, Holding>,
    hash: string,
  ): Promise<Set<string>> {
    const needed = new Set(steps.map(({ stage }) => stage.id));
    for (const gate of new Set(steps.flatMap(({ gates }) => gates))) {
      const stage = this.#context.stages.find(({ id }) => id === gate)!;
      const behind = steps.filter(({ gates }) => gates.includes(gate));
      const destinations = behind.map(({ stage }) => holdings.get(stage.id)!);
      this.#context.log.start(stage, this.#route.source.id);
      const { result } = await this.#context.workers.get(stage).call<GateResult>({
        operation: "run",
        context: { options: stage.options, contentHash: hash, destinations },
      }, { signal: this.#context.signal });
      for (const { id } of destinations) {
        if (!result.pass.includes(id)) needed.delete(id);
      }
      const [count, all] = [result.pass.length, destinations.length];
      const [status, message] = count === 0
        ? ["unchanged", "nothing had changed"] as const
        : ["ok", `${count} of ${all} ${all === 1 ? "destination needs" : "destinations need"} it`];
      this.#context.log.finish(stage, status as "ok", message);
    }
    return needed;
  }

  /** Reads the sources a second time, this time for the archive. */
  async #stream(steps: readonly Step[]): Promise<Streamed> {
    const { source } = this.#route;
    const { clock, log } = this.#context;
    const created = clock();
    log.start(source, source.id);
    const wanted = new Set(steps.map(({ stage }) => stage.id));
    const streams = streamsFor(source.id, this.#route.steps, wanted);
    for (const { transform } of streams) {
      if (transform === undefined) continue;
      log.start(transform, source.id);
      this.#context.workers.get(transform);
    }
    const worker = this.#context.workers.get(source);
    let result: SourceResult | undefined;
    const spooled = await runFlow(
      {
        async send(output, signal) {
          const answer = await worker.call<SourceResult>(
            { operation: "run", context: { options: source.options }, output },
            { signal, onProgress: (done, total) => log.progress(source.id, done, total) },
          );
          result = answer.result;
          return answer.sent;
        },
        detach: (reader, reason) => worker.detach(reader, reason),
      },
      streams,
      this.#flowContext(),
    );
    this.#noteTransforms(streams, spooled);
    if (result === undefined) throw firstReason(spooled);
    const { entries, signature, unreadable } = result;
    const hash = await contentHash(entries);
    return {
      created,
      source: result,
      entries,
      signature,
      unreadable,
      contentHash: hash,
      streams,
      spooled,
    };
  }

  #flowContext(): FlowContext {
    const { spool, signal, log, workers } = this.#context;
    return {
      spool,
      signal,
      workers,
      codec: this.#source.codec(this.#route.source.options),
      onProgress: (stage, done, total) => log.progress(stage, done, total),
    };
  }

  #noteTransforms(
    streams: readonly Stream[],
    spooled: ReadonlyMap<string, PromiseSettledResult<Spooled>>,
  ): void {
    for (const { id, transform } of streams) {
      if (transform === undefined) continue;
      const outcome = spooled.get(id);
      if (outcome?.status === "rejected") this.#context.log.fail(transform, outcome.reason);
      else this.#context.log.finish(transform, "ok", outcome ? `${outcome.value.size} bytes` : "");
    }
  }

  /** Every destination on its own fate. */
  async #deliverAll(steps: readonly Step[], streamed: Streamed): Promise<void> {
    const { id } = this.#route.source;
    const { catalog, clock, run } = this.#context;
    const name = snapshotName(streamed.created, streamed.contentHash);
    const finished = await Promise.all(
      [...new Set(steps.map(({ from }) => from))].map((from) => this.#finish(from, name, streamed)),
    );
    const files = new Map(finished.map((outcome) => [outcome.from, outcome]));
    await Promise.all(steps.map(async ({ stage, from }) => {
      const outcome = files.get(from)!;
      if ("error" in outcome) return this.#noteFailure(stage, outcome.error);
      if (this.#context.dryRun) return this.#note(stage, "skipped", null, "dry run");
      try {
        const { location } = await this.#deliver(stage, outcome.files);
        const bytes = outcome.files.reduce((sum, { size }) => sum + size, 0);
        catalog.addSnapshot(id, name, streamed.created, totalsOf(streamed), run);
        const place = locationOf(stage);
        catalog.addDelivery(
          { id, name, location: place, way: this.#wayTo(stage), bytes },
          clock(),
          run,
        );
        this.#note(stage, "ok", location, `${bytes} bytes`);
      } catch (error) {
        this.#noteFailure(stage, error);
      }
    }));
  }

  /** Puts a stream's archive and manifest together as files with their names. */
  async #finish(from: string, name: string, streamed: Streamed): Promise<Finished> {
    const archive = streamed.spooled.get(from)!;
    if (archive.status === "rejected") return { from, error: archive.reason };
    const codec = this.#source.codec(this.#route.source.options);
    const transforms = chainTo(streamed.streams, from).flatMap(({ transform }) =>
      transform?.stage.kind === "transform" ? [transform.stage.suffix] : []
    );
    const archiveName = fileName({ name, kind: "archive", codec, transforms });
    const { size, sha256 } = archive.value;
    try {
      const manifest = this.#manifestOf(name, streamed, { name: archiveName, size, sha256 });
      const spooled = await this.#spoolManifest(manifest, from, streamed);
      const manifestName = fileName({ name, kind: "manifest", codec, transforms });
      return {
        from,
        files: [{ name: archiveName, ...archive.value }, { name: manifestName, ...spooled }],
      };
    } catch (error) {
      return { from, error };
    }
  }

  #manifestOf(name: string, streamed: Streamed, archive: Manifest["archives"][number]): Manifest {
    const { pipeline, host } = this.#context;
    const { id, use } = this.#route.source;
    return {
      pipeline: pipeline.name,
      snapshot: id,
      name,
      created: streamed.created,
      contentHash: streamed.contentHash,
      host,
      source: use,
      roots: streamed.source.roots,
      files: totalsOf(streamed).files,
      bytes: totalsOf(streamed).bytes,
      unreadable: streamed.unreadable,
      skipped: streamed.source.skipped,
      archives: [archive],
      entries: streamed.entries,
    };
  }

  /** Sends a manifest down the way that its archive went. */
  async #spoolManifest(manifest: Manifest, from: string, { streams }: Streamed): Promise<Spooled> {
    const chain = chainTo(streams, from);
    const path = chain.map((stream, index) => {
      const next = chain[index + 1];
      return { ...stream, readers: next ? [next.id] : [], spooled: next === undefined };
    });
    const origin = {
      async send(
        output: Parameters<Parameters<typeof runFlow>[0]["send"]>[0],
        signal: AbortSignal,
      ) {
        const writer = await ChannelWriter.open(output.ports, output.coding, signal);
        try {
          for (const piece of writeManifest(manifest)) await writer.write(piece);
          return await writer.finish();
        } catch (error) {
          writer.abort(toRecord(error).message);
          throw error;
        }
      },
      detach() {},
    };
    const outcome = (await runFlow(origin, path, this.#flowContext())).get(from)!;
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }

  async #deliver(
    stage: PipelineStage,
    files: readonly (Spooled & { name: string })[],
  ): Promise<StoreResult> {
    const { spool, catalog, message, signal, log } = this.#context;
    const handOver = async () => {
      const directory = await spool.handOver(stage.id, files);
      return {
        options: stage.options,
        owner: catalog.owner,
        message,
        files: files.map(({ name, size, sha256 }) => ({
          key: `${this.#route.source.id}/${name}`,
          path: join(directory, name),
          size,
          sha256,
        })),
      };
    };
    const onProgress = (done: number, total: number | undefined) =>
      log.progress(stage.id, done, total);
    const onLog = (level: "debug" | "info" | "warn", text: string) =>
      log.say(level, stage.id, text);
    return await deliver(this.#context.workers.get(stage), handOver, { signal, onProgress, onLog });
  }

  #unchanged(reading: Reading, held: ReadonlyMap<string, HeldSnapshot[]>): SnapshotReport {
    const { catalog, log, run } = this.#context;
    const { id } = this.#route.source;
    for (const { stage } of this.#destinations) {
      const newest = held.get(stage.id)?.at(-1);
      if (newest === undefined) continue;
      // Known already, unless the catalog was lost.
      catalog.addSnapshot(id, newest.name, createdOf(newest.name), totalsOf(reading), run);
      this.#noteUnchanged(stage);
    }
    if (catalog.signature(id) !== reading.signature) {
      catalog.remember(id, reading.signature, reading.entries);
    }
    log.finish(this.#route.source, "unchanged", "nothing had changed");
    const source = "source" in reading ? (reading as Streamed).source : undefined;
    return this.#report(reading, source);
  }

  #noteUnchanged(stage: PipelineStage): void {
    this.#note(stage, "unchanged", locationOf(stage), "holds it already");
  }

  #note(
    stage: PipelineStage,
    status: "ok" | "unchanged" | "skipped",
    location: string | null,
    message: string,
  ): void {
    this.#reports.set(stage.id, { id: stage.id, status, location, message });
    this.#context.log.finish(stage, status, message);
  }

  #noteFailure(stage: PipelineStage, error: unknown): void {
    if (this.#context.signal?.aborted) throw this.#context.signal.reason;
    const { code, message, hint } = toRecord(error);
    const failure = { code, message, hint };
    this.#reports.set(stage.id, {
      id: stage.id,
      status: "failed",
      location: null,
      message,
      failure,
    });
    this.#context.log.fail(stage, error);
  }

  #report(reading: Reading | undefined, source: SourceResult | undefined): SnapshotReport {
    const { files, bytes } = reading ? totalsOf(reading) : { files: 0, bytes: 0 };
    const streamed = reading && "created" in reading ? reading as Streamed : undefined;
    const made = [...this.#reports.values()].some(({ status }) => status === "ok");
    return {
      id: this.#route.source.id,
      name: made ? snapshotName(streamed!.created, streamed!.contentHash) : null,
      contentHash: reading?.contentHash ?? null,
      files,
      bytes,
      changes: undefined,
      unreadable: reading?.unreadable ?? [],
      skipped: source?.skipped ?? [],
      notes: source?.notes ?? [],
      destinations: this.#destinations.flatMap(({ stage }) => this.#reports.get(stage.id) ?? []),
    };
  }
}

type Finished =
  & { readonly from: string }
  & (
    | { readonly files: readonly (Spooled & { name: string })[] }
    | { readonly error: unknown }
  );

function totalsOf({ entries, contentHash }: Reading) {
  let files = 0;
  let bytes = 0;
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    files++;
    bytes += entry.size;
  }
  return { files, bytes, contentHash };
}

function locationOf({ stage, options }: PipelineStage): string {
  return stage.kind === "destination" ? stage.location(options) : "";
}

function firstReason(spooled: ReadonlyMap<string, PromiseSettledResult<Spooled>>): unknown {
  for (const outcome of spooled.values()) {
    if (outcome.status === "rejected") return outcome.reason;
  }
  return new BackupError("worker-died", "Cannot make the archive: the source gave no answer");
}
