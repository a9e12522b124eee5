/** The typed front of `@std/fmt/bytes`, as far as it is used. */

/** A number of bytes for a person: `1.34 kB`. Throws a `TypeError` unless it is finite. */
export function format(bytes: number): string;
