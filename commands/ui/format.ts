/**
 * Numbers, times and paths for a person.
 *
 * @module
 */
// @ts-types="../../tools/std/bytes.d.ts"
import { format as formatBytes } from "@std/fmt/bytes";
// @ts-types="../../tools/std/duration.d.ts"
import { format as formatDuration } from "@std/fmt/duration";

/** Words to choose from: `a, b or c`. */
export function sayOr(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}

/** A size: `1.34 kB`. */
export function sayBytes(bytes: number): string {
  return formatBytes(bytes);
}

/** A number with its noun: `1 file`, `12,345 files`. */
export function sayCount(count: number, one: string, many = `${one}s`): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ",")} ${count === 1 ? one : many}`;
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
  const local = new Date(time.getTime() + offsetMinutes * 60_000);
  return local.toISOString().slice(0, 16).replace("T", " ");
}

/** A path with the home directory as `~`. */
export function sayPath(path: string, home: string | undefined): string {
  if (home === undefined || home === "" || home === "/") return path;
  if (path === home) return "~";
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
