/**
 * Colours, or none: a pipe, `NO_COLOR` and a terminal that knows none get plain text.
 *
 * @module
 */
// @ts-types="../../tools/std/colors.d.ts"
import * as colors from "@std/fmt/colors";

/** How words are set apart. */
export interface Style {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly careful: (text: string) => string;
}

const plain = (text: string) => text;

/** Sets nothing apart. */
export const PLAIN: Style = {
  strong: plain,
  faint: plain,
  good: plain,
  bad: plain,
  careful: plain,
};

const COLORED: Style = {
  strong: colors.bold,
  faint: colors.dim,
  good: colors.green,
  bad: colors.red,
  careful: colors.yellow,
};

/** The style for a stream that shows colours, or does not. */
export function styleFor({ colors }: { readonly colors: boolean }): Style {
  return colors ? COLORED : PLAIN;
}
