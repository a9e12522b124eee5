/**
 * Finds the bracket that is still open at some place of a TOML text: where a list that lacks its end
 * begins says more than where the next line stops making sense.
 *
 * @module
 */

/** A bracket that is not closed yet. */
export interface OpenBracket {
  readonly character: "[" | "{";
  /** Counted from 1. */
  readonly line: number;
  /** Whether it begins the name of a table, and not a value. */
  readonly isHeader: boolean;
}

/** The innermost one before a place; `line` and `column`, in UTF-16 units, are counted from 1. */
export function openBracketAt(text: string, line: number, column: number): OpenBracket | undefined {
  const end = offsetOf(text, line, column);
  const open: number[] = [];
  TOKENS_REGEXP.lastIndex = 0;
  for (
    let token = TOKENS_REGEXP.exec(text);
    token !== null && token.index < end;
    token = TOKENS_REGEXP.exec(text)
  ) {
    const [found] = token;
    if (found === "[" || found === "{") open.push(token.index);
    else if (found === "]" || found === "}") open.pop();
  }
  const at = open.at(-1);
  if (at === undefined) return undefined;
  const [first = at] = open;
  return {
    character: text[at] as "[" | "{",
    line: text.slice(0, at).split("\n").length,
    isHeader: at - first === open.length - 1 && /(^|\n)[ \t]*$/.test(text.slice(0, first)),
  };
}

/**
 * Brackets, and all that can hold brackets which are none: comments and texts. A text without an end
 * goes on to the last line: to look for its end again and again would take its time.
 */
const TOKENS_REGEXP =
  /[[\]{}]|#[^\n]*|"""(?:\\[^]|(?!""")[^\\])*(?:""")?|'''(?:(?!''')[^])*(?:''')?|"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?/g;

function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let passed = 1; passed < line; passed++) {
    const next = text.indexOf("\n", start);
    if (next === -1) break;
    start = next + 1;
  }
  return start + column - 1;
}
