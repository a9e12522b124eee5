/**
 * The keys that say which snapshots stay at a destination → a policy, and what is wrong with them
 * taken together.
 *
 * @module
 */
import { KEEP_RULES, type Policy } from "../retention.ts";
import { RETENTION_OPTIONS } from "./common.ts";
import type { Table } from "./parse.ts";
import { type Finding, type Path, sayChoices } from "./problems.ts";
import { expected } from "./table.ts";

const DURATIONS = ["keep_within", "drill_every", "max_unproven"] as const;
const KEEP_KEYS = Object.keys(RETENTION_OPTIONS).filter((key) => key.startsWith("keep_"));

/** Takes the keys of retention out of a destination's. Without one that keeps, there is no policy. */
export function policyOf(values: Readonly<Record<string, unknown>>): {
  readonly policy: Policy | undefined;
  readonly options: Readonly<Record<string, unknown>>;
} {
  const own = (key: string) => Object.hasOwn(RETENTION_OPTIONS, key);
  const options = Object.fromEntries(Object.entries(values).filter(([key]) => !own(key)));
  const rules = KEEP_RULES.flatMap((rule) => {
    const value = values[`keep_${rule}`];
    return typeof value === "number" ? [[rule, value] as const] : [];
  });
  if (rules.length === 0) return { policy: undefined, options };
  const forgetDeleted = values["forget_deleted"] === true;
  return { policy: { ...Object.fromEntries(rules), forgetDeleted }, options };
}

/** A policy's keys, as the file could have them. */
export function retentionKeys({ forgetDeleted, ...rules }: Policy): Record<string, unknown> {
  const keys = Object.entries(rules).map(([rule, value]) => [
    `keep_${rule}`,
    rule === "within" ? `${value / 1000}s` : value,
  ]);
  return { ...Object.fromEntries(keys), ...(forgetDeleted && { forget_deleted: true }) };
}

/**
 * Finds what makes no sense: a time of no length, or a leave to forget where nothing is
 * ever removed.
 *
 * @param table The keys as they are written, and `values` those that are right.
 */
export function checkRetention(
  table: Table,
  values: Readonly<Record<string, unknown>>,
  path: Path,
): Finding[] {
  const findings: Finding[] = [];
  for (const key of DURATIONS) {
    if (values[key] !== 0) continue;
    findings.push(
      expected(
        [...path, key],
        "Expected a duration longer than nothing",
        'Write for example "30d", or leave this key out',
      ),
    );
  }
  const keeps = KEEP_KEYS.some((key) => Object.hasOwn(table, key));
  if (values["forget_deleted"] === true && !keeps) {
    findings.push({
      path: [...path, "forget_deleted"],
      at: "key",
      message: "Cannot forget what was deleted: nothing is ever removed without a keep_ key",
      hint: `Say what stays with ${sayChoices(KEEP_KEYS)}, or leave this key out`,
    });
  }
  return findings;
}
