/**
 * The words after `run` where they are plain, as schedules and hooks write them: read without the
 * library that knows all words, which takes longer to load than it takes to begin a backup.
 *
 * @module
 */
import type { RunValues } from "./backup.ts";

/** Flags that are there or not. */
const SWITCHES = {
  "-q": "quiet",
  "--quiet": "quiet",
  "--json": "json",
  "--force": "force",
} as const;

/** Flags with a word after them. */
const NAMED = { "-c": "config", "--config": "config", "--if-missed": "ifMissed" } as const;

/** What plain words say; `undefined` when there is any other, or one twice: then ask the library. */
export function readPlainly(words: readonly string[]): RunValues | undefined {
  const on = new Set<string>();
  const named = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (Object.hasOwn(SWITCHES, word)) {
      const name = SWITCHES[word as keyof typeof SWITCHES];
      if (on.has(name)) return undefined;
      on.add(name);
    } else if (Object.hasOwn(NAMED, word)) {
      const name = NAMED[word as keyof typeof NAMED];
      const value = words[++at];
      if (!value || value.startsWith("-") || named.has(name)) return undefined;
      named.set(name, value);
    } else return undefined;
  }
  return {
    config: named.get("config"),
    dryRun: false,
    only: [],
    force: on.has("force"),
    message: undefined,
    ifMissed: named.get("ifMissed"),
    json: on.has("json"),
    quiet: on.has("quiet"),
  };
}
