/**
 * What a run leaves for a hook that has no time to look itself: a small file in the state directory.
 *
 * Imports next to nothing: whoever reads it has to answer within 100 ms.
 *
 * @module
 */
import { join } from "node:path";

/** How things were when the last run ended. Times in milliseconds since 1970. */
export interface HookFacts {
  readonly pipeline: string;
  /** When the last run ended, and its exit status. */
  readonly finished: number;
  readonly status: number;
  /** What failed in it: one sentence each. */
  readonly failures: readonly string[];
  /** When a whole run last ended well; `null`: never, as far as is known. */
  readonly succeeded: number | null;
  /** Directories that prepare stages write to: where digests are. */
  readonly made: readonly string[];
  /** Conversations that go before long and were in no destination. */
  readonly endangered: readonly EndangeredFact[];
}

/** A conversation in no destination. */
export interface EndangeredFact {
  readonly path: string;
  readonly changed: number;
  readonly goes: number;
  /** Whether a copy of it on this machine outlasts it. */
  readonly preserved?: boolean;
}

/** Where they are. */
export function hookFile(state: string): string {
  return join(state, "hook.json");
}

/** Reads what the last run left; `undefined` when there is nothing, or nothing of use. */
export function readHookFacts(state: string): HookFacts | undefined {
  try {
    const facts = JSON.parse(Deno.readTextFileSync(hookFile(state)));
    return facts.version === VERSION ? facts : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what was known, when somebody last looked, to be lost or damaged: one sentence each. */
export function readDoubts(state: string): readonly string[] {
  try {
    const doubts: unknown = JSON.parse(Deno.readTextFileSync(doubtsFile(state)));
    return Array.isArray(doubts) ? doubts.map(String) : [];
  } catch {
    return [];
  }
}

/** Leaves it for the next hook. Whoever looked may do so, beside a run: it is a file of its own. */
export function writeDoubts(state: string, doubts: readonly string[]): void {
  replace(doubtsFile(state), JSON.stringify(doubts));
}

/** Whether there is no knowing what runs left: it may be another user's. */
export function areFactsClosed(state: string): boolean {
  try {
    Deno.openSync(hookFile(state)).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}

/** Leaves it for the next hook: as a whole, or not at all. */
export function writeHookFacts(state: string, facts: HookFacts): void {
  replace(hookFile(state), JSON.stringify({ version: VERSION, ...facts }));
}

function replace(file: string, text: string): void {
  const part = `${file}.${Deno.pid}.part`;
  Deno.writeTextFileSync(part, `${text}\n`, { mode: 0o600 });
  Deno.renameSync(part, file);
}

function doubtsFile(state: string): string {
  return join(state, "doubts.json");
}

/** Of the file: another one is none of use. */
const VERSION = 1;
