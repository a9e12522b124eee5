/**
 * Failures, for a person and as JSON.
 *
 * @module
 */
import { resolve } from "node:path";
import { expandTilde } from "../../pipeline/config/expand.ts";
import { type FailureRecord, FAILURES, isDenied, toRecord } from "../../pipeline/errors.ts";
import type { Failure } from "../../pipeline/events.ts";
import { redactForms } from "../../pipeline/redact.ts";
import { type Unanswered, UnansweredError } from "../../pipeline/unanswered.ts";
import { homeDirectory } from "../home.ts";
import { printJson } from "../json.ts";
import { FileError } from "../pipeline_file.ts";
import { PLAIN, type Style, styleFor } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControls } from "./text.ts";

/** Tells what was thrown, on the stream for it, and answers the exit status. */
export function tell(thrown: unknown, terminal: Terminal, json: boolean): number {
  terminal.status("");
  const record = toRecord(thrown);
  const isBug = record.code === "bug";
  if (json) printJson(terminal, failureJson(thrown));
  if (!json || isBug || terminal.out.failure !== undefined) {
    terminal.say(renderFailure(thrown, styleFor(terminal.err)).join("\n"));
  }
  return FAILURES[record.code].status;
}

/** What `--json` prints in the place of a result. */
export function failureJson(thrown: unknown): unknown {
  const { code, message } = recordOf(thrown);
  const hint = hintOf(thrown) ?? null;
  const problems = thrown instanceof FileError ? { problems: thrown.problems } : {};
  const failures = thrown instanceof UnansweredError ? { failures: failuresJson(thrown) } : {};
  return { ok: false, error: { code, message, hint, ...problems, ...failures } };
}

/** Says what was thrown. What is no failure that was foreseen is a bug, and comes with its stack. */
export function renderFailure(thrown: unknown, style: Style): string[] {
  if (thrown instanceof UnansweredError) return renderUnanswered(cleaned(thrown), style);
  const record = recordOf(thrown);
  const hint = hintOf(thrown);
  return [
    ...(record.code === "bug" ? renderBug(record, style) : [renderMessage(record, style)]),
    ...(thrown instanceof FileError ? renderProblems(thrown, style) : []),
    ...(hint === undefined ? [] : [`  ${escapeControls(hint)}`]),
  ];
}

/** Says what may go wrong, and what to do about it. */
export function renderWarning(
  { message, hint }: { readonly message: string; readonly hint: string },
  style: Style = PLAIN,
): string[] {
  return [
    `${style.careful("Warning:")} ${escapeControls(message)}`,
    `  ${escapeControls(hint)}`,
  ];
}

/** Says which destinations could not be asked, and why. */
export function renderUnanswered(failures: readonly Unanswered[], style: Style): string[] {
  return failures.flatMap(({ destination, failure: { message, hint } }) => {
    const line = `${style.bad("Error:")} ${escapeControls(`${destination}: ${message}`)}`;
    return hint === undefined ? [line] : [line, `  ${escapeControls(hint)}`];
  });
}

/** How a command ends that went on without these; 0 where all answered. */
export function statusWithout(failures: readonly Unanswered[]): number {
  return Math.max(0, ...failures.map(({ failure }) => FAILURES[failure.code].status));
}

function failuresJson(thrown: UnansweredError): unknown[] {
  return cleaned(thrown).map(({ destination, failure }) => (
    { destination, failure: partJson(failure) }
  ));
}

function cleaned({ failures }: UnansweredError): Unanswered[] {
  return failures.map(({ destination, failure: { code, message, hint } }) => ({
    destination,
    failure: { code, message: redactForms(message), hint: hint && redactForms(hint) },
  }));
}

/** A failure that is a part of a document. */
export function partJson({ code, message, hint }: Failure): unknown {
  return { code, message, hint: hint ?? null };
}

/** What was thrown, without what is a secret by its form; a run takes out the others, too. */
function recordOf(thrown: unknown): FailureRecord {
  const { message, hint, stack, ...record } = toRecord(thrown);
  return {
    ...record,
    message: redactForms(message),
    hint: hint && redactForms(hint),
    stack: stack && redactForms(stack),
  };
}

function hintOf(thrown: unknown): string | undefined {
  // Whatever a stage lacks comes as a record out of its worker: this is the program itself.
  if (isDenied(thrown)) return "Start it with -A: its workers get less";
  const record = recordOf(thrown);
  if (record.code === "bug") return "Please report this with the lines above";
  const variable = variableNaming(record);
  if (variable === undefined) return record.hint;
  return `${record.hint === undefined ? "" : `${record.hint}; `}${variable} names this file`;
}

/** The variable that named the file which cannot be used: whoever set it long ago has forgotten. */
function variableNaming({ code, message }: FailureRecord): string | undefined {
  const variables = {
    "identity-wrong": "KEEPSAKE_IDENTITY",
    "pipeline-invalid": "KEEPSAKE_CONFIG",
  };
  const variable = variables[code as keyof typeof variables];
  const value = variable && Deno.env.get(variable);
  if (!value) return undefined;
  const home = homeDirectory();
  const path = home === undefined ? value : expandTilde(value, home);
  return [path, resolve(path)].some((path) => message.includes(`"${path}"`)) ? variable : undefined;
}

function renderMessage({ message }: FailureRecord, style: Style): string {
  return `${style.bad("Error:")} ${escapeControls(message)}`;
}

function renderBug({ message, stack }: FailureRecord, style: Style): string[] {
  const frames = (stack ?? message).split("\n").map((line) => `  ${escapeControls(line)}`);
  return [style.bad("This is a bug in keepsake:"), ...frames];
}

function renderProblems({ file, problems, message }: FileError, style: Style): string[] {
  return problems.filter((problem) => problem.message !== message).flatMap((problem) => {
    const where = escapeControls(`${file}:${problem.line}:${problem.column}`);
    const path = problem.path === "" ? "" : `${escapeControls(problem.path)}: `;
    const line = `  ${style.faint(where)}  ${path}${escapeControls(problem.message)}`;
    return problem.hint === undefined ? [line] : [line, `      ${escapeControls(problem.hint)}`];
  });
}
