/**
 * The example of a pipeline file: `pipeline.example.toml`. Works as it is where there is a
 * `~/.claude` and a file of recipients.
 *
 * @module
 */
import type { Stage, StageKind } from "../../stages/contract.ts";
import { COMMON_OPTIONS, pipelineOptions, WATCH_KEYS } from "./common.ts";
import { commonRowsOf, type OptionRow, rowsOf } from "./describe.ts";
import { sayValue } from "./problems.ts";

/** The example as TOML: every stage in an order that works, with every option. */
export function exampleFileOf(stages: readonly Stage[]): string {
  const blocks = inOrder(stages).map((stage, index, ordered) => {
    const first = ordered.findIndex(({ kind }) => kind === stage.kind) === index;
    const block = blockOf(stage);
    // One destination is enough to start with, and needs nobody's account.
    return stage.kind === "destination" && !first ? commentOut(block) : block;
  });
  return `${[HEADER, keysOf(), pipelineBlock(), ...blocks].join("\n\n")}\n`;
}

/** A stage acts on what the stages above it made, so that their kinds tell a working order. */
function inOrder(stages: readonly Stage[]): Stage[] {
  return stages.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
}

const KINDS: readonly StageKind[] = ["prepare", "source", "gate", "transform", "destination"];

const HEADER = `#:schema ./pipeline.schema.json
#
# An example of a pipeline file, with every stage and every option. What is commented out shows the
# default, or what the option looks like. In paths, ~, $NAME, \${NAME} and \${NAME:-default} expand.
# The identity and the recipients are made by "keepsake keygen".`;

/** What most stages can have would be noise at each of them. */
const SHARED = Object.keys(COMMON_OPTIONS.transform);

function keysOf(): string {
  const rows = commonRowsOf("transform").flatMap((row) => [
    `# ${row.summary}`,
    `# ${row.name} = ${sayValue(row.example)}`,
  ]);
  return ["# Keys that stages below can also have:", ...rows].join("\n");
}

function pipelineBlock(): string {
  const chosen: readonly string[] = WATCH_KEYS;
  return [
    "[pipeline]",
    ...rowsOf(pipelineOptions.entries).flatMap((row) =>
      // Whoever copies the file has nobody told by it.
      linesOf(
        chosen.includes(row.name) ? { ...row, fallback: row.example, example: undefined } : row,
      )
    ),
  ].join("\n");
}

function blockOf(stage: Stage): string {
  const common = commonRowsOf(stage.kind).filter(({ name }) => !SHARED.includes(name));
  return [
    `# ${stage.summary}.`,
    "[[stage]]",
    `use = ${sayValue(stage.name)}`,
    // It names the folder in which a snapshot is found again.
    ...(stage.kind === "source" ? ['id = "claude"'] : []),
    ...rowsOf(stage.options.entries).flatMap(linesOf),
    ...common.flatMap(({ example, fallback = example, ...row }) =>
      linesOf({ ...row, fallback, example: undefined })
    ),
  ].join("\n");
}

function linesOf(row: OptionRow): string[] {
  const { name, summary, typeText, type, example, isRare, fallback, required } = row;
  if (required && example === undefined) {
    throw new TypeError(`Cannot show option "${name}": it is required and has no example`);
  }
  const words = type === "choice" ? ` One of ${typeText}.` : "";
  const line = example !== undefined
    ? `${isRare ? "# " : ""}${name} = ${sayValue(example)}`
    : `# ${name} = ${fallback === undefined ? "…" : sayValue(fallback)}`;
  return [`# ${summary}${words}`, line];
}

function commentOut(block: string): string {
  return block.replaceAll(/^(?!# )/gm, "# ");
}
