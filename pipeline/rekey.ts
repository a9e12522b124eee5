/**
 * Gives stored snapshots the recipients that the pipeline file names now: the header of each archive
 * is made anew, its payload stays. docs/decisions/0012-rekey.md says why that gives it another name.
 *
 * Longer than most: each step is only safe by what stands before it.
 *
 * @module
 */
import { join } from "node:path";
import type { StoredFile } from "../stages/contract.ts";
import { BackupError, FAILURES, toRecord } from "../stages/errors.ts";
import { Catalog, sayPutAside } from "./catalog.ts";
import { bytesOf, isTorn } from "./catalog/missing.ts";
import type { Rekeying } from "./catalog/rekey_record.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { type Failure, type Listener, warn } from "./events.ts";
import { readerOptions } from "./find_copies.ts";
import { rekeyGrants, spoolDirectory } from "./grants.ts";
import { wayTo } from "./holdings.ts";
import { isSealing } from "./keys.ts";
import { acquireLock } from "./lock.ts";
import type { Manifest } from "./manifest.ts";
import { createdOf, fileName, HASH_DIGITS, LAST_MOMENT, parseKey, snapshotName } from "./names.ts";
import { groupFiles, type HeldSnapshot, type Place, placesOf, removalAt } from "./places.ts";
import { listPlace, targetsOf } from "./prune/sites.ts";
import { type ReaderOptions, SnapshotReader } from "./reader.ts";
import { type Route, routesOf, type Step } from "./routes.ts";
import { deliver } from "./run/deliver.ts";
import { sendManifest } from "./run/finish.ts";
import { streamsFor } from "./run/flow.ts";
import { Spool, type Spooled } from "./run/spool.ts";
import { makeStateDirectory } from "./state_directory.ts";
import { ChannelReader, PLAIN } from "./worker/channel.ts";
import { StageWorker } from "./worker/host.ts";
import { ReadingPool, WorkerPool } from "./worker/pool.ts";

/** What to rekey. */
export interface RekeyOptions {
  /** Tell what would be done, and do nothing. */
  readonly planOnly: boolean;
  /** Id of the one destination; `undefined`: all. */
  readonly destination?: string | undefined;
  /** Files with identities that open what is stored, in the place of the pipeline's own. */
  readonly identityFiles?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly listener?: Listener | undefined;
  readonly clock?: () => Date;
}

/** What becomes of one snapshot at one destination. */
export interface Rekeyed {
  readonly id: string;
  /** `<stamp>-<hash>`. */
  readonly name: string;
  /** The destination's stage id. */
  readonly destination: string;
  /**
   * `due`: it would be rekeyed. `rekeyed`: it was. `current`: it has the recipients already. `left`:
   * it is not what rekeying is for.
   */
  readonly status: "due" | "rekeyed" | "current" | "left" | "failed";
  /** What it is called now, or would be; `null`: as before. */
  readonly renamed: string | null;
  readonly bytes: number;
  /** Why it is left alone; empty otherwise. */
  readonly reason: string;
  readonly failure?: Failure;
}

/** How all fared. */
export interface RekeyReport {
  readonly ok: boolean;
  /** Oldest first at each destination. */
  readonly snapshots: readonly Rekeyed[];
  /** Destinations that could not be asked what they hold. */
  readonly failures: readonly { readonly destination: string; readonly failure: Failure }[];
  /** Destinations whose history keeps what was removed. */
  readonly histories: readonly string[];
  /** Exit status by the table of `stages/errors.ts`. */
  readonly status: number;
}

/**
 * Rekeys what a pipeline's destinations hold. A snapshot is stored anew, confirmed, and only then is
 * the old one removed: at every moment one of them can be restored.
 *
 * @throws {BackupError} `usage`, `run-in-progress`.
 */
export async function rekeyPipeline(
  pipeline: Pipeline,
  options: RekeyOptions,
): Promise<RekeyReport> {
  const { destination, signal, listener, identityFiles, clock } = options;
  const targets = targetsOf(pipeline, destination);
  const reading = await readerOptions({ pipeline, identityFiles, signal, listener });
  await makeStateDirectory(pipeline.state);
  using _lock = await acquireLock(join(pipeline.state, "lock"));
  const now = clock ?? (() => new Date());
  const sayDamaged = (aside: string) => warn(listener, sayPutAside(aside));
  using catalog = Catalog.open(pipeline.state, sayDamaged, now());
  await using spool = await Spool.open(spoolDirectory(pipeline.state));
  // Their workers end before others may begin.
  using pool = new ReadingPool();
  using workers = new WorkerPool(pipeline.state);
  const context = { pipeline, catalog, pool, workers, spool, reading, now, ...options };
  const shared: Names = { taken: new Set(), current: new Map() };
  const rekeyers: Rekeyer[] = [];
  const failures: { destination: string; failure: Failure }[] = [];
  const isMeant = ({ id }: Place) => targets.some(({ place }) => place.id === id);
  for (const place of placesOf(pipeline)) {
    try {
      const files = await listPlace(pool.at(place), place, catalog, signal);
      rekeyers.push(new Rekeyer(place, files, shared, context));
    } catch (error) {
      signal?.throwIfAborted();
      if (isMeant(place)) failures.push({ destination: place.id, failure: failureOf(error) });
    }
  }
  const meant = rekeyers.filter((one) => isMeant(one.place));
  const snapshots: Rekeyed[] = [];
  for (const rekeyer of meant) snapshots.push(...await rekeyer.finishBegun());
  for (const rekeyer of rekeyers) rekeyer.noteNames();
  for (const rekeyer of meant) snapshots.push(...await rekeyer.run());
  const ok = failures.length === 0 && snapshots.every(({ status }) => status !== "failed");
  const histories = targets.filter(({ place }) => removalAt(place) !== "frees")
    .map(({ place }) => place.id);
  const status = ok ? 0 : FAILURES["stage-failed"].status;
  return { ok, snapshots, failures, histories, status };
}

interface RekeyContext extends RekeyOptions {
  readonly pipeline: Pipeline;
  readonly catalog: Catalog;
  readonly pool: ReadingPool;
  readonly workers: WorkerPool;
  readonly spool: Spool;
  readonly reading: ReaderOptions;
  readonly now: () => Date;
}

/** What snapshots are called, at all places together. */
interface Names {
  /** `id/name` of whatever is at any place. */
  readonly taken: Set<string>;
  /** By {@linkcode Rekeyer.sameness}: the name under which a snapshot has its recipients. */
  readonly current: Map<string, string>;
}

/** Rekeys one place. */
class Rekeyer {
  readonly place: Place;
  /** What is there, by a listing that succeeded. */
  #files: readonly StoredFile[];
  readonly #names: Names;
  readonly #context: RekeyContext;

  constructor(
    place: Place,
    files: readonly StoredFile[],
    names: Names,
    context: RekeyContext,
  ) {
    this.place = place;
    this.#files = files;
    this.#names = names;
    this.#context = context;
  }

  /**
   * Ends what was cut short, or tells how it would: one stays that can be restored, and what else there
   * is of it goes. Tells of what was whole, and of what could not be ended.
   */
  async finishBegun(): Promise<Rekeyed[]> {
    const { catalog, planOnly } = this.#context;
    const told: Rekeyed[] = [];
    for (const rekeying of catalog.rekeys.begun(this.place.location)) {
      const { id, name, renamed } = rekeying;
      const isMeant = ({ key }: StoredFile) =>
        [name, renamed].some((one) => nameIn(key) === `${id}/${one}`);
      const files = this.#files.filter(isMeant);
      const whole = groupFiles(files).filter((one) => !isTorn(one)).toReversed();
      let [stays] = whole;
      if (stays === undefined) continue;
      const isStaying = ({ key }: StoredFile) => nameIn(key) === `${id}/${stays!.name}`;
      const others = () => files.filter((file) => !isStaying(file));
      const about = { id, name, destination: this.place.id, bytes: 0, renamed, reason: "" };
      const outcome = await this.#tell(about, async () => {
        if (others().length > 0) stays = await this.#provenOf(whole);
        if (!planOnly) await this.#end(rekeying, stays!, others());
      });
      const bytes = others().reduce((sum, { size }) => sum + size, 0);
      const isDone = outcome.status !== "failed";
      if (!isDone) told.push({ ...outcome, bytes });
      else if (whole.length > 1) {
        const gone = whole.find((one) => one !== stays)!;
        const status = planOnly ? "due" : "rekeyed";
        told.push({ ...about, name: gone.name, renamed: stays.name, bytes, status });
      }
      // What failed once is not tried in another way.
      const isLeft = isDone || stays.name === renamed ? isStaying : () => false;
      this.#files = this.#files.filter((file) => !isMeant(file) || isLeft(file));
    }
    return told;
  }

  /**
   * The first of these copies that can be restored for certain: by what was noted when it was stored
   * for the recipients of today, else because it opens.
   *
   * @throws {BackupError} Why the first of all does not open, where none does.
   */
  async #provenOf(copies: readonly HeldSnapshot[]): Promise<HeldSnapshot> {
    const { catalog, pool, reading, signal } = this.#context;
    const { location } = this.place;
    const sound = copies.filter(({ id, name }) =>
      catalog.pruning.damaged({ id, name, location }) === undefined
    );
    const noted = sound.find((one) =>
      this.#isCurrent(one) && catalog.delivery(one.id, one.name, location)!.bytes === bytesOf(one)
    );
    if (noted !== undefined) return noted;
    const reasons: unknown[] = [];
    for (const held of sound) {
      try {
        const manifest = await new SnapshotReader(this.place, pool, reading).manifest(held);
        if (manifest.archives[0]?.size === held.archives[0]!.size) return held;
        reasons.push(notTheFile(held.archives[0]!.key));
      } catch (error) {
        signal?.throwIfAborted();
        reasons.push(error);
      }
    }
    throw reasons[0] ?? notTheFile(copies[0]!.archives[0]!.key);
  }

  /** Removes what does not stay, and notes what is there. */
  async #end(
    rekeying: Rekeying,
    stays: HeldSnapshot,
    others: readonly StoredFile[],
  ): Promise<void> {
    const { id, name, renamed } = rekeying;
    const isNew = stays.name === renamed;
    if (isNew) this.#noteStored(stays);
    if (others.length > 0) await this.#remove(others);
    this.#noteGone(id, isNew ? name : renamed, stays.name);
    this.#context.catalog.rekeys.finish(rekeying);
  }

  #noteStored(held: HeldSnapshot): void {
    const { catalog, now } = this.#context;
    const { id, name } = held;
    const { location } = this.place;
    if (catalog.delivery(id, name, location) !== undefined) return;
    const way = ""; // For whom it was encrypted is not known: it stays due.
    catalog.addDelivery({ id, name, location, way, bytes: bytesOf(held) }, now(), 0);
  }

  /** Tells the other places what is there. */
  noteNames(): void {
    const { taken, current } = this.#names;
    for (const { key } of this.#files) if (parseKey(key)) taken.add(nameIn(key));
    for (const held of groupFiles(this.#files)) {
      if (this.#isCurrent(held)) current.set(this.#sameness(held), held.name);
    }
  }

  /** Newest first, so that each finds the second after its own free; told oldest first. */
  async run(): Promise<Rekeyed[]> {
    const { listener, planOnly, signal, spool } = this.#context;
    const told: Rekeyed[] = [];
    for (const held of groupFiles(this.#files).toReversed()) {
      signal?.throwIfAborted();
      const { id, name } = held;
      const counted = { bytes: bytesOf(held), renamed: null, reason: "" };
      const about = { id, name, destination: this.place.id, ...counted };
      const [route, step, stage] = this.#wayOf(id);
      const reason = this.#reasonToLeave(held, stage);
      if (reason !== undefined) {
        told.push({ ...about, status: "left", reason });
      } else if (this.#isCurrent(held)) {
        told.push({ ...about, status: "current" });
      } else {
        const renamed = this.#newName(held);
        if (renamed === undefined) {
          const reason = "the seconds after it are taken by other snapshots";
          told.push({ ...about, status: "left", reason });
        } else if (planOnly) told.push({ ...about, status: "due", renamed });
        else {
          listener?.({ type: "stage-started", stage: this.place.id, snapshot: `${id}/${name}` });
          told.push(
            await this.#tell(
              { ...about, renamed },
              () => this.#rekey(held, renamed, route!, step!, stage!).finally(() => spool.clear()),
            ),
          );
        }
      }
    }
    return told.toReversed();
  }

  async #tell(
    about: Omit<Rekeyed, "status">,
    work: () => Promise<void>,
  ): Promise<Rekeyed> {
    try {
      await work();
      return { ...about, status: "rekeyed" };
    } catch (error) {
      this.#context.signal?.throwIfAborted();
      return { ...about, renamed: null, status: "failed", failure: failureOf(error) };
    }
  }

  /** How today's snapshots of an id come here, and the stage that encrypts them. */
  #wayOf(id: string): [Route | undefined, Step | undefined, PipelineStage | undefined] {
    const route = routesOf(this.#context.pipeline.stages).find(({ source }) => source.id === id);
    const step = route?.steps.find(({ stage }) => stage.id === this.place.id);
    if (route === undefined || step === undefined) return [route, undefined, undefined];
    const streams = streamsFor(id, route.steps, new Set([this.place.id]));
    const transforms = streams.flatMap(({ transform }) => transform ?? []);
    return [route, step, transforms.length === 1 ? transforms[0] : undefined];
  }

  #reasonToLeave(
    { transforms, archives }: HeldSnapshot,
    stage: PipelineStage | undefined,
  ): string | undefined {
    if (transforms.length === 0) return "it is not encrypted";
    const kind = stage?.stage;
    if (kind?.kind !== "transform" || kind.rewrap === undefined || !isSealing(stage!)) {
      return "no stage of this pipeline encrypts it for here, and nothing else";
    }
    if (transforms.length !== 1 || transforms[0] !== kind.suffix) return "it was made another way";
    return archives.length === 1 ? undefined : "its archive is not there";
  }

  #isCurrent({ id, name }: HeldSnapshot): boolean {
    const [route, step] = this.#wayOf(id);
    const known = this.#context.catalog.delivery(id, name, this.place.location);
    return step !== undefined && known?.way === wayTo(step.stage, route!);
  }

  /** The same text for two names of one snapshot, as far as is known. */
  #sameness({ id, name }: Pick<HeldSnapshot, "id" | "name">): string {
    const created = this.#context.catalog.contents.known(id, name)?.created ?? createdOf(name);
    return `${id} ${name.slice(-HASH_DIGITS)} ${created.getTime()}`;
  }

  /**
   * What it is called where it has its recipients, else the next second that is free after all its
   * names. Order is kept: nothing newer is passed.
   */
  #newName(held: HeldSnapshot): string | undefined {
    const { id, name } = held;
    const { taken, current } = this.#names;
    const same = this.#sameness(held);
    const known = current.get(same);
    const isHere = ({ key }: StoredFile) => nameIn(key) === `${id}/${known}`;
    if (known !== undefined && !this.#files.some(isHere)) return known;
    const others = Array.from(taken).filter((other) => other.startsWith(`${id}/`))
      .map((other) => other.slice(id.length + 1));
    const hash = name.slice(-HASH_DIGITS);
    const own = others.filter((other) =>
      other.endsWith(hash) && this.#sameness({ id, name: other }) === same
    );
    const last = [name, ...own].toSorted().at(-1)!;
    const newer = Math.min(
      LAST_MOMENT,
      ...others.filter((other) => other > last).map((other) => createdOf(other).getTime()),
    );
    for (let moment = createdOf(last).getTime() + 1000; moment < newer; moment += 1000) {
      const renamed = snapshotName(new Date(moment), hash);
      if (taken.has(`${id}/${renamed}`)) continue;
      current.set(same, renamed);
      taken.delete(`${id}/${name}`);
      taken.add(`${id}/${renamed}`);
      return renamed;
    }
  }

  async #rekey(
    held: HeldSnapshot,
    renamed: string,
    route: Route,
    step: Step,
    stage: PipelineStage,
  ): Promise<void> {
    const { catalog, now, pool, reading } = this.#context;
    const { id, name } = held;
    const { location } = this.place;
    const manifest = await new SnapshotReader(this.place, pool, reading).manifest(held);
    const archive = await this.#rewrap(held, manifest, stage);
    const nameOf = (kind: "archive" | "manifest") => fileName({ ...held, name: renamed, kind });
    const record = { ...archive, name: nameOf("archive") };
    const after: Manifest = {
      ...manifest,
      name: renamed,
      archives: [{ name: record.name, size: record.size, sha256: record.sha256 }],
    };
    const spooled = await this.#seal(after, held, route, step);
    const files = [record, { ...spooled, name: nameOf("manifest") }];
    catalog.rekeys.begin({ id, name, location, renamed });
    catalog.contents.add(id, renamed, manifest);
    const bytes = await this.#store(id, files, step.stage);
    const run = 0; // No run made it.
    catalog.addSnapshot(id, renamed, manifest.created, manifest, run);
    const way = wayTo(step.stage, route);
    catalog.addDelivery({ id, name: renamed, location, way, bytes }, now(), run);
    await this.#remove([held.manifest, ...held.archives]);
    this.#noteGone(id, name, renamed);
    catalog.rekeys.finish({ id, name, location });
  }

  /** Fetches the archive, and spools it with another header. */
  async #rewrap(
    { archives: [stored] }: HeldSnapshot,
    { archives: [record] }: Manifest,
    stage: PipelineStage,
  ): Promise<Spooled> {
    const { pool, reading, signal, spool } = this.#context;
    const { key } = stored!;
    const [above, below] = [new MessageChannel(), new MessageChannel()];
    const stop = new AbortController();
    const stopAll = () => stop.abort(signal!.reason);
    signal?.addEventListener("abort", stopAll);
    using worker = new StageWorker(stage.use, rekeyGrants(stage), { operation: "rewrap" });
    const fetching = pool.at(this.place).call({
      operation: "fetch",
      context: { options: this.place.options, key },
      output: { ports: [above.port1], coding: PLAIN },
    }, { signal: stop.signal });
    const wrapping = worker.call({
      operation: "rewrap",
      context: { options: stage.options, identities: reading.identities },
      input: { port: above.port2, coding: PLAIN },
      output: { ports: [below.port1], coding: PLAIN },
    }, { signal: stop.signal });
    const writing = spool.write(new ChannelReader(below.port2, PLAIN, stop.signal), true);
    const all: Promise<unknown>[] = [fetching, wrapping, writing];
    for (const part of all) {
      part.catch((cause) =>
        stop.abort(new BackupError("stream-broken", "Cannot go on: a neighbour failed", { cause }))
      );
    }
    const outcomes = await Promise.allSettled(all);
    signal?.removeEventListener("abort", stopAll);
    for (const { port1, port2 } of [above, below]) {
      port1.close();
      port2.close();
    }
    signal?.throwIfAborted();
    const reasons = outcomes.flatMap((one) => one.status === "rejected" ? [one.reason] : []);
    if (reasons.length > 0) {
      throw reasons.find((reason) => toRecord(reason).code !== "stream-broken") ?? reasons[0];
    }
    const { sent } = await fetching;
    if (sent?.bytes !== record?.size || sent?.sha256 !== record?.sha256) {
      throw notTheFile(key);
    }
    const { path, size, sha256 } = await writing;
    return { path, size, sha256: sha256! };
  }

  /** Spools a manifest, encrypted as the archives of today are. */
  async #seal(
    manifest: Manifest,
    { codec }: HeldSnapshot,
    { source, steps }: Route,
    { from, stage }: Step,
  ): Promise<Spooled> {
    const { signal, spool, workers } = this.#context;
    const streams = streamsFor(source.id, steps, new Set([stage.id]));
    return await sendManifest(manifest, from, { streams }, { spool, codec, workers, signal });
  }

  async #store(
    id: string,
    files: readonly (Spooled & { readonly name: string })[],
    stage: PipelineStage,
  ): Promise<number> {
    const { catalog, listener, signal, spool, workers } = this.#context;
    const moves = stage.stage.kind === "destination" && stage.stage.takesFiles;
    const handOver = async () => {
      const directory = await spool.handOver(stage.id, files, moves);
      return {
        options: stage.options,
        owner: catalog.owner,
        message: undefined,
        files: files.map(({ name, size, sha256 }) => (
          { key: `${id}/${name}`, path: join(directory, name), size, sha256 }
        )),
      };
    };
    const stored = await deliver(() => workers.get(stage), handOver, {
      signal,
      onLog: (level, message) => listener?.({ type: "log", level, stage: stage.id, message }),
    });
    return stored.bytes ?? files.reduce((sum, { size }) => sum + size, 0);
  }

  async #remove(files: readonly StoredFile[]): Promise<void> {
    const { pool, signal } = this.#context;
    const context = { options: this.place.options, keys: files.map(({ key }) => key) };
    await pool.removing(this.place).call({ operation: "remove", context }, { signal });
  }

  #noteGone(id: string, name: string, stays: string): void {
    const { catalog } = this.#context;
    catalog.suspicions.rename(id, name, stays);
    const spot = { id, name, location: this.place.location };
    // What was proven of the old one holds for what was made of it, and not the other way round.
    if (stays > name) catalog.pruning.rename(spot, stays);
    catalog.pruning.finish([spot]);
    if (!catalog.pruning.isAnywhere(id, name)) catalog.contents.forget(id, [name]);
  }
}

function notTheFile(key: string): BackupError {
  const message = `Cannot rekey "${key}": it is not the file that the manifest names`;
  const hint = 'Look at it with "keepsake verify --all"';
  return new BackupError("snapshot-damaged", message, { hint });
}

function nameIn(key: string): string {
  const parsed = parseKey(key);
  return parsed === undefined ? key : `${parsed.id}/${parsed.name}`;
}

function failureOf(error: unknown): Failure {
  const { code, message, hint } = toRecord(error);
  if (code === "bug" || code === "interrupted") throw error;
  return { code, message, hint };
}
