/**
 * The vocabulary stages declare their options with.
 *
 * Every helper takes the sentence that documents the option first, so an undocumented option does
 * not compile. Validation, help text, the docs table, the example file and the JSON Schema are all
 * read off the schema these helpers build; nothing about an option is written down twice.
 *
 * @module
 */
import * as v from "valibot";

/** An option: what a user may write (`Written`) and what the stage receives (`Read`). */
export type Option<Written, Read = Written> = v.GenericSchema<Written, Read>;

/** The options of one stage: named options, unknown names refused. */
export type OptionsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/** Options as a stage receives them: defaults filled in, units parsed, paths absolute. */
export type Options<S extends OptionsSchema> = v.InferOutput<S>;

/** What the docs say about an option besides its type, default and summary. */
export interface OptionNotes<Written = string> {
  /** Value used in the docs and in the generated example file. */
  readonly example?: Written;
  /** Whether the example file has it commented out, as it works on few machines. */
  readonly isRare?: boolean;
}

/** How an option's strings are to be read once the file itself is known to be right. */
export type OptionType =
  | "text"
  | "path"
  | "paths"
  | "recipients"
  | "credentials"
  | "list"
  | "choice"
  | "claude"
  | "integer"
  | "flag"
  | "size"
  | "duration"
  | "hook"
  | "hooks"
  | "command"
  | "secret";

/** Declares the options of a stage. */
export function options<const E extends v.ObjectEntries>(
  entries: E,
): v.StrictObjectSchema<E, undefined> {
  return v.strictObject(entries);
}

/** Lets an option be left out. With `fallback`, the stage receives that value instead. */
export function optional<I, O>(option: Option<I, O>): v.OptionalSchema<Option<I, O>, undefined>;
export function optional<I, O, const D extends I>(
  option: Option<I, O>,
  fallback: D,
): v.OptionalSchema<Option<I, O>, D>;
export function optional(option: Option<unknown>, fallback?: unknown): unknown {
  return v.optional(option, fallback);
}

/** A non-empty string. */
export function text(summary: string, notes: OptionNotes = {}): Option<string> {
  return v.pipe(nonEmpty, v.description(summary), annotate("text", notes));
}

/** Text of a certain form. `expected` says which: `Expected a name of a branch`. */
export function pattern(
  [regexp, expected]: readonly [RegExp, string],
  summary: string,
  notes: OptionNotes = {},
): Option<string> {
  return v.pipe(
    v.string(),
    v.regex(regexp, expected),
    v.description(summary),
    annotate("text", notes),
  );
}

/**
 * A path: absolute, starting with `~/`, or relative to the pipeline file; `$NAME`, `${NAME}` and
 * `${NAME:-default}` expand. The stage receives it absolute.
 */
export function path(summary: string, notes: OptionNotes = {}): Option<string> {
  return v.pipe(nonEmpty, v.description(summary), annotate("path", notes));
}

/** A non-empty list of {@linkcode path}s. */
export function paths(
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<string[]> {
  return v.pipe(
    v.array(nonEmpty),
    v.minLength(1, "Expected at least one path"),
    v.description(summary),
    annotate("paths", notes),
  );
}

/**
 * Recipients: age public keys, or paths of files that hold one a line. The stage receives the keys
 * alone: the files are read before it starts.
 */
export function recipients(
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<string[]> {
  return v.pipe(
    v.array(nonEmpty),
    v.minLength(1, "Expected at least one recipient"),
    v.description(summary),
    annotate("recipients", notes),
  );
}

/**
 * Where the keys of an account are: `env`, `file:PATH`, `file:PATH#PROFILE` or `profile:NAME`. The
 * stage receives `env`, or `file:` with an absolute path and a profile: it is the one that reads
 * them.
 */
export function credentials(summary: string, notes: OptionNotes = {}): Option<string> {
  return v.pipe(
    v.string(),
    v.regex(/^(env$|(profile|file):.)/, 'Expected "env", "profile:NAME" or "file:PATH"'),
    v.description(summary),
    annotate("credentials", notes),
  );
}

/** What there is of Claude Code's on a machine. Paths are absolute. */
export interface Sources {
  /** Whether anybody asked for it; nothing was looked for otherwise. */
  readonly wanted: boolean;
  /** Folders in which it keeps its state. */
  readonly homes: readonly string[];
  /** All that is to be backed up: the folders, and what lies elsewhere. */
  readonly paths: readonly string[];
  /** The folders once more, and what settings or links have lie elsewhere. */
  readonly places: readonly ClaudePlace[];
  /** Databases of add-ons. */
  readonly databases: readonly string[];
  /** Where its folders, files of state and such databases usually are, there or not. */
  readonly usual: readonly string[];
  /** What could not be found out, and why. */
  readonly doubts: readonly { readonly path: string; readonly reason: string }[];
  /** The same of settings that come with a project: those are nobody's who backs up. */
  readonly notes: readonly { readonly path: string; readonly reason: string }[];
}

/** Where a folder of Claude Code's truly lies, or a part of one. */
export interface ClaudePlace {
  readonly path: string;
  /** Where in the folder the part usually lies, with slashes; empty for the folder itself. */
  readonly way: string;
}

/** `true` to look for Claude Code's files; the stage receives what was found before it starts. */
export function claude(
  summary: string,
  notes: OptionNotes<boolean> = {},
): Option<boolean, Sources> {
  return v.pipe(
    v.boolean(),
    v.description(summary),
    annotate("claude", notes),
    v.transform((wanted): Sources => ({
      wanted,
      ...{ homes: [], paths: [], places: [], databases: [], usual: [], doubts: [], notes: [] },
    })),
  );
}

/**
 * A secret, written as a reference: `env:NAME` or `file:PATH`. The stage receives the reference,
 * with an absolute path, and asks in `permissions` for that one variable or file: `plan` shows which.
 * What it stands for is never printed, logged, stored in the catalog or sent in an alert.
 */
export function secret(summary: string, notes: OptionNotes = {}): Option<string> {
  return v.pipe(
    v.string(),
    v.regex(
      /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/,
      'Expected a reference such as "env:NAME" or "file:PATH"',
    ),
    v.description(summary),
    annotate("secret", notes),
  );
}

/** An address that is told something: `http:` or `https:`, or a reference to where it stands. */
export function hook(summary: string, notes: OptionNotes = {}): Option<string> {
  return v.pipe(hookText(), v.description(summary), annotate("hook", notes));
}

/**
 * A list of {@linkcode hook}s, each alone or as a table with the `shape` in which it takes what it is
 * told.
 */
export function hooks<const W extends readonly [string, ...string[]]>(
  shapes: W,
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<(string | { url: string; shape: W[number] })[]> {
  const words = shapes.map((shape) => `"${shape}"`).join(", ");
  const entry = v.union(
    [hookText(), v.strictObject({ url: hookText(), shape: v.picklist(shapes) })],
    `Expected an address, "env:NAME", "file:PATH", or { url = "…", shape = "…" } with one of ${words}`,
  );
  return v.pipe(v.array(entry), v.description(summary), annotate("hooks", notes));
}

/** A program and its first words: a name in `PATH`, or a path. */
export function command(
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<string[]> {
  return v.pipe(
    v.array(nonEmpty),
    v.minLength(1, "Expected a program"),
    v.description(summary),
    annotate("command", notes),
  );
}

function hookText(): v.GenericSchema<string> {
  return v.pipe(
    v.string(),
    v.regex(
      /^(https?:\/\/[^\s/?#]+([/?#](?!\(hidden\)$)\S*)?|env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/,
      'Expected an address such as "https://example.org/…", or where it stands: "env:NAME" or "file:PATH"',
    ),
  );
}

/** One of a closed set of words. */
export function choice<const W extends readonly [string, ...string[]]>(
  words: W,
  summary: string,
  notes: OptionNotes<W[number]> = {},
): Option<W[number]> {
  return v.pipe(v.picklist(words), v.description(summary), annotate("choice", notes));
}

/** `true` or `false`. */
export function flag(summary: string, notes: OptionNotes<boolean> = {}): Option<boolean> {
  return v.pipe(v.boolean(), v.description(summary), annotate("flag", notes));
}

/** A whole number between two bounds, both allowed. */
export function integer(
  [min, max]: readonly [number, number],
  summary: string,
  notes: OptionNotes<number> = {},
): Option<number> {
  const range = `Expected a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(),
    v.integer(range),
    v.minValue(min, range),
    v.maxValue(max, range),
    v.description(summary),
    annotate("integer", notes),
  );
}

/** A list of non-empty strings. */
export function list(
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<string[]> {
  return v.pipe(v.array(nonEmpty), v.description(summary), annotate("list", notes));
}

/** A list of regular expressions, as JavaScript reads them with flag `u`. */
export function patterns(
  summary: string,
  notes: OptionNotes<readonly string[]> = {},
): Option<string[]> {
  const said = 'Expected a regular expression, such as "ACME-[0-9]{8}"';
  const slow = 'Expected no repeat of a repeat, which can take for ever: "a+" in place of "(a+)+"';
  return v.pipe(
    v.array(v.pipe(nonEmpty, v.check(isPattern, said), v.check(isSwift, slow))),
    v.description(summary),
    annotate("list", notes),
  );
}

function isPattern(written: string): boolean {
  try {
    return !new RegExp(written, "u").test("");
  } catch {
    return false;
  }
}

/**
 * Whether no group is repeated without bound in which nothing but a repeat without bound stands:
 * where such a pattern does not match, each letter more doubles the time.
 */
function isSwift(pattern: string): boolean {
  // Each single thing as one letter.
  let shape = pattern
    .replaceAll(/\\(?:[pPuxk](?:\{[^}]*\}|<[^>]*>)|.)/gsu, "a")
    .replaceAll(/\[[^\]]*\]/g, "a");
  for (;;) {
    if (
      /\((?:\?(?:<\w+>|:))?(?:[^()]*\|)?[^()|?*+{](?:[*+]|\{\d+,\})\??(?:\|[^()]*)?\)(?:[*+]|\{\d+,\})\??/
        .test(shape)
    ) return false;
    const next = shape.replaceAll(/\((?:\?(?:<\w+>|:))?([^()|?*+{][*+]\??)\)/g, "$1");
    if (next === shape) return true;
    shape = next;
  }
}

/** A size such as `"5MB"` or `"64MiB"`; the stage receives bytes. */
export function size(summary: string, notes: OptionNotes = {}): Option<string, number> {
  return v.pipe(
    v.string(),
    v.regex(SIZE_REGEXP, 'Expected a size such as "5MB" or "64MiB"'),
    v.check((written) => parseSize(written) > 0, "Expected more than nothing"),
    v.check((written) => Number.isSafeInteger(parseSize(written)), "Expected a smaller size"),
    v.description(summary),
    annotate("size", notes),
    v.transform(parseSize),
  );
}

/** A duration such as `"36h"` or `"14d"`; the stage receives milliseconds. */
export function duration(summary: string, notes: OptionNotes = {}): Option<string, number> {
  return v.pipe(
    v.string(),
    v.regex(DURATION_REGEXP, 'Expected a duration such as "90s", "36h" or "14d"'),
    v.check(
      (written) => Number.isSafeInteger(parseDuration(written)),
      "Expected a shorter duration",
    ),
    v.description(summary),
    annotate("duration", notes),
    v.transform(parseDuration),
  );
}

const nonEmpty = v.pipe(v.string(), v.nonEmpty("Expected some text"));

const SIZE_REGEXP = /^(\d+)(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes in a size such as `"64MiB"`; `NaN` for anything else. */
export function parseSize(written: string): number {
  const [, amount, unit] = SIZE_REGEXP.exec(written) ?? [];
  return amount === undefined ? NaN : Number(amount) * SIZE_UNITS[unit!]!;
}

const DURATION_REGEXP = /^(\d+)(s|m|h|d|w)$/;
const DURATION_UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds in a duration such as `"36h"`; `NaN` for anything else. */
export function parseDuration(written: string): number {
  const [, amount, unit] = DURATION_REGEXP.exec(written) ?? [];
  return amount === undefined ? NaN : Number(amount) * DURATION_UNITS[unit!]!;
}

/** Annotations ride in the JSON Schema under `x-` names, which validators ignore. */
function annotate<T>(
  type: OptionType,
  { example, isRare }: OptionNotes<unknown>,
): v.MetadataAction<T, Record<string, unknown>> {
  return v.metadata({
    "x-type": type,
    ...(type === "secret" && { writeOnly: true }),
    ...(example !== undefined && { examples: [example] }),
    ...(isRare && { "x-rare": true }),
  });
}
