/**
 * Tables → a draft of the pipeline, and everything that is wrong with them. Looks at nothing but
 * the file: paths are not expanded and no other file is read.
 *
 * @module
 */
import type * as v from "valibot";
import type { Stage } from "../../stages/contract.ts";
import type { Policy } from "../retention.ts";
import { COMMON_OPTIONS, NAME_REGEXP, pipelineOptions } from "./common.ts";
import { isTable, type Table } from "./parse.ts";
import type { PipelineStage } from "./pipeline.ts";
import { type Finding, type Path, sayChoices } from "./problems.ts";
import { checkRetention, policyOf } from "./retention.ts";
import { suggest } from "./suggest.ts";
import { checkTable, expected, HINT_STAGES, MOST_SUGGESTIONS, unknownKey } from "./table.ts";

/** The built-in stages: each is loaded when a file names it. */
export type Registry = Readonly<Record<string, () => Promise<{ readonly default: Stage }>>>;

/** One `[[stage]]` as it is written, as far as it is right. */
export interface DraftStage {
  /** Counted from 0. */
  readonly index: number;
  /** Empty when what the file says is no id. */
  readonly id: string;
  /** The stage's name; where there is no such stage, the name that was probably meant. */
  readonly use: string;
  /** `undefined` when there is no such stage. */
  readonly stage: Stage | undefined;
  /** Those that are right, units parsed and defaults filled in. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Lists among them some of whose entries are wrong, which are `undefined`. */
  readonly partial: Readonly<Record<string, readonly unknown[]>>;
  /** Whether all its options are right. */
  readonly complete: boolean;
  readonly only: readonly string[] | undefined;
  readonly input: string | undefined;
  readonly plaintext: boolean;
  readonly secrets: PipelineStage["secrets"];
  /** Which snapshots stay there; `undefined`: all. */
  readonly retention: Policy | undefined;
  /** How often it has to be proven that a destination gives things back. */
  readonly proof: Proof;
  /** Whether it cannot be told what it does with what it gets, as its keys are wrong. */
  readonly doubtful: boolean;
}

/** What `drill_every` and `max_unproven` say, in milliseconds. */
type Proof = Pick<PipelineStage, "drillEvery" | "maxUnproven">;

/** The file as far as it is right. */
export interface Draft {
  /** The keys of `[pipeline]`. */
  readonly pipeline: Readonly<Record<string, unknown>>;
  /** Lists among them some of whose entries are wrong, which are `undefined`. */
  readonly partial: Readonly<Record<string, readonly unknown[]>>;
  readonly stages: readonly DraftStage[];
  readonly findings: readonly Finding[];
}

/** Validates what a pipeline file says, table by table. */
export async function validatePipeline(file: Table, registry: Registry): Promise<Draft> {
  const findings: Finding[] = [];
  const unknown = Object.keys(file).filter((key) => !TABLES.includes(key));
  for (const key of unknown) findings.push(unknownTable(key, findings.length < MOST_SUGGESTIONS));
  const table = file["pipeline"] ?? {};
  if (!isTable(table)) {
    const hint = "Write [pipeline], with one bracket, above its keys";
    findings.push(expected(["pipeline"], "Expected a table: [pipeline]", hint));
  }
  const pipeline = checkTable(
    isTable(table) ? table : {},
    pipelineOptions.entries,
    ["pipeline"],
    '"keepsake help pipeline"',
  );
  const tables = stageTables(file, findings);
  const raw = await Promise.all(
    tables.map(({ table, index }) => checkStage(table, index, registry)),
  );
  return {
    pipeline: pipeline.values,
    partial: pipeline.partial,
    stages: withIds(raw),
    findings: [...findings, ...pipeline.findings, ...raw.flatMap((stage) => stage.findings)],
  };
}

/** Every stage is compared with every other, so that there is a bound. */
const MOST_STAGES = 200;

const TABLES = ["pipeline", "stage"];

function unknownTable(key: string, mayBeMisspelt: boolean): Finding {
  if (Object.hasOwn(pipelineOptions.entries, key)) {
    return unknownKey([key], undefined, "Put it below [pipeline]");
  }
  const hint = "Put it below [pipeline], or below the [[stage]] that it belongs to";
  return unknownKey([key], mayBeMisspelt ? suggest(key, TABLES) : undefined, hint);
}

/** The tables that are tables; the others are found wrong. */
function stageTables(file: Table, findings: Finding[]): { table: Table; index: number }[] {
  const written = file["stage"];
  const hint = "Write [[stage]] above the keys of each stage";
  if (written === undefined || Array.isArray(written) && written.length === 0) {
    const misspelt = findings.some(({ message }) => message.endsWith('did you mean "stage"?'));
    if (!misspelt) {
      const message = "Cannot find a stage: there is no [[stage]]";
      const hint =
        'Add stages, which "keepsake help" lists, or move it away and write one with "keepsake init"';
      findings.push({ path: [], at: "key", message, hint });
    }
    return [];
  }
  if (!Array.isArray(written)) {
    findings.push(expected(["stage"], "Expected a list of tables: [[stage]]", hint));
    return [];
  }
  if (written.length > MOST_STAGES) {
    const hint = "Put the others into a pipeline file of their own";
    const message = `Expected at most ${MOST_STAGES} stages`;
    findings.push(expected(["stage", MOST_STAGES], message, hint));
  }
  return written.slice(0, MOST_STAGES).flatMap((table: unknown, index) => {
    if (isTable(table)) return [{ table, index }];
    findings.push(expected(["stage", index], "Expected a table", hint));
    return [];
  });
}

type RawStage = Omit<DraftStage, "id"> & {
  readonly id: string | undefined;
  readonly findings: readonly Finding[];
};

async function checkStage(table: Table, index: number, registry: Registry): Promise<RawStage> {
  const path = ["stage", index];
  const names = Object.keys(registry);
  const written = typeof table["use"] === "string" ? table["use"] : "";
  const use = names.includes(written) ? written : suggest(written, names) ?? asId(written);
  const stage = use === written ? (await registry[use]?.())?.default : undefined;
  const common = COMMON_OPTIONS[stage?.kind ?? "destination"];
  const entries: v.ObjectEntries = { ...common, ...stage?.options.entries };
  const findings = stage === undefined ? [wrongUse(table, path, registry)] : [];
  // Of a stage that does not exist, nobody knows which keys it has.
  const judged = pick(
    table,
    (key) => stage === undefined ? Object.hasOwn(common, key) : key !== "use",
  );
  const page = stage && `"keepsake help ${stage.name}"`;
  const checked = checkTable(judged, entries, path, page, (key) => commonOfOthers(key, stage));
  const { id, only, input, plaintext, secrets, ...rest } = checked.values;
  const { drill_every: drillEvery, max_unproven: maxUnproven, ...others } = rest;
  const { policy, options } = policyOf(others);
  const fault = stage?.kind === "source" && checked.complete
    ? stage.faultOf?.(options as never)
    : undefined;
  if (fault !== undefined) {
    const { key, message, hint } = fault;
    findings.push({ path: [...path, key], at: "key", message, hint });
  }
  return {
    index,
    id: table["id"] === undefined ? undefined : id as string | undefined ?? "",
    use,
    stage,
    options,
    partial: checked.partial,
    complete: stage !== undefined && checked.complete && fault === undefined,
    only: only as readonly string[] | undefined,
    input: input as string | undefined,
    plaintext: plaintext === true,
    secrets: secrets as PipelineStage["secrets"],
    retention: policy,
    proof: {
      ...(typeof drillEvery === "number" && { drillEvery }),
      ...(typeof maxUnproven === "number" && { maxUnproven }),
    },
    doubtful: stage === undefined ||
      checked.findings.some(({ path }) => path.length > 2 && ROUTING.includes(`${path[2]}`)),
    findings: [...findings, ...checked.findings, ...checkRetention(judged, rest, path)],
  };
}

/** So that a reference to a stage that does not exist is not a problem of its own. */
function asId(use: string): string {
  return NAME_REGEXP.test(use) ? use : "";
}

const ROUTING = ["only", "input", "plaintext"];

function wrongUse(table: Table, path: Path, registry: Registry): Finding {
  const names = Object.keys(registry);
  const expectation = `expected ${sayChoices(names)}`;
  const { use } = table;
  if (use === undefined) {
    const message = `Missing key, ${expectation}`;
    return { path: [...path, "use"], at: "key", message, hint: 'Add a line use = "…"' };
  }
  const near = typeof use === "string" ? suggest(use, names) : undefined;
  return expected(
    [...path, "use"],
    near === undefined ? `Unknown stage, ${expectation}` : `Unknown stage, did you mean "${near}"?`,
    near === undefined ? HINT_STAGES : `Write use = "${near}"`,
  );
}

/** A key that some stages carry has no meaning for this one. */
function commonOfOthers(key: string, stage: Stage | undefined): string | undefined {
  if (stage === undefined || !Object.hasOwn(COMMON_OPTIONS.destination, key)) return undefined;
  return `Cannot use this key here: it has no meaning for a ${stage.kind} stage`;
}

/** Ids that the file gives come first: what is numbered keeps out of their way. */
function withIds(stages: readonly RawStage[]): DraftStage[] {
  const taken = new Set(stages.map((stage) => stage.id));
  return stages.map(({ findings: _, ...stage }) => {
    let id = stage.id ?? stage.use;
    if (stage.id === undefined) {
      for (let number = 2; taken.has(id); number++) id = `${stage.use}-${number}`;
    }
    taken.add(id);
    return { ...stage, id };
  });
}

function pick(table: Table, keep: (key: string) => boolean): Table {
  return Object.fromEntries(Object.entries(table).filter(([key]) => keep(key)));
}
