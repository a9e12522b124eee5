/**
 * Commands that a person is told to type next: with the pipeline file that this one was given, for
 * without it they would act on another pipeline.
 *
 * @module
 */
import { shellWord } from "../../pipeline/shell.ts";
import { flagWordsIn } from "../plain_words.ts";

/** Commands that take a pipeline file. */
const COMMANDS = [
  ...["run", "plan", "list", "restore", "verify", "drill", "accept", "recovery-sheet", "rekey"],
  ...["prune", "digest", "init", "status", "log", "schedule", "hook", "config"],
];

/**
 * One of them where it is to be typed: not in a path, be it one with spaces, not what a sentence is
 * about, and not with a file of its own already.
 */
const COMMAND_REGEXP = new RegExp(
  `(?<=^|[\\s"(])(?<![\\\\/][^":()\n]*)keepsake (?:${
    COMMANDS.join("|")
  })(?![\\w-]|":)(?!(?: [^\\s"]+)* (?:--(?:config|help)\\b|-c ))`,
  "gm",
);

/**
 * What puts the file that `--config` names into the commands in a text of ours.
 *
 * @param words Those on the command line.
 */
export function nextCommandsFor(words: readonly string[]): (text: string) => string {
  const config = configIn(words);
  // No name of a file may steer the terminal.
  if (config === undefined || /\p{C}/u.test(config)) return (text) => text;
  const flag = ` --config ${shellWord(config)}`;
  return (text) => text.replace(COMMAND_REGEXP, (command) => command + flag);
}

function configIn(words: readonly string[]): string | undefined {
  const own = flagWordsIn(words);
  const at = own.findIndex((word) => /^(-c|--config(=.*)?)$/s.test(word));
  if (at < 0) return undefined;
  const word = own[at]!;
  return word.includes("=") ? word.slice(word.indexOf("=") + 1) : own[at + 1];
}
