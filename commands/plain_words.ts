/**
 * The words after `run`, `digest` and `restore` where they are plain, as schedules and hooks write
 * them: read without the library that knows all words, which takes longer to load than it takes to
 * begin.
 *
 * @module
 */
import type { RunValues } from "./backup.ts";
import type { RestoreValues } from "./bring_back.ts";
import type { DigestValues } from "./make_digests.ts";

/** What flags are called where their values are taken from. */
interface Flags<Switch extends string, Named extends string> {
  /** Those that are there or not. */
  readonly switches: Readonly<Record<string, Switch>>;
  /** Those with a word after them. */
  readonly named: Readonly<Record<string, Named>>;
}

const COMMON = {
  switches: { "-q": "quiet", "--quiet": "quiet", "--json": "json" },
  named: { "-c": "config", "--config": "config" },
} as const;

const RUN = {
  switches: { ...COMMON.switches, "--force": "force" },
  named: { ...COMMON.named, "--if-missed": "ifMissed" },
} as const;

const DIGEST = {
  switches: { ...COMMON.switches, "--all": "all" },
  named: { ...COMMON.named, "--from": "from", "--to": "to", "--max-size": "maxSize" },
} as const;

const RESTORE = {
  switches: {
    ...COMMON.switches,
    "--in-place": "inPlace",
    "--preserve-mtime": "preserveMtime",
    "-n": "dryRun",
    "--dry-run": "dryRun",
  },
  named: {
    ...COMMON.named,
    "--to": "to",
    "--from": "from",
    "-i": "identity",
    "--identity": "identity",
    "--path": "path",
  },
} as const;

/** What the words of `run` say; `undefined` when not all are plain: then ask the library. */
export function readPlainRun(words: readonly string[]): RunValues | undefined {
  const read = readPlainly<keyof RunValues, keyof RunValues>(words, RUN);
  return read && {
    config: read.named.get("config"),
    dryRun: false,
    only: [],
    force: read.on.has("force"),
    message: undefined,
    ifMissed: read.named.get("ifMissed"),
    json: read.on.has("json"),
    quiet: read.on.has("quiet"),
  };
}

/** What the words of `digest` say; `undefined` when not all are plain. */
export function readPlainDigest(words: readonly string[]): DigestValues | undefined {
  const read = readPlainly<keyof DigestValues, keyof DigestValues>(words, DIGEST);
  return read && {
    days: undefined,
    all: read.on.has("all"),
    maxSize: read.named.get("maxSize"),
    from: read.named.get("from"),
    to: read.named.get("to"),
    config: read.named.get("config"),
    json: read.on.has("json"),
    quiet: read.on.has("quiet"),
  };
}

/** What the words of `restore` say; `undefined` when not all are plain. */
export function readPlainRestore(words: readonly string[]): RestoreValues | undefined {
  // People name the snapshot first.
  const [first = "", ...others] = words;
  const isNamed = first !== "" && !first.startsWith("-");
  const read = readPlainly<keyof RestoreValues, keyof RestoreValues>(
    isNamed ? others : words,
    RESTORE,
  );
  const identity = read?.named.get("identity");
  return read && {
    snapshot: isNamed ? first : "latest",
    to: read.named.get("to"),
    inPlace: read.on.has("inPlace"),
    from: read.named.get("from"),
    path: read.named.get("path"),
    identity: identity === undefined ? [] : [identity],
    overwrite: undefined,
    preserveMtime: read.on.has("preserveMtime"),
    dryRun: read.on.has("dryRun"),
    config: read.named.get("config"),
    json: read.on.has("json"),
    quiet: read.on.has("quiet"),
  };
}

/** The words that may be flags: none that follows `--` is one. */
export function flagWordsIn(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end < 0 ? words : words.slice(0, end);
}

/** Not plain is any other word, one that is there twice, and a path below `~`. */
function readPlainly<Switch extends string, Named extends string>(
  words: readonly string[],
  { switches, named: names }: Flags<Switch, Named>,
): { readonly on: ReadonlySet<Switch>; readonly named: ReadonlyMap<Named, string> } | undefined {
  const on = new Set<Switch>();
  const named = new Map<Named, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (Object.hasOwn(switches, word)) {
      const name = switches[word]!;
      if (on.has(name)) return undefined;
      on.add(name);
    } else if (Object.hasOwn(names, word)) {
      const name = names[word]!;
      const value = words[++at];
      if (!value || /^[-~]/.test(value) || named.has(name)) return undefined;
      named.set(name, value);
    } else return undefined;
  }
  return { on, named };
}
