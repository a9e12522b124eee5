/**
 * `completion`: has a shell complete commands, flags and paths.
 *
 * @module
 */
import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { suggest } from "@optique/core/parser";
import { argument, command, passThrough } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
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
  const suggestions = suggest(await wholeParser(), [first, ...rest]);
  terminal.out.write([...completion.encodeSuggestions(suggestions)].join(""));
  return 0;
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
