/**
 * What would run, with which permissions, and whether the second promise holds. Looks at the file
 * system for links alone, which workers are granted as what they lead to.
 *
 * @module
 */
import type { StageKind } from "../stages/contract.ts";
import type { Pipeline, PipelineStage } from "./config/pipeline.ts";
import { drillGrants, pruneGrants, rekeyGrants, runGrants, union } from "./grants.ts";
import { sayPolicy } from "./retention.ts";
import { type Route, routesOf, type Step } from "./routes.ts";
import { type SecretPolicy, secretPolicyOf } from "./secret_policy.ts";
import { type Permissions, permissionsOf, resolveGrants } from "./worker/host.ts";

/** One stage as it would run. */
export interface PlannedStage {
  readonly id: string;
  readonly use: string;
  readonly kind: StageKind;
  /** One line about it. */
  readonly summary: string;
  /** Where a destination keeps things; `null` for other kinds. */
  readonly location: string | null;
  /** The keys that say which snapshots stay at a destination; empty: nothing is ever removed. */
  readonly retention: readonly string[];
  /** What a destination does with secrets, the strictest where snapshots differ; `null` for others. */
  readonly secrets: SecretPolicy | null;
  /** Ids of the stages whose output it takes. */
  readonly inputs: readonly string[];
  /** The eight keys of what its workers get, those that remove and that drill included. */
  readonly permissions: Permissions;
  readonly seesPlaintext: boolean;
  readonly reachesNetwork: boolean;
  /** `false` for a stage that may start programs: what those do is out of the sandbox's reach. */
  readonly sandboxed: boolean;
}

/** A worker that tells somebody how runs go. It reads no file, and gets to see what it tells alone. */
export interface PlannedMessenger {
  readonly use: "alert" | "heartbeat" | "command";
  /** The host or program; where no address stands now, what should lead to one. */
  readonly location: string;
  readonly permissions: Permissions;
}

/** The whole pipeline as it would run. */
export interface Plan {
  readonly pipeline: string;
  readonly file: string;
  readonly state: string;
  readonly stages: readonly PlannedStage[];
  readonly messengers: readonly PlannedMessenger[];
  /** No stage both reads plaintext and reaches the network. */
  readonly secondPromise: {
    readonly holds: boolean;
    /** One sentence for each stage that breaks it. */
    readonly breaches: readonly string[];
  };
}

/** Plans a pipeline. */
export function planOf(
  pipeline: Pipeline,
  messengers: readonly PlannedMessenger[] = [],
): Plan {
  const { name, file, state, stages } = pipeline;
  const routes = routesOf(stages);
  const planned = stages.map((stage) => planStage(stage, routes, pipeline));
  const breaches = planned
    .filter(({ seesPlaintext, reachesNetwork }) => seesPlaintext && reachesNetwork)
    .map(({ id, location }) =>
      `"${id}" reads plaintext and reaches the network${location === null ? "" : ` (${location})`}`
    );
  const secondPromise = { holds: breaches.length === 0, breaches };
  return { pipeline: name, file, state, stages: planned, messengers, secondPromise };
}

function planStage(
  pipelineStage: PipelineStage,
  routes: readonly Route[],
  pipeline: Pipeline,
): PlannedStage {
  const { id, use, stage, options, retention } = pipelineStage;
  const steps = routes.flatMap((route) => route.steps.filter((step) => step.stage.id === id));
  const granted = union(
    runGrants(pipelineStage, pipeline.state),
    pruneGrants(pipelineStage),
    rekeyGrants(pipelineStage),
    stage.kind === "source" ? drillGrants(pipeline) : {},
  );
  // With the true places of links, as the worker gets them.
  const permissions = permissionsOf(resolveGrants(granted));
  return {
    id,
    use,
    kind: stage.kind,
    summary: stage.summary,
    location: stage.kind === "destination" ? stage.location(options) : null,
    retention: retention === undefined ? [] : sayPolicy(retention),
    secrets: stage.kind === "destination" ? strictest(steps) : null,
    inputs: [...new Set(steps.map(({ from }) => from))],
    permissions,
    seesPlaintext: seesPlaintext(stage.kind, steps),
    // A program that is started can do anything that its user can.
    reachesNetwork: permissions.net !== false || permissions.run !== false,
    sandboxed: permissions.run === false,
  };
}

function strictest(steps: readonly Step[]): SecretPolicy {
  const policies = new Set(steps.map(secretPolicyOf));
  return policies.has("block") ? "block" : policies.has("warn") ? "warn" : "allow";
}

/** A gate is told hashes only; what reads files of this machine reads plaintext by nature. */
function seesPlaintext(kind: StageKind, steps: readonly { readonly sealed: boolean }[]): boolean {
  if (kind === "gate") return false;
  return kind === "prepare" || kind === "source" || steps.some(({ sealed }) => !sealed);
}
