/**
 * The workers of a run, or of a look at what is stored: one for each stage that acts, made before it
 * is needed and kept to the end.
 *
 * @module
 */
import type { Operation, Stage, TransformStage } from "../../stages/contract.ts";
import type { BackupError } from "../../stages/errors.ts";
import { stages, USUAL_TRANSFORM } from "../../stages/mod.ts";
import type { PipelineStage } from "../config/pipeline.ts";
import { folderOf, runGrants, union, withPrograms } from "../grants.ts";
import type { Place } from "../places.ts";
import { equip, Equipment } from "./equipment.ts";
import { StageWorker } from "./host.ts";

/** Starts stages' workers, each with what its stage is granted and nothing else. */
export class WorkerPool {
  readonly #state: string;
  readonly #workers = new Map<string, StageWorker>();
  readonly #all: { readonly stage: PipelineStage; readonly worker: StageWorker }[] = [];

  /** @param state The pipeline's state directory. */
  constructor(state: string) {
    this.#state = state;
  }

  /**
   * The worker of a stage. Asking before there is work lets it start meanwhile.
   *
   * @param role Tells workers apart where a stage has several.
   * @param ahead What it will be asked in a while, to load what that takes until then.
   */
  get(stage: PipelineStage, { role = "", ahead }: {
    readonly role?: string;
    readonly ahead?: Operation | undefined;
  } = {}): StageWorker {
    const key = `${stage.id} ${role}`;
    const there = this.#workers.get(key);
    if (there?.isAlive) return there;
    const grants = runGrants(stage, this.#state);
    const given = equip(stage, folderOf(stage, this.#state));
    const worker = new StageWorker(stage.use, grants, { operation: ahead, given });
    this.#workers.set(key, worker);
    this.#all.push({ stage, worker });
    return worker;
  }

  /**
   * Ends the workers of a stage that has done all that it is there for: they hold memory. What they
   * answered is final, as all that they wrote was taken; of what fails in them later nobody hears.
   */
  end({ id }: PipelineStage): void {
    for (const [key, worker] of this.#workers) if (key.startsWith(`${id} `)) worker.close();
  }

  /** The stages whose workers failed after they had answered, and how. */
  lateFailures(): { readonly stage: PipelineStage; readonly failure: BackupError }[] {
    return this.#all.flatMap(({ stage, worker }) =>
      worker.lateFailure ? [{ stage, failure: worker.lateFailure }] : []
    );
  }

  /** Waits until the workers there are have come up: those that are made later would delay them. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#workers.values(), ({ ready }) => ready));
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.close();
    this.#workers.clear();
  }
}

/** The workers that look at what is stored. Each is made once, or warmed up beforehand. */
export class ReadingPool {
  readonly #workers = new Map<unknown, StageWorker>();
  readonly #equipment = new Equipment();
  #places: readonly string[] = [];

  /** The worker of a place, which may list and fetch. */
  at(place: Place): StageWorker {
    const { stage, options, use } = place;
    return this.#get(place, () => {
      const own = union(stage.permissions(options, "list"), stage.permissions(options, "fetch"));
      const { grants, given } = this.#equipment.at(place);
      const all = union(withPrograms(own), grants);
      return new StageWorker(use, all, { operation: "fetch", given });
    });
  }

  /** @throws {BackupError} When a worker failed after it had answered. */
  assertSound(): void {
    for (const { lateFailure } of this.#workers.values()) if (lateFailure) throw lateFailure;
  }

  /** The worker that removes at a place, and may do nothing else. */
  removing(place: Place): StageWorker {
    const { stage, options, use } = place;
    return this.#get(`remove ${place.id}`, () => {
      const { grants, given } = this.#equipment.at(place);
      const all = union(withPrograms(stage.permissions(options, "remove")), grants);
      return new StageWorker(use, all, { operation: "remove", given });
    });
  }

  /** The worker that undoes what gave files this ending; `undefined`: nothing here does. */
  async undoing(suffix: string): Promise<StageWorker | undefined> {
    for await (const stage of allStages()) {
      if (stage.kind === "transform" && stage.suffix === suffix) return this.#undoing(stage);
    }
  }

  /** The worker that unpacks what source `use` made; it may write where {@linkcode warmSources} said. */
  unpacking(use: string): StageWorker {
    const grants = { read: this.#places, write: this.#places };
    const make = () => new StageWorker(use, grants, { operation: "restore" });
    return this.#get([use, ...this.#places].join("\0"), make);
  }

  /**
   * Starts the workers that undo transforms: what is stored most probably needs them, and they take
   * longest to come up.
   *
   * @param among Stages that what is stored went through; by default all there are.
   */
  async warmTransforms(among: Stages = allStages()): Promise<void> {
    for await (const stage of among) if (stage.kind === "transform") this.#undoing(stage);
  }

  /** Starts the one that nearly all that is stored needs, and loads no other stage for that. */
  async warmUsual(): Promise<void> {
    await this.warmTransforms([(await stages[USUAL_TRANSFORM]!()).default]);
  }

  /**
   * Starts the workers that unpack.
   *
   * @param places Directories that may be unpacked into.
   * @param among Stages of which some made what is stored; by default all there are.
   */
  async warmSources(places: readonly string[], among: Stages = allStages()): Promise<void> {
    this.#places = places;
    for await (const stage of among) if (stage.kind === "source") this.unpacking(stage.name);
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.close();
    this.#equipment.remove();
  }

  #undoing(stage: TransformStage): StageWorker {
    const make = () =>
      new StageWorker(stage.name, stage.permissions({}, "restore"), { operation: "restore" });
    return this.#get(stage.name, make);
  }

  #get(key: unknown, make: () => StageWorker): StageWorker {
    const there = this.#workers.get(key);
    if (there?.isAlive) return there;
    const worker = make();
    this.#workers.set(key, worker);
    return worker;
  }
}

type Stages = Iterable<Stage> | AsyncIterable<Stage>;

/** Each as it is loaded: whoever has found what it wants waits for no other. */
async function* allStages(): AsyncGenerator<Stage, void, void> {
  for (const load of Object.values(stages)) yield (await load()).default;
}
