/**
 * Checks one table of the file against the options that it can have.
 *
 * @module
 */
import * as v from "valibot";
import { isOptional } from "./common.ts";
import type { Table } from "./parse.ts";
import type { Finding, Path } from "./problems.ts";
import { suggest } from "./suggest.ts";
import { wordingOf } from "./wording.ts";

/** What a table says, and what is wrong with it. */
export interface CheckedTable {
  readonly values: Readonly<Record<string, unknown>>;
  /** Whether every option has a value that is right. */
  readonly complete: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Checks a table option by option, so that one that is wrong does not hide what the others say.
 * `explain` says why a key is wrong that is none of the options, where there is more to say.
 */
export function checkTable(
  table: Table,
  entries: v.ObjectEntries,
  path: Path,
  explain: (key: string) => string | undefined = () => undefined,
): CheckedTable {
  const findings: Finding[] = [];
  const values: Record<string, unknown> = {};
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
    const finding = unknownKey([...path, key], near);
    findings.push(message === undefined ? finding : { ...finding, message });
  }
  for (const [key, option] of Object.entries(entries)) {
    if (!Object.hasOwn(table, key)) {
      const fallback = isOptional(option) ? v.parse(option, undefined) : undefined;
      if (fallback !== undefined) values[key] = fallback;
      if (isOptional(option)) continue;
      complete = false;
      if (!meant.has(key)) {
        findings.push({ path: [...path, key], at: "key", message: "Missing key" });
      }
      continue;
    }
    const value = table[key];
    if (Array.isArray(value) && value.length > MOST_ENTRIES) {
      complete = false;
      findings.push(expected([...path, key, MOST_ENTRIES], `Expected at most ${MOST_ENTRIES}`));
      continue;
    }
    const result = v.safeParse(option, value);
    if (result.success) {
      values[key] = result.output;
      continue;
    }
    complete = false;
    findings.push(...wrongValues(result.issues, [...path, key]));
  }
  return { values, complete, findings };
}

/** More than that many misspellings are none, and looking for what was meant takes its time. */
export const MOST_SUGGESTIONS = 100;

/** A list that a person wrote is shorter, and each entry may be wrong, or a file to read. */
const MOST_ENTRIES = 5000;

function wrongValues(issues: readonly v.BaseIssue<unknown>[], path: Path): Finding[] {
  const findings = issues.map((issue): Finding => ({
    path: [...path, ...(issue.path ?? []).map(({ key }) => key as string | number)],
    at: "value",
    ...wordingOf(issue),
  }));
  // A number can be wrong in two ways that are said in the same words.
  const said = findings.map(({ path, message }) => JSON.stringify([path, message]));
  const first = new Map(said.map((text, index) => [text, index] as const).toReversed());
  return findings.filter((_, index) => first.get(said[index]!) === index);
}

/** The finding for a key that is not known, and perhaps is a misspelling of another. */
export function unknownKey(path: Path, near: string | undefined): Finding {
  const message = near === undefined ? "Unknown key" : `Unknown key, did you mean "${near}"?`;
  return { path, at: "key", message };
}

/** The finding for a value that is not what it should be. */
export function expected(path: Path, message: string, hint?: string): Finding {
  return { path, at: "value", message, hint };
}
