/**
 * The workers of a run: one for each stage that acts, made before it is needed and kept to the end.
 *
 * @module
 */
import type { PipelineStage } from "./config/pipeline.ts";
import { runGrants } from "./grants.ts";
import { StageWorker } from "./worker/host.ts";

/** Starts stages' workers, each with what its stage is granted and nothing else. */
export class WorkerPool {
  readonly #state: string;
  readonly #workers = new Map<string, StageWorker>();

  /** @param state The pipeline's state directory. */
  constructor(state: string) {
    this.#state = state;
  }

  /**
   * The worker of a stage. Asking before there is work lets it start meanwhile.
   *
   * @param role Tells workers apart where a stage has several.
   */
  get(stage: PipelineStage, role = ""): StageWorker {
    const key = `${stage.id} ${role}`;
    const there = this.#workers.get(key);
    if (there?.isAlive) return there;
    const worker = new StageWorker(stage.use, runGrants(stage, this.#state));
    this.#workers.set(key, worker);
    return worker;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.close();
    this.#workers.clear();
  }
}
