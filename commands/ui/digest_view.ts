/**
 * What became of the digests, in a few lines.
 *
 * @module
 */
import type { PrepareResult } from "../../pipeline/alone.ts";
import { sayPath } from "./format.ts";
import { escapeControls } from "./text.ts";

/** What the stage tells besides, as far as it is shown. */
interface Details {
  readonly written: readonly string[];
  readonly redactions: readonly {
    readonly rule: string;
    readonly session: string;
    readonly line: number;
  }[];
  readonly unknown: Readonly<Record<string, number>>;
}

/** Lines that are named each. */
const NAMED = 10;

/** Says which digests were written, and what is worth a look in the logs. */
export function renderDigest(
  { message, details }: PrepareResult,
  to: string,
  home: string | undefined,
): string[] {
  const { written = [], redactions = [], unknown = {} } = (details ?? {}) as Partial<Details>;
  const secrets = redactions.map(({ rule, session, line }) => `${rule}: ${session}, line ${line}`);
  const shapes = Object.entries(unknown).map(([shape, count]) => `${count} × ${shape}`);
  return [
    `${sayPath(to, home)}: ${message}`,
    ...some("", written),
    ...some("redacted", secrets),
    ...some("not known", shapes),
  ].map(escapeControls);
}

function some(title: string, lines: readonly string[]): string[] {
  const more = lines.length > NAMED ? [`  and ${lines.length - NAMED} more: see _manifest.md`] : [];
  const head = title === "" || lines.length === 0 ? [] : [`${title}:`];
  return [...head, ...lines.slice(0, NAMED).map((line) => `  ${line}`), ...more];
}
