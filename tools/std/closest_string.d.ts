/** The typed front of `@std/text/closest-string`, as far as it is used. */

/** The word most like the given one. Always answers one: how far away it is, is not said. */
export function closestString(
  givenWord: string,
  possibleWords: readonly string[],
  options?: { readonly caseSensitive?: boolean; compareFn?(a: string, b: string): number },
): string;
