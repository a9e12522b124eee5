/**
 * Spans of days and hours, as a person thinks of them.
 *
 * @module
 */
import { sayCount } from "../../pipeline/words.ts";

const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]] as const;

/** How long ago, or how far ahead: `3 days ago`, `in 2 hours`, `just now`. */
export function sayAge(time: Date, now: Date): string {
  const span = now.getTime() - time.getTime();
  const said = saySpan(Math.abs(span));
  if (said === "") return "just now";
  return span >= 0 ? `${said} ago` : `in ${said}`;
}

/** Two days are told in hours: one and a half are neither one nor two. Empty below a minute. */
function saySpan(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    const least = unit === "minute" ? 1 : 2;
    const count = Math.floor(milliseconds / size);
    if (count >= least) return sayCount(count, unit);
  }
  return "";
}
