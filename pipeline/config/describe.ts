/**
 * Reads docs off declared options: rows of a table, JSON Schema, help for a terminal.
 *
 * @module
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import type { Operation, OptionType, Stage, StageKind } from "../../stages/contract.ts";
import { options } from "../../stages/contract.ts";
import { wrapText } from "../../stages/formats/words.ts";
import { COMMON_OPTIONS, pipelineOptions } from "./common.ts";
import { sayChoices, sayValue } from "./problems.ts";

/** One option, as docs tell of it. */
export interface OptionRow {
  readonly name: string;
  readonly type: OptionType;
  /** The type with what narrows it: `integer from 0 to 99`. */
  readonly typeText: string;
  readonly required: boolean;
  /** As it is written; `undefined`: none. */
  readonly fallback: unknown;
  /** As it is written; `undefined`: none. */
  readonly example: unknown;
  /** Whether the example is for few machines. */
  readonly isRare: boolean;
  readonly summary: string;
}

/** The part of JSON Schema that options make use of. */
export interface OptionSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly description?: string;
  readonly "x-type"?: OptionType;
  readonly "x-rare"?: boolean;
}

/** JSON Schema of the options that a table may have, as a user writes them. */
export interface TableSchema {
  readonly properties: Readonly<Record<string, OptionSchema>>;
  readonly required: readonly string[];
}

/** The kinds of stage that are asked to do an operation. */
const ASKED: Readonly<Record<Operation, readonly StageKind[]>> = {
  survey: ["source"],
  scan: ["source"],
  run: ["prepare", "source", "gate", "transform", "destination"],
  restore: ["source", "transform"],
  list: ["destination"],
  fetch: ["destination"],
  remove: ["destination"],
  rewrap: ["transform"],
};

/** Every operation that there is. */
export const OPERATIONS = Object.keys(ASKED) as readonly Operation[];

/** What a kind of stage is asked to do. */
export function operationsOf(kind: StageKind): Operation[] {
  return OPERATIONS.filter((operation) => ASKED[operation].includes(kind));
}

/** JSON Schema of a table with these options. */
export function tableSchemaOf(entries: v.ObjectEntries): TableSchema {
  const schema = toJsonSchema(options(entries), {
    typeMode: "input",
    target: "draft-2020-12",
    ignoreActions: ["check"], // What JSON Schema has no words for is told when a file is read.
  });
  const { properties = {}, required = [] } = schema;
  return { properties: properties as Record<string, OptionSchema>, required };
}

/** The options of a table, in the order they are declared. */
export function rowsOf(entries: v.ObjectEntries): OptionRow[] {
  const { properties, required } = tableSchemaOf(entries);
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    type: schema["x-type"] ?? "text",
    typeText: typeTextOf(schema),
    required: required.includes(name),
    fallback: schema.default,
    example: schema.examples?.[0],
    isRare: schema["x-rare"] === true,
    summary: schema.description ?? "",
  }));
}

/** The options that every stage of a kind has besides its own. */
export function commonRowsOf(kind: StageKind): OptionRow[] {
  return rowsOf(COMMON_OPTIONS[kind]);
}

/** A table of options that works: the example of each option that has one. */
export function exampleOf(stage: Stage): Record<string, unknown> {
  const rows = rowsOf(stage.options.entries).filter(({ example, isRare }) =>
    example !== undefined && !isRare
  );
  return Object.fromEntries(rows.map(({ name, example }) => [name, example]));
}

/** What `--help` of a stage prints. */
export function helpOf(stage: Stage): string {
  const own = rowsOf(stage.options.entries);
  const sections = [
    `${stage.name}: ${stage.summary}.`,
    wrap(stage.description),
    `Options, below [[stage]] and use = ${sayValue(stage.name)}:`,
    ...own.map(helpOfRow),
    own.length === 0 ? "Keys:" : "Keys of any stage of its kind:",
    ...commonRowsOf(stage.kind).map(helpOfRow),
  ];
  return `${sections.filter((_, index) => own.length > 0 || index !== 2).join("\n\n")}\n`;
}

/** What `help pipeline` prints. */
export function helpOfPipeline(): string {
  const sections = [
    "[pipeline]: what holds for the pipeline as a whole. The table may be left out.",
    "Keys:",
    ...rowsOf(pipelineOptions.entries).map(helpOfRow),
  ];
  return `${sections.join("\n\n")}\n`;
}

function helpOfRow(row: OptionRow): string {
  const notes = [
    row.required ? "required" : undefined,
    row.fallback === undefined ? undefined : `default ${sayValue(row.fallback)}`,
    row.example === undefined ? undefined : `example ${sayValue(row.example)}`,
  ].filter((note) => note !== undefined);
  const lines = [`  ${row.name} (${row.typeText})`, wrap(row.summary, "      ")];
  if (notes.length > 0) lines.push(`      ${notes.join(", ")}`);
  return lines.join("\n");
}

function typeTextOf(schema: OptionSchema): string {
  if (schema.enum !== undefined) return sayChoices(schema.enum.map(String));
  const { minimum, maximum } = schema;
  const range = minimum === undefined ? "" : ` from ${minimum} to ${maximum}`;
  const type = schema["x-type"] ?? "text";
  // What is found for it is nothing that anybody writes.
  return `${type === "claude" ? "flag" : type}${range}`;
}

/** Breaks a paragraph into lines of at most `width` characters, where its words allow it. */
export function wrap(text: string, indent = "", width = 80): string {
  return wrapText(text, width - indent.length).map((line) => indent + line).join("\n");
}
