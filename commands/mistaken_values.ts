/**
 * Flags that were taken for the value of the flag before them.
 *
 * @module
 */
import type { Parser } from "@optique/core/parser";
import type { Usage } from "@optique/core/usage";
import { BackupError } from "../pipeline/errors.ts";
import { flagWordsIn } from "./plain_words.ts";

/** A flag, by all that it is called. */
interface Flag {
  readonly names: readonly string[];
  /** What its value is called; `undefined`: it takes none. */
  readonly metavar: string | undefined;
}

/**
 * What to say of words in which a value is a flag of the same command, as in
 * `restore --to --dry-run`: somebody forgot the value, and would have got what the flag was to
 * prevent. `undefined`: there is no such value. One after `=` is meant.
 */
export function findMistakenValue(
  name: string,
  { usage }: Pick<Parser<"sync", unknown>, "usage">,
  words: readonly string[],
): BackupError | undefined {
  const flags = flagsIn(usage);
  const flagOf = (word: string) => flags.find(({ names }) => names.includes(word));
  const judged = flagWordsIn(words);
  for (let at = 0; at < judged.length; at++) {
    const [word, value] = [judged[at]!, judged[at + 1]];
    const flag = flagOf(word);
    if (flag?.metavar === undefined || value === undefined) continue;
    if (flagOf(value) !== undefined || flagOf(value.replace(/=.*$/s, "")) !== undefined) {
      return refusal(name, word, flag, value);
    }
    at++;
  }
  return undefined;
}

function refusal(name: string, word: string, { names, metavar }: Flag, value: string): BackupError {
  const long = names.toSorted((a, b) => b.length - a.length)[0]!;
  const isPath = ["DIR", "FILE", "DESTINATION"].includes(metavar!);
  const meant = isPath ? `./${value}` : `${long}=${value}`;
  const message =
    `Cannot use "${value}" as the value of "${word}": it is a flag of "keepsake ${name}"`;
  return new BackupError("usage", message, {
    hint: `Write a ${metavar} after "${word}", or "${meant}" if it has that very name`,
  });
}

/** `--help` is a flag of every command. */
const HELP: Flag = { names: ["-h", "--help"], metavar: undefined };

function flagsIn(usage: Usage): Flag[] {
  return [HELP, ...collect(usage)];
}

function collect(usage: Usage): Flag[] {
  return usage.flatMap((term): Flag[] => {
    switch (term.type) {
      case "option":
        return [{ names: term.names, metavar: term.metavar }];
      case "optional":
      case "multiple":
        return collect(term.terms);
      case "exclusive":
        return term.terms.flatMap(collect);
      default:
        return [];
    }
  });
}
