/**
 * What a scheduler is to start, in words that no scheduler can misread.
 *
 * Nothing that a person wrote reaches a crontab, unit, plist or task but a checked time, a checked
 * name and absolute paths, each quoted as the place asks.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { BackupError } from "../../pipeline/errors.ts";
import type { Calendar } from "./calendar.ts";

/** One pipeline's backups. */
export interface Job {
  /** Of the pipeline: `[a-z0-9-]{1,32}`. */
  readonly name: string;
  readonly calendar: Calendar;
  /** The program and its first words, before those that a scheduler adds: all absolute or flags. */
  readonly program: readonly [string, ...string[]];
  /** The pipeline file. Absolute. */
  readonly file: string;
  /** Variables that the program needs and a scheduler does not set: absolute paths, plain words, or `1`. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Why a job starts. */
export type Occasion =
  /** Its time has come. */
  | "due"
  /** The machine may have been off or asleep when it was: to be looked up. */
  | "missed";

/** The words that a scheduler starts on an occasion. */
export function wordsFor(job: Job, occasion: Occasion): readonly string[] {
  const missed = occasion === "missed" ? ["--if-missed", job.calendar.expression] : [];
  return [...job.program, "run", "--config", job.file, "--quiet", ...missed];
}

/**
 * Refuses what no scheduler could be told safely.
 *
 * @throws {BackupError} `usage`
 */
export function checkJob({ name, program, file, environment }: Job): void {
  if (!/^[a-z0-9-]{1,32}$/.test(name)) throw refused(name, "it is no name of a pipeline");
  for (const [variable, value] of Object.entries(environment)) {
    if (!/^[A-Z_]+$/.test(variable)) throw refused(variable, "it is no name of a variable");
    if (value === "1" || (WORDED.includes(variable) && /^[a-z]+(,[a-z]+)*$/.test(value))) continue;
    if (!isAbsolute(value)) {
      const message = `Cannot schedule with ${variable}="${value}": it is no absolute path`;
      throw new BackupError("usage", message, { hint: `Set ${variable} to an absolute path` });
    }
    checkPath(value);
  }
  checkPath(program[0]);
  checkPath(file);
  for (const word of program.slice(1)) if (hasControls(word)) throw refused(word, CONTROLS);
}

/** Variables that hold words, not paths. */
const WORDED: readonly string[] = ["DENO_TLS_CA_STORE"];

function checkPath(path: string): void {
  if (hasControls(path)) throw refused(path, CONTROLS);
  if (!isAbsolute(path)) throw refused(path, "it is no absolute path");
}

const CONTROLS = "its name holds a line break or another control character";

function hasControls(text: string): boolean {
  // Also what some readers take for the end of a line, and halves of characters.
  return /[\p{Cc}\u2028\u2029]/u.test(text) || !text.isWellFormed();
}

function refused(word: string, state: string): BackupError {
  return new BackupError("usage", `Cannot schedule "${word}": ${state}`, {
    hint: "Give it another name",
  });
}

/** Text for an XML document. */
export function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}
