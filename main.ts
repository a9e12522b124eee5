/**
 * The program: words on the command line → a command → the exit status.
 *
 * @module
 */
import { oldDenoWarning } from "./commands/deno_version.ts";
import { parseWords } from "./commands/parse.ts";
import { flagWordsIn } from "./commands/plain_words.ts";
import { watchSignals } from "./commands/signals.ts";
import { processTerminal } from "./commands/ui/terminal.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));

/** Does what the words say, tells what went wrong, and answers the exit status. */
async function main(words: readonly string[]): Promise<number> {
  const json = flagWordsIn(words).includes("--json");
  const terminal = processTerminal(words);
  const signals = watchSignals(terminal);
  const fail = async (error: unknown) => {
    try {
      const { tell } = await import("./commands/ui/errors.ts");
      const status = tell(error, terminal, json);
      return signals.status ?? status;
    } catch (fault) {
      // Telling failed itself, and nothing tells of that.
      terminal.say(`${error}\n${fault}`);
      return 1;
    }
  };
  // What nobody waited for failed all the same: Deno would end here with words of its own.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    fail(event.reason).then(Deno.exit);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    fail(event.error).then(Deno.exit);
  });
  const warning = oldDenoWarning();
  if (warning !== undefined && !json) terminal.say(`Warning: ${warning}`);
  let status = 0;
  try {
    const work = async () => {
      const invocation = await parseWords(words);
      return await invocation({ terminal, takeSignal: signals.take });
    };
    status = await Promise.race([work(), signals.cut]);
    terminal.assertPrinted();
    return status === 0 ? 0 : signals.status ?? status;
  } catch (error) {
    const failed = await fail(error);
    return status === 0 ? failed : signals.status ?? status; // What it found is told by that alone.
  }
}
