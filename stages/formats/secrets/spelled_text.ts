/**
 * Text in which letters are not written as themselves: by number (`\u0041`) or with a backslash
 * (`\/`), as JSON has it, also within JSON, or with colours of a terminal between them. It is read as
 * whoever it is meant for reads it, with a way back to the places where things stand.
 *
 * @module
 */

/** Words that tell of a text like that: what hides a letter that secrets are made of, and colours. */
export const SPELLING_WORDS: readonly string[] = [
  ...["\\u001b", "\\u001B", "\\u002", "\\u003", "\\u004", "\\u005", "\\u006", "\\u007"],
  ...Array.from("0123456789mK;", (letter) => `\x1b[${letter}`),
  ":\\/",
];

/** A part of a text, as it is read. */
export interface Spelled {
  readonly text: string;
  /** Where in the text before a part of it stands; `undefined` where it may begin before the part. */
  placeOf(start: number, end: number): readonly [start: number, end: number] | undefined;
}

/** Letters before and after a place that are read with it. Secrets that are longer are seen as cut. */
const BEFORE = 400;
const AFTER = 800;

/** What stands around some places, as it is read. */
export function* readAround(text: string, places: readonly number[]): Generator<Spelled> {
  const sorted = places.toSorted((a, b) => a - b);
  for (let at = 0; at < sorted.length;) {
    const start = Math.max(0, sorted[at]! - BEFORE);
    let end = sorted[at]! + AFTER;
    for (at++; at < sorted.length && sorted[at]! - BEFORE < end; at++) end = sorted[at]! + AFTER;
    yield readSpelled(text, start, Math.min(end, text.length));
  }
}

/** A part of a text, as it is read. */
export function readSpelled(text: string, from = 0, to = text.length): Spelled {
  const whole = from === 0 && to === text.length ? text : text.slice(from, to);
  const pieces: Piece[] = [];
  let read = "";
  let at = 0;
  const add = (start: number, end: number, letter?: string) => {
    const isLetter = letter !== undefined;
    pieces.push({ at: read.length, start: from + start, end: from + end, isLetter });
    read += letter ?? whole.slice(start, end);
  };
  for (const match of whole.matchAll(SPELLINGS)) {
    if (match.index > at) add(at, match.index);
    at = match.index + match[0].length;
    const [, code, letter] = match;
    if (code !== undefined) add(match.index, at, String.fromCharCode(parseInt(code, 16)));
    else if (letter !== undefined) add(match.index, at, CONTROLS[letter] ?? letter);
  }
  add(at, whole.length);
  return {
    text: read,
    placeOf: (start, end) => {
      if (start === 0 && from > 0) return undefined;
      const [first, last] = [pieceAt(pieces, start), pieceAt(pieces, end - 1)];
      return [
        first.start + start - first.at,
        last.isLetter ? last.end : last.start + end - last.at,
      ];
    },
  };
}

/** Letters as they are read, and where they are written. */
interface Piece {
  readonly at: number;
  readonly start: number;
  readonly end: number;
  /** Whether it is one letter that is written as several. */
  readonly isLetter: boolean;
}

/**
 * A colour, which is not read, or a letter, by number or with a backslash. A long row of backslashes
 * is tried from its beginning alone.
 */
const SPELLINGS =
  // deno-lint-ignore no-control-regex
  /(?:\x1b|(?<!\\)\\+u001[bB])\[[0-?]*[ -/]*[@-~]|(?<!\\)\\+(?:u([0-9a-fA-F]{4})|([nrtbf"/]))/g;
const CONTROLS: Readonly<Record<string, string>> = {
  ...{ n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" },
};

/** The last that begins at a letter or before it. */
function pieceAt(pieces: readonly Piece[], letter: number): Piece {
  let [low, high] = [0, pieces.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pieces[middle]!.at <= letter) low = middle;
    else high = middle - 1;
  }
  return pieces[low]!;
}
