/** The typed front of `@std/text/levenshtein-distance`. */

/** How many characters to add, remove or replace to turn one word into the other. */
export function levenshteinDistance(a: string, b: string): number;
