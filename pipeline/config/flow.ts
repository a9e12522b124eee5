/**
 * Follows every archive through the stages: what reaches nothing, what nothing reaches, and where
 * plaintext would arrive that nobody asked for.
 *
 * @module
 */
import { type Routable, type Route, routesOf, type Step } from "../routes.ts";
import type { Finding } from "./problems.ts";
import type { DraftStage } from "./validate.ts";

/** A stage as it stands in the routes. */
export interface Node extends Routable {
  readonly draft: DraftStage;
  /** Nothing is held against it, nor against what takes its output. */
  readonly doubtful: boolean;
}

/** What an unknown stage is taken for: one that holds nothing against those below. */
const UNKNOWN = { kind: "transform", seals: true } as const;

/** Stages ready for routing, whatever is wrong with their ids and references. */
export function nodesOf(stages: readonly DraftStage[], references: readonly Finding[]): Node[] {
  const broken = new Set(references.map(({ path }) => path[1]));
  const ids = new Set(stages.map(({ id }) => id));
  return stages.map((draft, position) => {
    const first = stages.findIndex(({ id }) => id === draft.id) === position;
    const named = [...draft.only ?? [], ...draft.input === undefined ? [] : [draft.input]];
    const doubtful = draft.doubtful || broken.has(draft.index) ||
      named.some((id) => !ids.has(id));
    return {
      draft,
      doubtful,
      id: first && draft.id !== "" ? draft.id : `#${draft.index}`,
      stage: draft.stage ?? UNKNOWN,
      only: doubtful ? undefined : draft.only,
      input: doubtful ? undefined : draft.input,
    };
  });
}

/** One step on the way of one source's archive. */
interface Passage extends Step<Node> {
  readonly source: Node;
  /** Whether it is not known what comes in. */
  readonly doubtful: boolean;
}

/** Checks that every archive goes somewhere, as it should. */
export function checkFlow(nodes: readonly Node[]): Finding[] {
  if (!nodes.some(({ stage }) => stage.kind === "source")) return [];
  const passages = routesOf(nodes).flatMap(passagesOf);
  const misplaced = nodes.filter((node, position) =>
    takesArchives(node) && !nodes.slice(0, position).some(maySource)
  );
  return nodes.flatMap((node, position) => {
    if (node.doubtful) return [];
    if (misplaced.includes(node)) {
      const message = `Stage "${nameOf(node)}" stands above every source: nothing reaches it`;
      return [findingAt(node.draft, message, "Move it below a source")];
    }
    const arriving = passages.filter(({ stage }) => stage === node);
    if (node.stage.kind === "destination") return checkDestination(node, arriving);
    const below = nodes.slice(position + 1);
    // Without a destination that could be reached, its absence is the one problem to tell.
    const excused = below.some(({ doubtful }) => doubtful) || !nodes.some(isDestination) ||
      misplaced.some(isDestination);
    return excused ? [] : checkUse(node, passages);
  });
}

/** A finding about a stage as a whole. */
export function findingAt({ index }: DraftStage, message: string, hint: string): Finding {
  return { path: ["stage", index], at: "key", message, hint };
}

function passagesOf({ source, steps }: Route<Node>): Passage[] {
  const doubt = new Set(source.doubtful ? [source.id] : []);
  return steps.map((step) => {
    const doubtful = step.stage.doubtful || doubt.has(step.from);
    if (doubtful) doubt.add(step.stage.id);
    return { ...step, source, doubtful };
  });
}

/** What a source, a gate or a transform does must matter to something below. */
function checkUse(node: Node, passages: readonly Passage[]): Finding[] {
  const { id, draft, stage: { kind } } = node;
  const name = nameOf(node);
  const hint = "Move it above a destination, or remove it";
  if (kind === "source") {
    if (passages.some(({ source, stage }) => source === node && isDestination(stage))) return [];
    return [findingAt(draft, `Snapshot "${name}" reaches no destination`, hint)];
  }
  if (kind === "transform" && !passages.some(({ from }) => from === id)) {
    const message = `Stage "${name}" is of no use: no destination below takes what it makes`;
    return [findingAt(draft, message, hint)];
  }
  if (kind === "gate" && !passages.some(({ gates }) => gates.includes(id))) {
    const message = `Stage "${name}" is of no use: no destination below gets what it lets through`;
    return [findingAt(draft, message, hint)];
  }
  return [];
}

function checkDestination(node: Node, arriving: readonly Passage[]): Finding[] {
  const { draft } = node;
  const name = nameOf(node);
  if (arriving.length === 0) {
    const message = `Nothing reaches destination "${name}": its input and its only leave nothing`;
    return [findingAt(draft, message, "Remove one of the two, or name another stage")];
  }
  const path = ["stage", draft.index, "plaintext"];
  const sealed = arriving.find(({ sealed, doubtful }) => sealed && !doubtful);
  const reason = sealed && needsPlaintext(node);
  if (reason !== undefined) {
    const message = `Destination "${name}" would get snapshot "${
      nameOf(sealed!.source)
    }" encrypted, although ${reason}`;
    const hint = "Move it above the stage that encrypts, and say plaintext = true";
    return [findingAt(draft, message, hint)];
  }
  const open = arriving.filter(({ sealed, doubtful }) => !sealed && !doubtful);
  if (open.length === 0) {
    if (!draft.plaintext || arriving.some(({ doubtful }) => doubtful)) return [];
    const message = `Destination "${name}" gets no plaintext: all that reaches it is encrypted`;
    const hint = "Remove plaintext = true, or move the stage above the one that encrypts";
    return [{ path, at: "key", message, hint }];
  }
  const secret = open.find(({ source }) => needsEncryption(source) !== undefined)?.source;
  const source = secret ?? open[0]!.source;
  const would = `Destination "${name}" would get snapshot "${nameOf(source)}" as plaintext`;
  if (secret !== undefined) {
    const message = `${would}, although ${needsEncryption(secret)}`;
    return [{ path, at: "key", message, hint: "Put a stage that encrypts above the destination" }];
  }
  if (draft.plaintext) return [];
  const hint = "Put a stage that encrypts above it, or say plaintext = true";
  return [findingAt(draft, `${would}: nothing above it encrypts`, hint)];
}

/** What to call it, also where its id is wrong. */
function nameOf({ draft: { id, use } }: Node): string {
  return id === "" ? use : id;
}

function needsEncryption({ draft: { stage, options, complete } }: Node): string | undefined {
  if (stage?.kind !== "source" || !complete) return undefined;
  return stage.needsEncryption?.(options as never);
}

function needsPlaintext({ draft: { stage, options, complete } }: Node): string | undefined {
  if (stage?.kind !== "destination" || !complete) return undefined;
  return stage.needsPlaintext?.(options as never);
}

function takesArchives({ stage: { kind } }: Node): boolean {
  return kind === "gate" || kind === "transform" || kind === "destination";
}

function isDestination({ stage: { kind } }: Node): boolean {
  return kind === "destination";
}

function maySource({ stage, draft }: Node): boolean {
  return stage.kind === "source" || draft.stage === undefined;
}
