/**
 * A pipeline as the rest of the program sees it: checked, expanded, with every option in its place.
 *
 * @module
 */
import type { Stage } from "../../stages/contract.ts";
import type { Policy } from "../retention.ts";
import type { SecretPolicy } from "../secret_policy.ts";
import type { Shape } from "./common.ts";

/** One `[[stage]]` of the file. */
export interface PipelineStage {
  /** Unique in the pipeline: what the file says, else `use`, numbered if repeated. */
  readonly id: string;
  /** The registry's name for it. */
  readonly use: string;
  /** Where it stands, in the user's words: `stage[2]`, counted from 1. */
  readonly at: string;
  readonly stage: Stage;
  /** As the stage receives them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Ids of the snapshots it acts on; `undefined`: all above it. */
  readonly only: readonly string[] | undefined;
  /** Id of the stage whose output it takes; `undefined`: the nearest above. */
  readonly input: string | undefined;
  /** For a destination: whether it may get plaintext. */
  readonly plaintext: boolean;
  /** For a destination: what secrets mean; `undefined`: that depends on what it gets. */
  readonly secrets?: SecretPolicy | undefined;
  /** For a destination: which snapshots stay there; `undefined`: all. */
  readonly retention?: Policy | undefined;
  /** For a destination: milliseconds between drills during runs, where it says so itself. */
  readonly drillEvery?: number | undefined;
  /** For a destination: milliseconds that it may go without being proven. */
  readonly maxUnproven?: number | undefined;
}

/** The whole file. Paths are absolute. */
export interface Pipeline {
  /** The file it was read from. */
  readonly file: string;
  readonly name: string;
  /** Directory that holds this pipeline's catalog, lock and spool: `<state>/<name>`. */
  readonly state: string;
  /** File with the identities for restore and verify. */
  readonly identity: string | undefined;
  /** Milliseconds between drills during runs; `undefined`: they are asked for. */
  readonly drillEvery?: number | undefined;
  /** File with the fingerprints of secrets that may be stored. */
  readonly knownSecrets?: string | undefined;
  readonly stages: readonly PipelineStage[];
  /** Who and what is told how runs go; `undefined`: nobody. */
  readonly watch?: Watch | undefined;
}

/** An address, or a reference to where it stands (`env:NAME`, `file:` with an absolute path). */
export interface Hook {
  readonly address: string;
  /** `undefined`: the address tells. */
  readonly shape: Shape | undefined;
}

/** Who and what is told how runs go. */
export interface Watch {
  readonly alerts: readonly Hook[];
  /** A program and its first words. */
  readonly command: readonly string[] | undefined;
  /** As {@linkcode Hook.address}. */
  readonly heartbeat: string | undefined;
  /** Directory. */
  readonly log: string | undefined;
  /** File. */
  readonly metrics: string | undefined;
}

/** One thing wrong with the file. */
export interface Problem {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in characters. */
  readonly column: number;
  /** Where, as a user would say it: `stage[2].path`; empty for the file itself. */
  readonly path: string;
  /** What, in one sentence without a full stop. Never holds a value that may be secret. */
  readonly message: string;
  /** What to do about it: one imperative sentence without a full stop. */
  readonly hint: string;
}
