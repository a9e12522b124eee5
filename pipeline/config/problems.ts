/**
 * What is wrong with a pipeline file: found by path, placed by line and column, told all at once.
 *
 * @module
 */
import { BackupError, type FailureOptions } from "../../stages/errors.ts";
import { CONTROLS_REGEXP, escapeControl } from "../../stages/formats/control_characters.ts";
import { sayOr } from "../../stages/formats/words.ts";
import type { Problem } from "./pipeline.ts";

/** Where in the file: keys, and places in a list counted from 0. Empty for the file itself. */
export type Path = readonly (string | number)[];

/** One thing wrong, before it is known in which line it stands. */
export interface Finding {
  readonly path: Path;
  /** Whether to point at the key or at what stands after `=`. */
  readonly at: "key" | "value";
  /** One sentence without a full stop. Never holds a value that may be secret. */
  readonly message: string;
  /** What to do about it: one imperative sentence without a full stop. */
  readonly hint: string;
}

/** A pipeline file that cannot be used. Its message holds every problem, a line each. */
export class PipelineError extends BackupError {
  override name = "PipelineError";
  /** In the order of the file; never empty. */
  readonly problems: readonly Problem[];

  constructor(message: string, problems: readonly Problem[], options?: FailureOptions) {
    super("pipeline-invalid", message, options);
    this.problems = problems;
  }
}

/** The error for a file that could be read, and says what cannot be done. */
export function invalidFile(file: string, problems: readonly Problem[]): PipelineError {
  const count = problems.length === 1 ? "it has a problem" : `it has ${problems.length} problems`;
  const shown = problems.slice(0, SHOWN).map(renderProblem);
  if (problems.length > SHOWN) shown.push(`  and ${problems.length - SHOWN} more`);
  return new PipelineError([`Cannot use ${quote(file)}: ${count}`, ...shown].join("\n"), problems);
}

/** The error for a file that says nothing at all, because of the file itself. */
export function unreadableFile(message: string, hint: string): PipelineError {
  return new PipelineError(message, [{ line: 1, column: 1, path: "", message, hint }], { hint });
}

/** Says a path as a user would: `stage[2].to[1]`, counted from 1. */
export function sayPath(path: Path): string {
  let said = "";
  for (const part of path) {
    if (typeof part === "number") said += `[${part + 1}]`;
    else said += (said === "" ? "" : ".") + sayKey(part);
  }
  return said;
}

/** Quotes text for a message. */
export function quote(text: string): string {
  return `"${printable(text)}"`;
}

/** The text with nothing in it that could move a terminal's cursor, or hide what stands around. */
export function printable(text: string): string {
  return text.replace(CONTROLS_REGEXP, escapeControl);
}

/** Says a value as it is written in the file. */
export function sayValue(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(sayValue).join(", ")}]` : JSON.stringify(value);
}

/** The list as a sentence has it: `"a", "b" or "c"`. */
export function sayChoices(words: readonly string[]): string {
  return sayOr(words.map((word) => `"${word}"`));
}

/** More than these help nobody; {@linkcode PipelineError.problems} has them all. */
const SHOWN = 50;
const KEY_LENGTH = 48;

function renderProblem({ line, column, path, message, hint }: Problem): string {
  const where = path === "" ? "" : `${path}: `;
  return `  ${line}:${column} ${where}${message}\n      ${hint}`;
}

function sayKey(key: string): string {
  if (key.length > KEY_LENGTH) return sayKey(`${key.slice(0, KEY_LENGTH - 1)}…`);
  return /^[\w-]+…?$/.test(key) ? key : quote(key);
}
