/**
 * What to do about a word that nobody knows.
 *
 * @module
 */
import { suggest } from "../pipeline/config/suggest.ts";

/** A hint: the known word that was probably meant, else where to find them all. */
export function hintFor(word: string, known: readonly string[]): string {
  const meant = suggest(word, known) ?? beginningOf(word, known) ?? swapped(word, known);
  return meant === undefined
    ? 'See "keepsake help" for those there are'
    : `Did you mean "${meant}"?`;
}

/** `rest` for `restore`. */
function beginningOf(word: string, known: readonly string[]): string | undefined {
  const fitting = known.filter((one) => one.startsWith(word));
  return word.length > 1 && fitting.length === 1 ? fitting[0] : undefined;
}

/** `rnu` for `run`: one slip of the fingers, though two letters differ. */
function swapped(word: string, known: readonly string[]): string | undefined {
  const letters = (text: string) => [...text].toSorted().join("");
  return known.find((one) => letters(one) === letters(word));
}
