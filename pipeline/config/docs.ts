/**
 * The reference of all stages: `docs/stages.md`.
 *
 * @module
 */
import * as v from "valibot";
import type { Grants, OptionType, Stage, StageKind } from "../../stages/contract.ts";
import { pipelineOptions } from "./common.ts";
import { commonRowsOf, exampleOf, operationsOf, type OptionRow, rowsOf, wrap } from "./describe.ts";
import { sayValue } from "./problems.ts";

/** The reference in Markdown, formatted as `deno fmt` would. */
export function stagesPageOf(stages: readonly Stage[]): string {
  const sections = [
    INTRODUCTION,
    "## `[pipeline]`",
    "What holds for the pipeline as a whole. The table may be left out.",
    optionsTable(rowsOf(pipelineOptions.entries)),
    ...stages.flatMap(sectionsOf),
    "## Types",
    table(["Type", "Written as"], Object.entries(TYPES).map(([type, said]) => [type, said])),
  ];
  return `${sections.join("\n\n")}\n`;
}

function sectionsOf(stage: Stage): string[] {
  const { name, kind, summary, description } = stage;
  return [
    `## \`${name}\``,
    wrap(`${summary}. Kind: ${kind}, which ${KINDS[kind]}.`, "", WIDTH),
    wrap(description, "", WIDTH),
    optionsTable([...rowsOf(stage.options.entries), ...commonRowsOf(kind)]),
    "Its permissions with the options of the example:",
    permissionsTable(stage),
  ];
}

function optionsTable(rows: readonly OptionRow[]): string {
  return table(
    ["Key", "Type", "Default", ""],
    rows.map((row) => [
      code(row.name),
      row.type === "choice" ? row.typeText.replaceAll(/"[^"]*"/g, code) : row.typeText,
      row.required ? "required" : row.fallback === undefined ? "" : code(sayValue(row.fallback)),
      row.summary,
    ]),
  );
}

function permissionsTable(stage: Stage): string {
  const options = v.parse(stage.options, exampleOf(stage));
  return table(
    ["Operation", ...GRANTS],
    operationsOf(stage.kind).filter((operation) => operation in stage).map((operation) => {
      const grants = stage.permissions(options as never, operation);
      return [operation, ...GRANTS.map((key) => grants[key]?.map(code).join(", ") || "none")];
    }),
  );
}

const WIDTH = 100;

const GRANTS = ["read", "write", "net", "env", "sys", "run"] as const satisfies (keyof Grants)[];

const KINDS: Readonly<Record<StageKind, string>> = {
  prepare: "makes or updates files on this machine",
  source: "turns paths into one archive and its manifest",
  gate: "ends the way of an archive that nothing below needs",
  transform: "takes an archive and hands on an archive",
  destination: "keeps archives where they survive this machine",
};

const TYPES: Readonly<Record<Exclude<OptionType, "claude">, string>> = {
  text: '`"text"`',
  path:
    '`"/path"`, `"~/path"`, or relative to the pipeline file; `$NAME`, `${NAME}` and `${NAME:-default}` expand',
  paths: "a list of paths",
  recipients:
    "a list of age recipients, or of paths of files that hold one a line, with `#` comments",
  credentials:
    '`"env"`, `"profile:NAME"` or `"file:PATH"`, in which `#NAME` at the end names a profile',
  list: '`["text", "text"]`',
  choice: "one of the words listed",
  integer: "a whole number",
  flag: "`true` or `false`",
  size: '`"5MB"`, `"64MiB"`: a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB',
  duration: '`"90s"`, `"36h"`, `"14d"`: a number and s, m, h, d or w',
  hook: '`"https://example.org/…"`, or `"env:NAME"` or `"file:PATH"`: where the address stands',
  hooks:
    'a list of hooks, or of `{ url = "hook", shape = "ntfy" }`, the shape being `discord`, `slack`, `teams`, `ntfy` or `json`',
  command: "a list: a program, by name or path, and its first words",
  secret: '`"env:NAME"` or `"file:PATH"`: where the secret is, never the secret itself',
};

const INTRODUCTION = `# Stages

A pipeline file is a list of stages. Each \`[[stage]]\` acts on everything that the stages above it
made; what stands below a stage that encrypts sees ciphertext only. A key that is not listed here is
an error.

Each stage runs in a worker of its own that has the permissions shown, and no others but these: a
destination can read and write the directory that holds the finished files for it, and a folder to
work in where it needs one; a source the directory for its copies of databases, and the one that a
restore or a drill unpacks into; a stage that follows links can read the folders that they lead to.
\`ffi\` and \`import\` are never granted.

This page is generated from what the stages declare: \`deno task generate\`.`;

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => [...row[column]!].length))
  );
  const line = (row: readonly string[], fill: string) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(" | ")} |`;
  const [first, ...others] = cells;
  return [line(first!, " "), line(head.map(() => ""), "-"), ...others.map((row) => line(row, " "))]
    .join("\n");
}
