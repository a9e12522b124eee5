/**
 * Words for people: counts, moments, lists and lines. Imports nothing, so that everybody has the time
 * for it.
 *
 * @module
 */

/** A number with its noun: `1 file`, `12,345 files`. */
export function sayCount(count: number, one: string, many = `${one}s`): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ",")} ${count === 1 ? one : many}`;
}

/** A moment, in milliseconds since 1970, in UTC: `2026-01-02 03:04`. */
export function sayUtc(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}

/** Words to choose from: `a, b or c`. */
export function sayOr(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}

/**
 * Breaks a text into lines at its spaces; a word that is wider than a line has one of its own.
 *
 * @param widthOf How wide a text is shown: without, it has a column for each letter.
 */
export function wrapText(
  text: string,
  width: number,
  widthOf: (text: string) => number = ({ length }) => length,
): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && widthOf(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
