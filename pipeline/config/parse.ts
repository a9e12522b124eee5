/**
 * TOML → tables, with the parser's complaint in our words.
 *
 * The parser's own message quotes the line, which may hold a secret: only its first sentence is
 * looked at, and it is never kept as a cause.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";
import { type OpenBracket, openBracketAt } from "./brackets.ts";
import { columnOf } from "./locate.ts";
import type { Problem } from "./pipeline.ts";

/** A table of the file, by key. */
export type Table = Readonly<Record<string, unknown>>;

/** What a text says as TOML, or where it stops being TOML. */
export type Parsed =
  | { readonly ok: true; readonly table: Table }
  | { readonly ok: false; readonly problem: Problem };

/** Reads TOML. Never throws. */
export function parseToml(text: string): Parsed {
  try {
    return { ok: true, table: parse(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    const said = /^Invalid TOML document: (.*)$/m.exec(error.message)?.[1] ?? "";
    const [message, hint] = wordingIn(openBracketAt(text, line, column), said) ??
      WORDINGS[said] ?? OTHERWISE;
    return {
      ok: false,
      problem: {
        line,
        column: columnOf(text, line, column),
        path: "",
        message,
        hint,
      },
    };
  }
}

/** Whether a value is a table, written in whichever way. */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

/** One sentence, and what to do. */
type Wording = readonly [message: string, hint: string];

/** What is said inside a bracket that is not closed yet; `undefined`: no more than elsewhere. */
function wordingIn(bracket: OpenBracket | undefined, said: string): Wording | undefined {
  if (bracket === undefined) return undefined;
  const { character, line, isHeader } = bracket;
  if (isHeader) {
    return IN_HEADER.includes(said)
      ? ["Cannot read this name of a table", "Write [[stage]] or [pipeline] in a line of its own"]
      : undefined;
  }
  if (!IN_VALUE.includes(said)) return undefined;
  const [what, end] = character === "[" ? ["list", "]"] : ["table", "}"];
  return [
    `Expected a comma or "${end}" here, for the ${what} that begins in line ${line}`,
    `Put a comma between two values, and "${end}" behind the last`,
  ];
}

const IN_HEADER: readonly string[] = [
  "expected end of table array declaration",
  "illegal character in key",
  "illegal empty bare key",
  "incomplete key-value: cannot find end of key",
  "unexpected end of key",
];
const IN_VALUE: readonly string[] = [
  "expected comma or end of structure",
  "unfinished array",
  "unfinished table",
];

const NUMBERS = "Write a number in digits alone, and anything else in double quotes";
const QUOTES = "Put text in straight double quotes, and write true and false in small letters";
const BACKSLASH = "Write a backslash twice, or put the text in single quotes";
const KEYS = 'Write lines as key = "value"';
const ONE_LINE = "Put each key with its value in one line";
const OTHERWISE: Wording = ["Cannot read this as TOML", `${KEYS}, as https://toml.io tells`];
const VALUE: Wording = ["Cannot read this value", QUOTES];
const ESCAPE: Wording = ["Cannot read this escape sequence", BACKSLASH];
const DATE: Wording = ["Cannot read this date or time", QUOTES];

/** What smol-toml says, and a sentence and a hint in its place. */
const WORDINGS: Readonly<Record<string, Wording>> = {
  "control characters are not allowed in comments": [
    "Cannot read this comment: it has a control character",
    "Remove the character, or the comment",
  ],
  "control characters are not allowed in strings": [
    "Cannot read this text: it has a control character, or no closing quote in its line",
    "Close the quote, or put text of several lines between three quotes",
  ],
  "document contains excessively nested structures. aborting.": [
    "Cannot read this value: its brackets are nested too deeply",
    "Remove the brackets that are too many",
  ],
  "each key-value declaration must be followed by an end-of-line": [
    "Expected the end of the line here",
    "Start a new line, or close the quotes and brackets before",
  ],
  "expected comma or end of structure": [
    "Expected a comma or a closing bracket here",
    "Put a comma between two values, and a closing bracket behind the last",
  ],
  "expected end of table array declaration": [
    'Expected "]]" here',
    "Write [[stage]] in a line of its own",
  ],
  "illegal character in key": [
    "Expected a key here, made of letters, digits, hyphens and underscores",
    KEYS,
  ],
  "illegal character in numeric literal": VALUE,
  "illegal empty bare key": ["Expected a key here", KEYS],
  "illegal leading zero": ["Cannot read this number: it starts with a zero", NUMBERS],
  "illegal quoted key: multiline strings are not allowed": [
    "Expected a key in one line here",
    ONE_LINE,
  ],
  "illegal underscore": [
    "Cannot read this number: an underscore must stand between two digits",
    NUMBERS,
  ],
  "incomplete key-value: cannot find end of key": ['Expected "=" and a value after this key', KEYS],
  "integer value cannot be represented losslessly": [
    "Cannot read this number: it is too large",
    NUMBERS,
  ],
  "invalid date": DATE,
  "invalid date-time: date part is malformed": DATE,
  "invalid date-time: time part is malformed": DATE,
  "invalid escape: only line-ending whitespace may be escaped": ESCAPE,
  "invalid non-hex character in unicode escape": ESCAPE,
  "invalid unicode escape": ESCAPE,
  "invalid value": VALUE,
  "trying to redefine an already defined table or value": [
    "Cannot set this a second time: it already stands above",
    "Remove one of the two, or write [[stage]] with two brackets",
  ],
  "trying to redefine an already defined value": [
    "Cannot set this a second time: it already stands before",
    "Remove one of the two",
  ],
  "unexpected end of key": ["Expected a key here", KEYS],
  "unfinished array": ["Expected a closing bracket for this list", 'Put "]" behind its last value'],
  "unfinished numeric value": ["Cannot read this number", NUMBERS],
  "unfinished string": ["Expected a closing quote for this text", "Put a quote behind it"],
  "unfinished table": ["Expected a closing brace for this table", 'Put "}" behind its last value'],
  "unrecognised escape sequence": ESCAPE,
};
