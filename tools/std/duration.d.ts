/** The typed front of `@std/fmt/duration`, as far as it is used. */

/** A number of milliseconds for a person: `1m 39s 674ms`. */
export function format(
  milliseconds: number,
  options?: { readonly style?: "narrow" | "full"; readonly ignoreZero?: boolean },
): string;
