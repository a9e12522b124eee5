/**
 * `completion`: has a shell complete commands, flags and paths.
 *
 * @module
 */
import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { suggest, type Suggestion } from "@optique/core/parser";
import { argument, command, passThrough } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { BackupError } from "../pipeline/errors.ts";
import { type Context, defineCommand } from "./command.ts";
import { missing } from "./flags.ts";
import { commands } from "./mod.ts";

/** Names in the library by the names that people know. */
const SHELLS = { bash: "bash", zsh: "zsh", fish: "fish", powershell: "pwsh" } as const;

const SHELL_NAMES = ["bash", "zsh", "fish", "powershell"] as const;

export default defineCommand({
  summary: "prints what makes a shell complete commands and flags",
  description:
    'Prints a script for your shell. For bash, add to ~/.bashrc: eval "$(keepsake completion bash)".',
  parameters: object({
    shell: argument(choice(SHELL_NAMES, { metavar: "SHELL" }), {
      description: message`Your shell.`,
      ...missing("SHELL", SHELL_NAMES),
    }),
    words: passThrough({ format: "greedy", hidden: true }),
  }, missing("SHELL", SHELL_NAMES)),
  execute: complete,
});

/** Without words it prints the script; that calls it again with the words before the cursor. */
async function complete(
  { shell, words }: {
    readonly shell: keyof typeof SHELLS;
    readonly words: readonly string[];
  },
  { terminal }: Context,
): Promise<number> {
  const { [SHELLS[shell]]: completion } = await import("@optique/core/completion");
  const [first, ...rest] = words;
  if (first === undefined) {
    terminal.print(completion.generateScript("keepsake", ["completion", shell]).trim());
    return 0;
  }
  const known = suggest(await wholeParser(), [first, ...rest]);
  const suggestions = [...known, ...await furtherWords(words)];
  terminal.out.write([...completion.encodeSuggestions(suggestions)].join(""));
  return 0;
}

/** What no parser knows: flags that are looked for before all else, and what the pipeline file holds. */
async function furtherWords(words: readonly string[]): Promise<Suggestion[]> {
  const prefix = words.at(-1)!;
  const choices = words[0] === "run" && words.at(-2) === "--only"
    ? await runnableStages(words)
    : !prefix.startsWith("-")
    ? []
    : words.length === 1
    ? ["--help", "--version"]
    : ["--help"];
  return choices.filter((text) => text.startsWith(prefix))
    .map((text) => ({ kind: "literal", text }));
}

/** Ids of the stages that `run --only` takes; none where there is no pipeline file that is right. */
async function runnableStages(words: readonly string[]): Promise<string[]> {
  const flag = words.findIndex((word) => word === "-c" || word === "--config");
  const { openPipeline } = await import("./pipeline_file.ts");
  const { runsAlone } = await import("../pipeline/run.ts");
  try {
    const { stages } = await openPipeline(flag < 0 ? undefined : words[flag + 1]);
    return stages.filter(runsAlone).map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    return [];
  }
}

async function wholeParser() {
  const parsers = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => {
      const { default: { parser, summary } } = await load();
      return command(name, parser, { brief: summary });
    }),
  );
  return or(...parsers);
}
