/**
 * Text as a terminal shows it: what must not reach one, how wide it is, and how it is made to fit.
 *
 * @module
 */
import { eastAsianWidth } from "get-east-asian-width";
import { CONTROLS_REGEXP, escapeControl, wrapText } from "../../pipeline/words.ts";

/** Writes out what would steer the terminal, turn the writing, begin a new line or stand there unseen. */
export function escapeControls(text: string): string {
  return text.replace(
    CONTROLS_REGEXP,
    (character) => SHORT_ESCAPES[character] ?? escapeControl(character),
  );
}

/** How many columns a text without control characters takes. */
export function widthOf(text: string): number {
  if (ASCII_REGEXP.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (!NO_WIDTH_REGEXP.test(character)) width += eastAsianWidth(character.codePointAt(0)!);
  }
  return width;
}

/** Fills a text up with spaces, on the right or on the left. */
export function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const room = " ".repeat(Math.max(0, width - widthOf(text)));
  return align === "left" ? text + room : room + text;
}

/**
 * Cuts a text to a width. The middle gives way: the beginning of a path says where it is, its end
 * what it is.
 */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return "…".slice(0, Math.max(0, width));
  const characters = [...text];
  const tail = Math.floor((width - 1) / 2);
  const end = take(characters.toReversed(), tail).toReversed().join("");
  return `${take(characters, width - 1 - tail).join("")}…${end}`;
}

/** Breaks a text into lines at its spaces; a word that is wider than a line has one of its own. */
export function wrap(text: string, width: number): string[] {
  return wrapText(text, width, widthOf);
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const ASCII_REGEXP = /^[\x20-\x7e]*$/;
const NO_WIDTH_REGEXP = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

function take(characters: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let left = width;
  for (const character of characters) {
    left -= widthOf(character);
    if (left < 0) break;
    taken.push(character);
  }
  return taken;
}
