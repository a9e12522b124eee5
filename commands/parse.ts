/**
 * Words on the command line → what to do.
 *
 * @module
 */
import "./ui/late_segmenter.ts";
import type { Message } from "@optique/core/message";
import { BackupError } from "../pipeline/errors.ts";
import type { Invocation } from "./command.ts";
import { commands } from "./mod.ts";
import { flagWordsIn, readPlainDigest, readPlainRestore, readPlainRun } from "./plain_words.ts";

/**
 * Finds the command that the words name, and what its flags and arguments say.
 *
 * @throws {BackupError} `usage`, with what was probably meant.
 */
export async function parseWords(words: readonly string[]): Promise<Invocation> {
  const [name, ...rest] = words;
  if (name === undefined) return help([]);
  if (HELP_FLAGS.includes(name)) return help(rest.filter((word) => !word.startsWith("-")));
  if (VERSION_FLAGS.includes(name)) return version;
  if (name === "hook" && rest[0] === "run" && !asksForHelp(rest)) return hookRun(rest.slice(1));
  const plain = await readWithoutLibrary(name, rest);
  if (plain !== undefined) return plain;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) return asksForHelp(rest) ? help([name]) : refuse(name);
  const [{ default: command }, { parse }, { findMistakenValue }] = await Promise.all([
    load(),
    import("@optique/core/parser"),
    import("./mistaken_values.ts"),
  ]);
  const result = parse(command.parser, rest);
  const mistaken = findMistakenValue(name, command.parser, rest);
  if (result.success && mistaken === undefined) return result.value;
  if (asksForHelp(rest)) return help([name]);
  throw mistaken ?? await misread(name, rest, result.success ? [] : result.error);
}

async function readWithoutLibrary(
  name: string,
  words: readonly string[],
): Promise<Invocation | undefined> {
  const run = name === "run" ? readPlainRun(words) : undefined;
  if (run !== undefined) {
    const { backUp } = await import(BACKUP) as typeof import("./backup.ts");
    return (context) => backUp(run, context);
  }
  const digest = name === "digest" ? readPlainDigest(words) : undefined;
  if (digest !== undefined) {
    const { digest: makeDigests } = await import(DIGEST) as typeof import("./make_digests.ts");
    return (context) => makeDigests(digest, context);
  }
  const restore = name === "restore" ? readPlainRestore(words) : undefined;
  if (restore !== undefined && (restore.to !== undefined || restore.inPlace)) {
    // What decrypts takes longest to come up: it does while the rest is loaded.
    const { ReadingPool } = await import(POOL) as typeof import("../pipeline/worker/pool.ts");
    const workers = new ReadingPool();
    await workers.warmUsual();
    const { bringBack } = await import(BRING_BACK) as typeof import("./bring_back.ts");
    return (context) => bringBack(restore, context, workers);
  }
}

/** By their addresses, as the commands are: the others read none of it. */
const BACKUP = new URL("./backup.ts", import.meta.url).href;
const DIGEST = new URL("./make_digests.ts", import.meta.url).href;
const POOL = new URL("../pipeline/worker/pool.ts", import.meta.url).href;
const BRING_BACK = new URL("./bring_back.ts", import.meta.url).href;

const HELP_FLAGS: readonly string[] = ["-h", "--help"];
const VERSION_FLAGS: readonly string[] = ["-V", "--version"];

function asksForHelp(words: readonly string[]): boolean {
  return flagWordsIn(words).some((word) => HELP_FLAGS.includes(word));
}

async function help(topic: readonly string[]): Promise<Invocation> {
  const { explain } = await import("./help.ts");
  return (context) => explain(topic[0], context);
}

/** A session waits for this one: nothing else is loaded, and no word is wrong. */
async function hookRun(words: readonly string[]): Promise<Invocation> {
  const { answerHook } = await import("./hook/answer.ts");
  return ({ takeSignal }) => {
    takeSignal(); // A terminal that is closed ends sessions, and not this.
    return answerHook(words);
  };
}

const version: Invocation = async ({ terminal }) => {
  const { default: { version } } = await import("../deno.json", { with: { type: "json" } });
  terminal.print(`keepsake ${version}`);
  return 0;
};

async function refuse(name: string): Promise<never> {
  if (name.startsWith("-")) {
    throw new BackupError("usage", `Cannot use "${name}" here: a command comes first`, {
      hint: 'Write for example "keepsake run --config FILE", or see "keepsake help"',
    });
  }
  const { hintFor } = await import("./did_you_mean.ts");
  throw new BackupError("usage", `Cannot do "${name}": there is no such command`, {
    hint: hintFor(name, Object.keys(commands)),
  });
}

/**
 * The library's words in our manner: one sentence, and what was probably meant as the hint. Those of
 * the person stay as they are.
 */
async function misread(
  name: string,
  words: readonly string[],
  error: Message,
): Promise<BackupError> {
  const { formatMessage } = await import("@optique/core/message");
  const say = (terms: Message) => formatMessage(terms, { quotes: false });
  const gap = error.findIndex((term) => term.type === "text" && term.text === "\n\n");
  const what = gap < 0 ? error : error.slice(0, gap);
  const meant = gap < 0 ? [] : error.slice(gap + 1);
  const state = say(what.map((term, index) => {
    if (term.type !== "text") return term;
    const said = lowerFirst(term.text);
    return { ...term, text: index === what.length - 1 ? said.replace(/\.$/, "") : said };
  }));
  const hint = hintForFlag(words, what, meant) ??
    (meant.length > 0 ? say(meant) : `See "keepsake ${name} --help"`);
  return new BackupError("usage", `Cannot understand "keepsake ${name}": ${state}`, { hint });
}

/** What to do about a flag that is known, and was not taken for one. */
function hintForFlag(words: readonly string[], what: Message, meant: Message): string | undefined {
  const word = what.find((term) => term.type === "value")?.value;
  const flag = word?.replace(/=.*$/s, "");
  if (!meant.some((term) => term.type === "optionName" && term.optionName === flag)) return;
  return flagWordsIn(words).includes(word!)
    ? `Leave out "=": "${flag}" and its value are two words`
    : 'Leave out "--", or put it behind the flags: what follows it is none';
}

/** A name such as SHELL stays as it is. */
function lowerFirst(text: string): string {
  return /^[A-Z]{2}/.test(text) ? text : text.charAt(0).toLowerCase() + text.slice(1);
}
