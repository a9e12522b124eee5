/**
 * TOML → tables, with the parser's complaint in our words.
 *
 * The parser's own message quotes the line, which may hold a secret: only its first sentence is
 * looked at, and it is never kept as a cause.
 *
 * @module
 */
import { parse, TomlError } from "smol-toml";
import type { Problem } from "./pipeline.ts";
import { columnOf } from "./locate.ts";

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
    const [message, hint] = WORDINGS[said] ?? [OTHERWISE, undefined];
    return {
      ok: false,
      problem: {
        line,
        column: columnOf(text, line, column),
        path: "",
        message,
        ...(hint !== undefined && { hint }),
      },
    };
  }
}

/** Whether a value is a table, written in whichever way. */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

const OTHERWISE = "Cannot read this as TOML";
const VALUE = "Cannot read this value";
const ESCAPE = "Cannot read this escape sequence";
const NUMBER = "Cannot read this number";
const DATE = "Cannot read this date or time";
const QUOTES = "Put text in double quotes";
const BACKSLASH = "Write a backslash twice, or put the text in single quotes";

/** What smol-toml says, and a sentence and a hint in its place. */
const WORDINGS: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  "control characters are not allowed in comments": [
    "Cannot read this comment: it has a control character",
  ],
  "control characters are not allowed in strings": [
    "Cannot read this text: it has a control character, or no closing quote in its line",
    "Close the quote, or put text of several lines between three quotes",
  ],
  "document contains excessively nested structures. aborting.": [
    "Cannot read this value: its brackets are nested too deeply",
  ],
  "each key-value declaration must be followed by an end-of-line": [
    "Expected the end of the line here",
    "Start a new line, or close the quotes and brackets before",
  ],
  "expected comma or end of structure": ["Expected a comma or a closing bracket here"],
  "expected end of table array declaration": ['Expected "]]" here'],
  "illegal character in key": [
    "Expected a key here, made of letters, digits, hyphens and underscores",
    'Write lines as key = "value"',
  ],
  "illegal character in numeric literal": [VALUE, QUOTES],
  "illegal empty bare key": ["Expected a key here"],
  "illegal leading zero": ["Cannot read this number: it starts with a zero"],
  "illegal quoted key: multiline strings are not allowed": ["Expected a key in one line here"],
  "illegal underscore": ["Cannot read this number: an underscore must stand between two digits"],
  "incomplete key-value: cannot find end of key": [
    'Expected "=" and a value after this key',
    'Write lines as key = "value"',
  ],
  "integer value cannot be represented losslessly": ["Cannot read this number: it is too large"],
  "invalid date": [DATE],
  "invalid date-time: date part is malformed": [DATE],
  "invalid date-time: time part is malformed": [DATE],
  "invalid escape: only line-ending whitespace may be escaped": [ESCAPE, BACKSLASH],
  "invalid non-hex character in unicode escape": [ESCAPE, BACKSLASH],
  "invalid unicode escape": [ESCAPE, BACKSLASH],
  "invalid value": [VALUE, QUOTES],
  "trying to redefine an already defined table or value": [
    "Cannot set this a second time: it already stands above",
    "Remove one of the two, or write [[stage]] with two brackets",
  ],
  "trying to redefine an already defined value": [
    "Cannot set this a second time: it already stands before",
    "Remove one of the two",
  ],
  "unexpected end of key": ["Expected a key here"],
  "unfinished array": ["Expected a closing bracket for this list"],
  "unfinished numeric value": [NUMBER],
  "unfinished string": ["Expected a closing quote for this text"],
  "unfinished table": ["Expected a closing brace for this table"],
  "unrecognised escape sequence": [ESCAPE, BACKSLASH],
};
