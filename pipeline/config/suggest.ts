/**
 * "Did you mean": the known name that an unknown one is most likely a misspelling of.
 *
 * @module
 */
// @ts-types="../../tools/std/closest_string.d.ts"
import { closestString } from "@std/text/closest-string";
// @ts-types="../../tools/std/levenshtein_distance.d.ts"
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/**
 * The known name nearest to what was written, unless it is too far away to be what was meant. A
 * word in front of it is taken for the stage's name, which other tools have there: `s3_bucket`.
 */
export function suggest(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || written.length > LONGEST) return undefined;
  return near(written, known) ?? near(written.slice(written.indexOf("_") + 1), known);
}

function near(written: string, known: readonly string[]): string | undefined {
  const nearest = closestString(written, known);
  const distance = levenshteinDistance(written.toLowerCase(), nearest.toLowerCase());
  // The word that several have in front says nothing: keep_hourly is no keep_yearly.
  const longer = Math.max(written.length, nearest.length) - frontOf(written, nearest).length;
  // Two letters swapped count as two.
  const most = longer < 4 ? 1 : Math.max(2, Math.floor(longer / 3));
  return distance <= most ? nearest : undefined;
}

/** The words that both begin with: `keep_`, or nothing. */
function frontOf(one: string, other: string): string {
  const front = one.slice(0, one.indexOf("_") + 1);
  return other.startsWith(front) ? front : "";
}

/** Names are shorter; comparing a page of text with each of them would take its time. */
const LONGEST = 64;
