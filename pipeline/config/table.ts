/**
 * Checks one table of the file against the options that it can have.
 *
 * @module
 */
import * as v from "valibot";
import { isOptional } from "./common.ts";
import type { Table } from "./parse.ts";
import { type Finding, type Path, sayValue } from "./problems.ts";
import { suggest } from "./suggest.ts";
import { wordingOf } from "./wording.ts";

/** What a table says, and what is wrong with it. */
export interface CheckedTable {
  readonly values: Readonly<Record<string, unknown>>;
  /** Lists some of whose entries are wrong: those are `undefined`. The others may be looked into. */
  readonly partial: Readonly<Record<string, readonly unknown[]>>;
  /** Whether every option has a value that is right. */
  readonly complete: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Checks a table option by option, so that one that is wrong does not hide what the others say.
 * `explain` says why a key is wrong that is none of the options, where there is more to say.
 *
 * @param page What explains the keys: a command in quotes; `undefined`: it is not known which they are.
 */
export function checkTable(
  table: Table,
  entries: v.ObjectEntries,
  path: Path,
  page: string | undefined,
  explain: (key: string) => string | undefined = () => undefined,
): CheckedTable {
  const help = page === undefined
    ? HINT_STAGES
    : `Remove it, or see ${page} for the keys that there are`;
  const valueHelp = page === undefined ? HINT_STAGES : `See ${page} for what it may be`;
  const findings: Finding[] = [];
  const values: Record<string, unknown> = {};
  const partial: Record<string, readonly unknown[]> = {};
  let complete = true;
  const names = Object.keys(entries);
  const meant = new Set<string>();
  for (const key of Object.keys(table)) {
    if (Object.hasOwn(entries, key)) continue;
    const message = explain(key);
    const near = message === undefined && findings.length < MOST_SUGGESTIONS
      ? suggest(key, names)
      : undefined;
    if (near !== undefined) meant.add(near);
    const finding = unknownKey([...path, key], near, help);
    findings.push(message === undefined ? finding : { ...finding, message });
  }
  for (const [key, option] of Object.entries(entries)) {
    if (!Object.hasOwn(table, key)) {
      const fallback = isOptional(option) ? v.parse(option, undefined) : undefined;
      if (fallback !== undefined) values[key] = fallback;
      if (isOptional(option)) continue;
      complete = false;
      if (!meant.has(key)) {
        const hint = exampleOf(key, option, "Add") ?? valueHelp;
        findings.push({ path: [...path, key], at: "key", message: "Missing key", hint });
      }
      continue;
    }
    const value = table[key];
    if (Array.isArray(value) && value.length > MOST_ENTRIES) {
      complete = false;
      const message = `Expected at most ${MOST_ENTRIES}`;
      findings.push(
        expected([...path, key, MOST_ENTRIES], message, "Put them into several stages"),
      );
      continue;
    }
    const result = v.safeParse(option, value);
    if (result.success) {
      values[key] = result.output;
      continue;
    }
    complete = false;
    const rest = Array.isArray(value) ? withoutWrong(value, result.issues) : undefined;
    if (rest !== undefined) partial[key] = rest;
    findings.push(...wrongValues(
      result.issues,
      [...path, key],
      exampleOf(key, option, "Write") ?? valueHelp,
    ));
  }
  return { values, partial, complete, findings };
}

/** `undefined` where it is wrong as a whole, such as a list in the place of a text. */
function withoutWrong(
  list: readonly unknown[],
  issues: readonly v.BaseIssue<unknown>[],
): readonly unknown[] | undefined {
  const wrong = new Set(issues.map(({ path }) => path?.[0].key));
  if (wrong.has(undefined)) return undefined;
  return list.map((entry, index) => wrong.has(index) ? undefined : entry);
}

/** What to do about a stage that there is not. */
export const HINT_STAGES = 'See "keepsake help" for the stages that there are';

/** More than that many misspellings are none, and looking for what was meant takes its time. */
export const MOST_SUGGESTIONS = 100;

/** A list that a person wrote is shorter, and each entry may be wrong, or a file to read. */
const MOST_ENTRIES = 5000;

/** `Write for example id = "claude"`; `undefined` where none is declared. */
function exampleOf(key: string, option: v.GenericSchema, verb: string): string | undefined {
  const { examples } = v.getMetadata(isOptional(option) ? option.wrapped : option);
  if (!Array.isArray(examples)) return undefined;
  return `${verb} for example ${key} = ${sayValue(examples[0])}`;
}

function wrongValues(
  issues: readonly v.BaseIssue<unknown>[],
  path: Path,
  help: string,
): Finding[] {
  const findings = new Map<string, Finding>();
  for (const issue of issues) {
    const at = [...path, ...(issue.path ?? []).map(({ key }) => key as string | number)];
    const { message, hint = help } = wordingOf(issue);
    // What is wrong in two ways at one place is told the first of them.
    const place = JSON.stringify(at);
    if (!findings.has(place)) findings.set(place, { path: at, at: "value", message, hint });
  }
  return [...findings.values()];
}

/** The finding for a key that is not known, and perhaps is a misspelling of another. */
export function unknownKey(path: Path, near: string | undefined, help: string): Finding {
  const message = near === undefined ? "Unknown key" : `Unknown key, did you mean "${near}"?`;
  return { path, at: "key", message, hint: near === undefined ? help : `Write "${near}"` };
}

/** The finding for a value that is not what it should be. */
export function expected(path: Path, message: string, hint: string): Finding {
  return { path, at: "value", message, hint };
}
