/**
 * One source's way through a run: scan, gate, stream, deliver. Longer than most files here: the steps
 * share what they find out about the destinations.
 *
 * @module
 */
import { join } from "node:path";
import type {
  Holding,
  Operation,
  SourceResult,
  SourceStage,
  StoreResult,
} from "../../stages/contract.ts";
import { BackupError, toRecord } from "../../stages/errors.ts";
import { archivePaths } from "../../stages/formats/roots.ts";
import type { FoundSecret } from "../../stages/formats/secrets/search.ts";
import { contentHash } from "../../stages/formats/snapshot/entries.ts";
import type { Catalog } from "../catalog.ts";
import type { Held } from "../catalog/contents.ts";
import { bytesOf, findMissing, findResized, isTorn } from "../catalog/missing.ts";
import type { PipelineStage } from "../config/pipeline.ts";
import type { DeliveryReport, SnapshotReport } from "../events.ts";
import { askGates, holdingOf, locationOf, wayOf, wayTo } from "../holdings.ts";
import { createdOf, HASH_DIGITS, LAST_MOMENT, parseKey, snapshotName } from "../names.ts";
import { filesIn, groupFiles, type HeldSnapshot } from "../places.ts";
import { isSealed, type Route, type Step } from "../routes.ts";
import {
  fingerprintKey,
  knownSecrets,
  refusal,
  secretPolicyOf,
  SecretSearch,
} from "../secret_policy.ts";
import { sayCount } from "../words.ts";
import type { WorkerPool } from "../worker/pool.ts";
import { deliver } from "./deliver.ts";
import { finishStream, type NamedFile } from "./finish.ts";
import { type FlowContext, type FlowResult, runFlow, type Stream, streamsFor } from "./flow.ts";
import {
  type Reading,
  readingContext,
  scan,
  type ScanContext,
  type Streamed,
  totalsOf,
} from "./reading.ts";
import type { Spool } from "./spool.ts";
import type { StageLog } from "./stage_log.ts";
import { judgeShrinkage, newShrinkages, tallyOf } from "./tripwire.ts";

/** What a backup runs with. */
export interface BackupContext {
  readonly pipeline: string;
  /** The pipeline's state directory. */
  readonly state: string;
  /** File with the fingerprints of secrets that may be stored. */
  readonly knownSecrets: string | undefined;
  /** Name of this machine. */
  readonly host: string;
  /** The pipeline's stages, whether or not they are a part of the run. */
  readonly stages: readonly PipelineStage[];
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
  /** Absolute paths that are no part of any source: the backups themselves. */
  readonly avoid: readonly string[];
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

/** What there is to say of a source that failed as a whole: no destination holds its snapshot. */
export function reportLost(
  { source }: Route,
  destinations: readonly Step[],
  message: string,
): SnapshotReport {
  return {
    id: source.id,
    name: null,
    contentHash: null,
    files: 0,
    bytes: 0,
    changes: undefined,
    unreadable: [],
    skipped: [],
    notes: [],
    destinations: destinations.map(({ stage: { id } }) => (
      { id, status: "failed", location: null, message }
    )),
  };
}

class Backup {
  readonly #route: Route;
  readonly #destinations: readonly Step[];
  readonly #context: BackupContext;
  readonly #reports = new Map<string, DeliveryReport>();
  /** What each destination that answered has lost. */
  readonly #missing = new Map<string, NonNullable<DeliveryReport["missing"]>>();
  /** Names that a destination has a file of, whole snapshot or not, or that one was given. */
  readonly #taken = new Set<string>();
  /** What is read was there from this time on. */
  readonly #begunAt: Date;
  /** Where secrets stand that some destination does not allow. */
  #secrets: readonly FoundSecret[] | undefined;
  /** What was begun ahead of time: not left behind, whatever happens. */
  readonly #begun: Promise<unknown>[] = [];
  /** The first failure that nobody foresaw: told when the others have had their turn. */
  #bug: { readonly error: unknown } | undefined;

  constructor(route: Route, destinations: readonly Step[], context: BackupContext) {
    this.#route = route;
    this.#destinations = destinations;
    this.#context = context;
    this.#begunAt = context.clock();
  }

  async run(): Promise<SnapshotReport> {
    const report = await this.#run().finally(() => Promise.allSettled(this.#begun));
    this.#context.signal?.throwIfAborted();
    if (this.#bug) throw this.#bug.error;
    return report;
  }

  async #run(): Promise<SnapshotReport> {
    const { source } = this.#route;
    const { catalog, force } = this.#context;
    const gated = !force && this.#destinations.every(({ gates }) => gates.length > 0);
    const known = catalog.state(source.id);
    // What was stored before has probably not changed, and what was not will be needed: begin with
    // that, whatever the destinations will answer.
    const scanning = gated && known !== undefined
      ? scan(source, known, this.#readingContext)
      : undefined;
    const streaming = scanning === undefined ? this.#stream(this.#destinations) : undefined;
    this.#begun.push(...[scanning, streaming].filter((begun) => begun !== undefined));
    for (const begun of this.#begun) begun.catch(() => {}); // Waited for below.
    await this.#context.workers.settled(); // What has work to do comes up first.
    const held = await this.#listAll(streaming === undefined ? undefined : "run");
    const open = this.#destinations.filter(({ stage }) => held.has(stage.id));
    const holdings = new Map(open.map(({ stage }) => [
      stage.id,
      holdingOf(stage, held.get(stage.id)!.at(-1), this.#route, catalog),
    ]));
    const reading = await scanning;
    if (reading !== undefined && open.length > 0) {
      const needed = await askGates(open, holdings, reading.totals.contentHash, this.#context);
      if (needed.size === 0 && this.#isNoted(reading, held)) return this.#unchanged(reading, held);
    }
    if (open.length === 0 && streaming === undefined) return this.#report(undefined);
    const streamed = await (streaming ?? this.#stream(open));
    const report = await this.#pass(streamed, open, holdings, held);
    await this.#context.spool.clear();
    return report;
  }

  /** Whether it is known what the snapshots hold that have this content: only reading anew tells. */
  #isNoted(reading: Reading, held: ReadonlyMap<string, readonly HeldSnapshot[]>): boolean {
    const { catalog, dryRun } = this.#context;
    if (dryRun || reading.unreadable.length > 0) return true;
    return [...held.values()].every((snapshots) => {
      const newest = snapshots.at(-1);
      return newest === undefined || !isOf(newest.name, reading) ||
        catalog.contents.known(newest.id, newest.name) !== undefined;
    });
  }

  /** So that retention knows one day what this snapshot holds. It keeps what it does not know. */
  #noteContents(name: string, held: Held): void {
    const { catalog, dryRun } = this.#context;
    if (!dryRun) this.#record(() => catalog.contents.add(this.#route.source.id, name, held));
  }

  /** Lets the gates decide about an archive that was made, and delivers it. */
  async #pass(
    streamed: Streamed,
    open: readonly Step[],
    holdings: ReadonlyMap<string, Holding>,
    held: ReadonlyMap<string, readonly HeldSnapshot[]>,
  ): Promise<SnapshotReport> {
    const { source } = this.#route;
    const { catalog, force, log, stages } = this.#context;
    const needed = force
      ? new Set(holdings.keys())
      : await askGates(open, holdings, streamed.totals.contentHash, this.#context);
    if (needed.size === 0 && open.length > 0) return this.#unchanged(streamed, held);
    for (const { stage } of open) if (!needed.has(stage.id)) this.#noteHeld(stage);
    const changes = catalog.changes(source.id, streamed.entries);
    const watched = [...streamed.source.watched ?? [], tallyOf(streamed.totals.files)];
    const judgement = judgeShrinkage(streamed.before, watched, unreadIn(streamed.source));
    const known = catalog.suspicions.open(source.id);
    // Also of those that are no part of this run, or do not answer.
    for (const { id, name } of stages.flatMap((one) => catalog.deliveriesTo(locationOf(one)))) {
      if (id === source.id) this.#taken.add(name);
    }
    const name = nameAfter(this.#taken, streamed);
    if (needed.size > 0) this.#noteContents(name, streamed);
    await this.#deliverAll(open.filter(({ stage }) => needed.has(stage.id)), name, streamed);
    const delivered = [...this.#reports.values()].some(({ status }) => status === "ok");
    if (delivered) {
      this.#record(() => {
        catalog.remember(source.id, streamed, streamed.entries);
        catalog.suspicions.note(source.id, name, judgement, watched);
      });
    }
    const suspicion = delivered ? catalog.suspicions.open(source.id) : known;
    const news = newShrinkages(known?.shrinkages ?? [], suspicion?.shrinkages ?? []);
    const suspect = suspicion && { suspect: { ...suspicion, news } };
    log.finish(source, "ok", sayCount(streamed.totals.files, "file"));
    return { ...this.#report(streamed), name: delivered ? name : null, changes, ...suspect };
  }

  /** What each destination holds of this source; those that do not answer are reported. */
  async #listAll(ahead: Operation | undefined): Promise<Map<string, HeldSnapshot[]>> {
    const { catalog, dryRun, log, signal, workers } = this.#context;
    const held = new Map<string, HeldSnapshot[]>();
    const listing = this.#destinations.map(async ({ stage }) => {
      log.start(stage, this.#route.source.id);
      try {
        // What held snapshots and is gone was not emptied: its disk is not there.
        const known = catalog.deliveriesTo(locationOf(stage));
        const worker = workers.get(stage, { ahead });
        const { id } = this.#route.source;
        const wanted = { mustExist: known.length > 0, ids: [id] };
        const files = await filesIn(worker, stage.options, wanted, { signal });
        const mine = files.filter(({ key }) => {
          const parsed = parseKey(key);
          if (parsed?.id === id) this.#taken.add(parsed.name);
          return parsed?.id === id;
        });
        const own = groupFiles(mine);
        const stored = known.filter((one) => one.id === id);
        const missing = findMissing(stored, own);
        const names = missing.map(({ name }) => name);
        const before = new Set(catalog.missing.at(locationOf(stage)).map(({ name }) => name));
        const news = names.filter((name) => !before.has(name)).length;
        this.#missing.set(stage.id, { count: names.length, news });
        if (!dryRun) this.#record(() => catalog.missing.note(id, locationOf(stage), names));
        if (own.length === 0 && stored.length > 0) {
          const message = "It held snapshots and holds none now: is its disk connected?";
          log.say("warn", stage.id, message);
        } else if (missing.length > 0) {
          const message =
            `${missing.length} of ${stored.length} snapshots that were stored there ` +
            'are gone, or their archives are: see "keepsake verify"';
          log.say("warn", stage.id, message);
        }
        const resized = findResized(stored, own.filter((one) => !isTorn(one))).length;
        if (resized > 0) {
          const message = `${resized} of ${stored.length} snapshots that were stored there have ` +
            'another size than they had: see "keepsake verify"';
          log.say("warn", stage.id, message);
        }
        const newest = own.at(-1);
        const spot = newest && { id, name: newest.name, location: locationOf(stage) };
        if (spot !== undefined && catalog.pruning.damaged(spot) !== undefined) {
          const message = `"${id}/${spot.name}" was found damaged there, and counts for nothing`;
          log.say("warn", stage.id, message);
        }
        held.set(stage.id, own);
      } catch (error) {
        this.#noteFailure(stage, error);
      }
    });
    // Where the archive is being made, they are not asked before it is there.
    if (ahead === undefined) this.#warmGates();
    await Promise.all(listing);
    signal?.throwIfAborted();
    return held;
  }

  #warmGates(): void {
    const { force, stages, workers } = this.#context;
    if (force) return; // Nobody asks them.
    const gates = new Set(this.#destinations.flatMap(({ gates }) => gates));
    for (const stage of stages) if (gates.has(stage.id)) workers.get(stage);
  }

  /** Reads the source, again perhaps, and this time makes its archive. */
  async #stream(steps: readonly Step[]): Promise<Streamed> {
    const { source } = this.#route;
    const { catalog, clock, log, workers } = this.#context;
    const created = clock();
    log.start(source, source.id);
    const wanted = new Set(steps.map(({ stage }) => stage.id));
    const streams = streamsFor(source.id, this.#route.steps, wanted);
    for (const { transform } of streams) {
      if (transform === undefined) continue;
      log.start(transform, source.id);
      // What it loads takes longest, and it is to take the first block.
      workers.get(transform, { ahead: "run" });
    }
    const worker = workers.get(source);
    let result: SourceResult | undefined;
    const context = readingContext(source, this.#readingContext);
    const before = catalog.suspicions.baseline(source.id);
    const origin: Parameters<typeof runFlow>[0] = {
      send: async (output, signal) => {
        const answer = await worker.call<SourceResult>(
          { operation: "run", context: { ...await context, watched: before }, output },
          { signal, onProgress: (done, total) => log.progress(source.id, done, total) },
        );
        result = answer.result;
        workers.end(source);
        this.#warmGates(); // The last blocks are still on their way.
        return answer.sent;
      },
      detach: (reader, reason) => worker.detach(reader, reason),
    };
    const search = await this.#searchFor(steps);
    const inspect = search?.read.bind(search);
    const spooled = await runFlow(origin, streams, { ...this.#flowContext(), inspect });
    this.#noteTransforms(streams, spooled);
    if (result === undefined) throw firstReason(spooled);
    const { entries, signature, fingerprint, unreadable, roots } = result;
    const totals = totalsOf(entries, await contentHash(entries));
    const reading = { entries, totals, signature, fingerprint, unreadable, roots };
    return { ...reading, created, source: result, before, streams, spooled, search };
  }

  /** What looks for secrets, where some of these destinations do not allow them. */
  async #searchFor(steps: readonly Step[]): Promise<SecretSearch | undefined> {
    if (steps.every((step) => secretPolicyOf(step) === "allow")) return undefined;
    return new SecretSearch(await fingerprintKey(this.#context.state));
  }

  /** @throws {BackupError} Unless a destination may get what was made. */
  async #checkSecrets(step: Step, { search }: Streamed): Promise<void> {
    const policy = secretPolicyOf(step);
    if (policy === "allow" || search === undefined) return;
    const { knownSecrets: file, log } = this.#context;
    const { id } = this.#route.source;
    try {
      const [known, found] = await Promise.all([knownSecrets(file), search.found]);
      const secrets = found.filter(({ fingerprint }) => !known.has(fingerprint));
      if (secrets.length === 0) return;
      this.#secrets = secrets;
      if (policy === "block") throw refusal(id, step.stage, secrets, file);
      const count = new Set(secrets.map(({ fingerprint }) => fingerprint)).size;
      const secretsThere = count === 1 ? "a secret" : `${count} secrets`;
      log.say("warn", step.stage.id, `It gets ${secretsThere} in "${id}" as plaintext`);
    } catch (error) {
      if (policy === "block") throw error;
      log.say("warn", step.stage.id, toRecord(error).message);
    }
  }

  get #readingContext(): ScanContext {
    return { ...this.#context, sealed: isSealed(this.#route) };
  }

  #flowContext(): FlowContext {
    const { spool, signal, log, workers } = this.#context;
    const onProgress = (stage: string, done: number, total: number | undefined) =>
      log.progress(stage, done, total);
    return { spool, signal, workers, codec: this.#codec(), onProgress };
  }

  #codec() {
    const { stage, options } = this.#route.source;
    return (stage as SourceStage).codec(options);
  }

  #noteTransforms(streams: readonly Stream[], spooled: FlowResult): void {
    for (const { id, transform } of streams) {
      if (transform === undefined) continue;
      const outcome = spooled.get(id);
      if (outcome?.status === "rejected") this.#context.log.fail(transform, outcome.reason);
      else this.#context.log.finish(transform, "ok", outcome ? `${outcome.value.size} bytes` : "");
    }
  }

  /** Every destination on its own fate. */
  async #deliverAll(steps: readonly Step[], name: string, streamed: Streamed): Promise<void> {
    const { pipeline, host, dryRun } = this.#context;
    const { source } = this.#route;
    const circumstances = { name, pipeline, host, source, codec: this.#codec() };
    const groups = Map.groupBy(steps, ({ from }) => from);
    await Promise.all([...groups].map(async ([from, group]) => {
      let files: readonly NamedFile[];
      try {
        files = await finishStream(from, streamed, circumstances, this.#flowContext());
      } catch (error) {
        for (const { stage } of group) this.#noteFailure(stage, error);
        return;
      }
      await Promise.all(
        group.map(async (step) => {
          const { stage } = step;
          try {
            await this.#checkSecrets(step, streamed);
          } catch (error) {
            return this.#noteFailure(stage, error);
          }
          if (dryRun) this.#note(stage, "skipped", null, "dry run");
          else await this.#deliver(stage, name, files, streamed);
        }),
      );
    }));
  }

  async #deliver(
    stage: PipelineStage,
    name: string,
    files: readonly NamedFile[],
    streamed: Streamed,
  ): Promise<void> {
    const { catalog, clock, run } = this.#context;
    const { id } = this.#route.source;
    try {
      const stored = await this.#store(stage, files);
      const { location, placeBytes } = stored;
      const bytes = stored.bytes ?? files.reduce((sum, { size }) => sum + size, 0);
      const way = wayTo(stage, this.#route);
      this.#record(() => {
        catalog.addSnapshot(id, name, streamed.created, streamed.totals, run);
        catalog.addDelivery({ id, name, location: locationOf(stage), way, bytes }, clock(), run);
        if (placeBytes !== undefined) catalog.notePlaceBytes(locationOf(stage), placeBytes);
      });
      this.#note(stage, "ok", location, `${bytes} bytes`);
    } catch (error) {
      this.#noteFailure(stage, error);
    }
  }

  #store(stage: PipelineStage, files: readonly NamedFile[]): Promise<StoreResult> {
    const { spool, catalog, message, signal, log, workers } = this.#context;
    const moves = stage.stage.kind === "destination" && stage.stage.takesFiles;
    const handOver = async () => {
      const directory = await spool.handOver(stage.id, files, moves);
      return {
        options: stage.options,
        owner: catalog.owner,
        message,
        files: files.map(({ name, size, sha256, xxh64 }) => ({
          key: `${this.#route.source.id}/${name}`,
          path: join(directory, name),
          size,
          sha256,
          ...(xxh64 && { xxh64 }),
        })),
      };
    };
    return deliver(() => workers.get(stage), handOver, {
      signal,
      onProgress: (done, total) => log.progress(stage.id, done, total),
      onLog: (level, text) => log.say(level, stage.id, text),
    });
  }

  #unchanged(
    reading: Reading | Streamed,
    held: ReadonlyMap<string, readonly HeldSnapshot[]>,
  ): SnapshotReport {
    const { catalog, dryRun, log, run, workers } = this.#context;
    const { source } = this.#route;
    workers.end(source);
    // Nothing was kept of it, or names or times alone are other ones than before.
    const known = catalog.state(source.id);
    const isTouched = known?.signature !== reading.signature ||
      known.fingerprint !== reading.fingerprint;
    for (const { stage } of this.#destinations) {
      const newest = held.get(stage.id)?.at(-1);
      if (newest === undefined) continue;
      // Known already, unless the catalog was lost.
      const { id, name } = newest;
      this.#record(() => {
        catalog.pruning.find(id, name);
        catalog.addSnapshot(id, name, createdOf(name), reading.totals, run);
      });
      this.#noteDelivery(stage, newest);
      // Only what was read in full is the same as what was stored for certain.
      if (
        "entries" in reading && reading.unreadable.length === 0 && isOf(name, reading)
      ) {
        this.#noteContents(name, { ...reading, created: createdOf(name) });
        if (isTouched) this.#record(() => catalog.contents.confirm(id, name, this.#begunAt));
      }
      this.#noteHeld(stage);
    }
    if (isTouched && "entries" in reading && !dryRun) {
      this.#record(() => catalog.remember(source.id, reading, reading.entries));
    }
    log.finish(source, "unchanged", "nothing had changed");
    const suspicion = catalog.suspicions.open(source.id);
    return { ...this.#report(reading), ...(suspicion && { suspect: { ...suspicion, news: [] } }) };
  }

  /** What this catalog did not store counts as what is known of it. */
  #noteDelivery(stage: PipelineStage, held: HeldSnapshot): void {
    const { catalog, log, run } = this.#context;
    const { id, name } = held;
    const location = locationOf(stage);
    this.#record(() => {
      if (catalog.delivery(id, name, location) !== undefined) return;
      const way = wayOf(held, stage, this.#route, catalog);
      if (way === "") log.say("info", stage.id, unknownRecipients(held));
      const bytes = bytesOf(held);
      catalog.addDelivery({ id, name, location, way, bytes }, createdOf(name), run);
    });
  }

  /** A catalog that fails takes nothing from what destinations hold. */
  #record(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#context.log.failAside(error);
    }
  }

  #noteHeld(stage: PipelineStage): void {
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
    if (this.#context.signal?.aborted) return; // The run ends with that, once all have stopped.
    const { id } = stage;
    const failure = this.#context.log.describe(error);
    if (failure.code === "bug") this.#bug ??= { error };
    const { message } = failure;
    this.#reports.set(id, { id, status: "failed", location: null, message, failure });
    this.#context.log.fail(stage, error);
  }

  #report(reading: Reading | Streamed | undefined): SnapshotReport {
    const { files = 0, bytes = 0, contentHash = null } = reading?.totals ?? {};
    const streamed = reading !== undefined && "source" in reading ? reading : undefined;
    return {
      id: this.#route.source.id,
      name: null,
      contentHash,
      files,
      bytes,
      changes: undefined,
      unreadable: reading?.unreadable ?? [],
      skipped: streamed?.source.skipped ?? [],
      notes: streamed?.source.notes ?? [],
      ...(this.#secrets && { secrets: this.#secrets }),
      destinations: this.#destinations.flatMap(({ stage: { id } }) => {
        const report = this.#reports.get(id);
        const missing = this.#missing.get(id);
        return report === undefined ? [] : { ...report, ...(missing !== undefined && { missing }) };
      }),
    };
  }
}

/** Whether a snapshot of this name has the content that was read. */
function isOf(name: string, { totals }: Reading): boolean {
  return name.endsWith(totals.contentHash.slice(0, HASH_DIGITS));
}

/**
 * What the snapshot is called. The newest is the one whose name comes last: also when another was
 * made within the same second, or the clock went back. What nothing can come after is passed over.
 */
function nameAfter(taken: ReadonlySet<string>, { created, totals }: Streamed): string {
  const next = Array.from(taken, (name) => createdOf(name).getTime() + 1000)
    .filter((time) => time <= LAST_MOMENT);
  return snapshotName(new Date(Math.max(created.getTime(), ...next)), totals.contentHash);
}

/** Paths in the archive that could not be read. */
function unreadIn({ roots, unreadable }: SourceResult): string[] {
  return unreadable.flatMap(({ path }) => archivePaths(roots, path));
}

/** What a person is told of a copy that another catalog has stored, or one that was lost. */
function unknownRecipients({ id, name }: HeldSnapshot): string {
  return `It is not known for whom "${id}/${name}" was encrypted, which no run that is known here ` +
    'has stored. If the recipients are others since, give it to them with "keepsake rekey", or ' +
    'store a copy for them with "keepsake run --force"';
}

function firstReason(spooled: FlowResult): unknown {
  for (const outcome of spooled.values()) {
    if (outcome.status === "rejected") return outcome.reason;
  }
  return new BackupError("worker-died", "Cannot make the archive: the source gave no answer");
}
