/**
 * What must not reach a screen as it is, for whoever shows text that others wrote.
 *
 * @module
 */

/**
 * Controls, halves of characters, line separators, what turns the direction of writing, and what is
 * there unseen: names of files can hold it, and so forge output, or hide words from whoever reads.
 * What joins letters and emoji is spared: they are others without it.
 */
export const CONTROLS_REGEXP =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])[\p{Cf}&&\p{Default_Ignorable_Code_Point}]/gv;

/** The character written out: `\u{1b}`. */
export function escapeControl(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/** A text on one line: what must not reach a screen is written out. */
export function escapeLine(text: string): string {
  return text.replaceAll(
    CONTROLS_REGEXP,
    (character) => character === "\n" ? " " : escapeControl(character),
  );
}
