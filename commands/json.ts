/**
 * The one JSON document that `--json` prints.
 *
 * @module
 */
import type { Terminal } from "./ui/terminal.ts";

/** Prints a value as JSON, with commands that can be typed as they stand there. */
export function printJson(terminal: Terminal, value: unknown): void {
  const replace = (key: string, value: unknown) =>
    ADVICE.has(key) && typeof value === "string" ? terminal.nextCommands(value) : value;
  terminal.print(escapeData(JSON.stringify(value, replace, 2)));
}

/** Keys of what is said in words of ours, and is no data. */
const ADVICE = new Set(["hint", "restore"]);

/**
 * Escapes what JSON and TOML let stand in a text and a terminal would obey. Both read it the same
 * afterwards.
 */
export function escapeData(text: string): string {
  return text.replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Seconds to the millisecond. */
export function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
