/**
 * `help`: what the program, a command or a stage does.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { type DocEntry, type DocPage, formatDocPage } from "@optique/core/doc";
import { formatMessage, message, text } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { getDocPage, type Suggestion } from "@optique/core/parser";
import { argument, command } from "@optique/core/primitives";
import type { Usage, UsageTerm } from "@optique/core/usage";
import { string, type ValueParser } from "@optique/core/valueparser";
import { BackupError, FAILURES } from "../pipeline/errors.ts";
import { stages } from "../pipeline/stages.ts";
import { type Context, defineCommand } from "./command.ts";
import { commands } from "./mod.ts";
import { sayOr } from "./ui/format.ts";
import { wrap } from "./ui/text.ts";

export default defineCommand({
  summary: "explains a command or a stage",
  description: "Explains the program, one of its commands, or a stage of the pipeline file.",
  parameters: object({
    topic: optional(argument(topicValue(), {
      description: message`A command, a stage such as "snapshot", or "pipeline".`,
    })),
  }),
  execute: ({ topic }, context) => explain(topic, context),
});

/** A topic, which a shell completes. */
function topicValue(): ValueParser<"sync", string> {
  return {
    ...string({ metavar: "TOPIC" }),
    *suggest(prefix: string): Iterable<Suggestion> {
      for (const text of topics()) if (text.startsWith(prefix)) yield { kind: "literal", text };
    },
  };
}

function topics(): string[] {
  return [...Object.keys(commands), ...Object.keys(stages), PIPELINE];
}

/**
 * Prints what the program (`undefined`), a command or a stage does.
 *
 * @throws {BackupError} `usage` when the topic is none of these.
 */
export async function explain(topic: string | undefined, { terminal }: Context): Promise<number> {
  const width = Math.max(NARROWEST, Math.min(terminal.out.width, WIDEST));
  const format: Format = { maxWidth: width, colors: terminal.out.colors, ...FORMAT };
  if (topic === undefined) terminal.print(await programPage(format));
  else if (Object.hasOwn(commands, topic)) terminal.print(await commandPage(topic, format));
  else terminal.print(await stagePage(topic));
  return 0;
}

interface Format {
  readonly maxWidth: number;
  readonly colors: boolean;
}

/** The topic for what belongs to no stage. */
const PIPELINE = "pipeline";

/** Longer lines are hard to read. */
const WIDEST = 100;
/** In much less, the library finds no room for flags beside what they are for. */
const NARROWEST = 30;
const FORMAT = { termWidth: "auto" } as const;

async function programPage(format: Format): Promise<string> {
  const entries = await Promise.all(
    Object.entries(commands).map(async ([name, load]): Promise<DocEntry> => {
      const { default: { summary } } = await load();
      return { term: { type: "command", name }, description: summary };
    }),
  );
  const page: DocPage = {
    brief: message`Keeps what Claude Code would otherwise lose: backups by a pipeline of stages.`,
    usage: [
      { type: "command", name: "COMMAND" },
      { type: "optional", terms: [{ type: "literal", value: "…" }] },
    ],
    sections: [
      { title: "Commands", entries },
      {
        title: "Flags",
        entries: [
          flag(["-h", "--help"], "explains the program, or the command before it"),
          flag(["-V", "--version"], "prints the version"),
        ],
      },
    ],
  };
  return [
    tidy(formatDocPage("keepsake", page, format)),
    ...["", `Stages, for "keepsake help STAGE": ${Object.keys(stages).join(", ")}`],
    ...[`Keys of [pipeline], for the file as a whole: "keepsake help ${PIPELINE}"`, ""],
    ...statusTable(format.maxWidth),
  ].join("\n");
}

function flag(names: readonly `-${string}`[], summary: string): DocEntry {
  return { term: { type: "option", names }, description: [text(summary)] };
}

/** What each exit status means, from the one table that decides them. */
function statusTable(width: number): string[] {
  const meanings = new Map<number, string[]>([[0, ["done, or nothing had changed"]]]);
  for (const { status, means } of Object.values(FAILURES)) {
    const list = meanings.get(status) ?? [];
    meanings.set(status, [...list, means]);
  }
  meanings.set(129, ["its terminal was closed"]);
  meanings.set(143, ["the same, by SIGTERM"]);
  const rows = [...meanings].toSorted(([a], [b]) => a - b).flatMap(([status, list]) => {
    const lines = wrap(list.join("; "), width - 7);
    return lines.map((line, index) =>
      `${index === 0 ? String(status).padStart(5) : "     "}  ${line}`
    );
  });
  return ["Exit status:", ...rows];
}

async function commandPage(name: string, format: Format): Promise<string> {
  const { default: { parser, description } } = await commands[name]!();
  const page = getDocPage(command(name, parser), [name]);
  const entries = page!.sections.flatMap((section) => section.entries).map(withChoices);
  const [words, flags] = [true, false].map((isWord) =>
    entries.filter(({ term }) => (term.type === "argument") === isWord)
  );
  const usage: Usage = [
    { type: "command", name },
    ...page!.usage!.filter(isPositional),
    { type: "optional", terms: [{ type: "literal", value: "FLAGS" }] },
  ];
  const help = flag(["-h", "--help"], "Explain this command.");
  const sections = [
    ...(words!.length > 0 ? [{ title: "Arguments", entries: words! }] : []),
    { title: "Flags", entries: [...flags!, help] },
  ];
  return tidy(formatDocPage("keepsake", { usage, description, sections }, format));
}

/** What there is to choose from, as words: the library would break the line before a comma. */
function withChoices({ choices = [], ...entry }: DocEntry): DocEntry {
  const words = choices.flatMap((term) => term.type === "value" ? [term.value] : []);
  const told = formatMessage(entry.description ?? [], { quotes: false });
  if (words.every((word) => told.includes(word))) return entry;
  return { ...entry, description: [...entry.description ?? [], text(` One of ${sayOr(words)}.`)] };
}

function isPositional(term: UsageTerm): boolean {
  if (term.type === "optional") return term.terms.every(isPositional);
  return term.type === "argument";
}

/** The library leaves spaces where it breaks lines. */
function tidy(page: string): string {
  return page.replace(/ +$/gm, "").trimEnd();
}

async function stagePage(topic: string): Promise<string> {
  if (topic === PIPELINE) {
    const { helpOfPipeline } = await import("../pipeline/config/describe.ts");
    return helpOfPipeline().trimEnd();
  }
  if (Object.hasOwn(stages, topic)) {
    const { helpOf } = await import("../pipeline/config/describe.ts");
    const { default: stage } = await stages[topic]!();
    return helpOf(stage).trimEnd();
  }
  const { hintFor } = await import("./did_you_mean.ts");
  throw new BackupError("usage", `Cannot explain "${topic}": there is no such command or stage`, {
    hint: hintFor(topic, topics()),
  });
}
