/**
 * Numbers, times and paths for a person.
 *
 * @module
 */
// @ts-types="../../tools/std/bytes.d.ts"
import { format as formatBytes } from "@std/fmt/bytes";
// @ts-types="../../tools/std/duration.d.ts"
import { format as formatDuration } from "@std/fmt/duration";
import { sayUtc } from "../../pipeline/words.ts";
export { sayCount, sayOr } from "../../pipeline/words.ts";

/** A size: `1.34 kB`. */
export function sayBytes(bytes: number): string {
  return formatBytes(bytes);
}

/** A span of time: `0.4 s`, `12 s`, `1m 39s`. */
export function saySeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return formatDuration(whole * 1000, { ignoreZero: true });
}

/** A point of time on the clock on the wall: `2026-01-02 03:04`. */
export function sayTime(time: Date, offsetMinutes: number = -time.getTimezoneOffset()): string {
  return sayUtc(time.getTime() + offsetMinutes * 60_000);
}

/** A path with the home directory as `~`. */
export function sayPath(path: string, home: string | undefined): string {
  if (home === undefined || home === "" || home === "/") return path;
  if (path === home) return "~";
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
