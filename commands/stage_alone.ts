/**
 * What a stage's file does when it is run as a script: `deno run -A stages/snapshot.ts --help`.
 *
 * @module
 */
import { runStageAlone, type Stage } from "../pipeline/alone.ts";
import { helpOf, rowsOf } from "../pipeline/config/describe.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Context } from "./command.ts";
import { homeDirectory } from "./home.ts";
import { watchSignals } from "./signals.ts";
import { tell } from "./ui/errors.ts";
import { processTerminal } from "./ui/terminal.ts";
import { escapeControls } from "./ui/text.ts";

/** What each kind of stage does alone. */
const USES: Readonly<Record<Stage["kind"], string>> = {
  prepare: "Alone, it does its work once.",
  source: "Alone, it writes its archive to standard output.",
  gate: "It does nothing alone.",
  transform: "Alone, it turns standard input into standard output.",
  destination: "Alone, it lists what it holds.",
};

/** Does what the words say and ends the process. */
export async function main(stage: Stage, words: readonly string[]): Promise<never> {
  const terminal = processTerminal();
  const signals = watchSignals(terminal);
  try {
    await serve(stage, words, { terminal, takeSignal: signals.take });
    terminal.assertPrinted();
  } catch (error) {
    Deno.exit(signals.status ?? tell(outputFailure(error) ?? error, terminal, false));
  }
  Deno.exit(signals.status ?? 0);
}

/** An archive of which somebody read the beginning is none. */
function outputFailure(error: unknown): BackupError | undefined {
  if (!(error instanceof Deno.errors.BrokenPipe)) return undefined;
  const message = "Cannot write to standard output: nobody reads it any more";
  return new BackupError("destination-refused", message, {
    hint: "See why what reads it ended",
    cause: error,
  });
}

async function serve(stage: Stage, words: readonly string[], context: Context): Promise<void> {
  const { terminal, takeSignal } = context;
  if (words.includes("--help") || words.includes("-h") || stage.kind === "gate") {
    return terminal.print(
      `${helpOf(stage)}\n\n${USES[stage.kind]} Options are flags: ${usage(stage)}`,
    );
  }
  if (stage.kind === "source" && Deno.stdout.isTerminal()) {
    throw new BackupError("usage", "Cannot write an archive to a terminal", {
      hint: "Send it to a file or a program: > FILE",
    });
  }
  const { lines, files } = await runStageAlone(stage, tableOf(stage, words), {
    cwd: Deno.cwd(),
    environment: Deno.env.toObject(),
    home: homeDirectory(),
    input: Deno.stdin.readable,
    output: Deno.stdout.writable,
    signal: takeSignal(),
    say: (message) => terminal.say(escapeControls(message)),
  });
  for (const line of lines) terminal.print(escapeControls(line));
  for (const { key, size } of files ?? []) terminal.print(`${escapeControls(key)}\t${size}`);
  if (files?.length === 0) terminal.say("It holds nothing");
}

/** Options as a pipeline file would hold them. What may be several is given several times. */
function tableOf(stage: Stage, words: readonly string[]): Record<string, unknown> {
  const rows = new Map(rowsOf(stage.options.entries).map((row) => [row.name, row]));
  const table: Record<string, unknown> = {};
  for (let at = 0; at < words.length; at++) {
    const [, flag, inline] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(words[at]!) ?? [];
    const name = flag?.replaceAll("-", "_") ?? "";
    const row = rows.get(name);
    if (row === undefined) {
      throw new BackupError(
        "usage",
        `Cannot use "${words[at]}": "${stage.name}" has no such option`,
        {
          hint: `See what it has with --help`,
        },
      );
    }
    if (row.type === "flag") {
      table[name] = inline !== "false";
      continue;
    }
    const value = inline ?? words[++at];
    if (value === undefined) {
      throw new BackupError("usage", `Cannot use "--${flag}": it names no value`, {
        hint: `Write --${flag} VALUE`,
      });
    }
    if (row.type === "integer") table[name] = Number(value);
    else if (SEVERAL.has(row.type)) table[name] = [...table[name] as string[] ?? [], value];
    else table[name] = value;
  }
  return table;
}

const SEVERAL: ReadonlySet<string> = new Set(["paths", "recipients", "list"]);

function usage(stage: Stage): string {
  const flags = rowsOf(stage.options.entries).map(({ name, type }) => {
    const flag = `--${name.replaceAll("_", "-")}`;
    return type === "flag" ? flag : `${flag} ${type.toUpperCase()}`;
  });
  return flags.join(" ") || "none";
}
