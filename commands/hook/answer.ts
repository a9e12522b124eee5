/**
 * `hook run`: what Claude Code starts. Never fails a session, and never keeps it waiting.
 *
 * Loads next to nothing, and reads its own few words: they come from what `hook install` wrote.
 *
 * @module
 */
import { join } from "node:path";
import { areFactsClosed, readDoubts, readHookFacts } from "../../pipeline/hook_facts.ts";
import { type PendingDigests, renderAnswer, type Said, sayFacts } from "./session_start.ts";

/** When the last good backup is stale, unless the hook was told otherwise. */
export const USUAL_MAX_AGE = 36 * 3_600_000;

/** Does what Claude Code's event asks for. Always answers status 0. */
export async function answerHook(words: readonly string[]): Promise<number> {
  try {
    const [event, ...rest] = words;
    const values = new Map<string, string>();
    for (let at = 0; at + 1 < rest.length; at += 2) values.set(rest[at]!, rest[at + 1]!);
    if (event === "session-start") answerStart(values);
    if (event === "session-end") await answerEnd(values);
  } catch {
    // Whatever it is: a session has other things to do. `keepsake status` and runs tell.
  }
  return 0;
}

function answerStart(values: ReadonlyMap<string, string>): void {
  const state = values.get("--state");
  if (state === undefined) return;
  const answer = renderAnswer(sayNow(state, values.get("--max-age"), takePending));
  const bytes = new TextEncoder().encode(answer);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/**
 * What a session is told that begins now.
 *
 * @param maxAge As `hook install` wrote it; `undefined`: the usual.
 * @param look How to learn of the digests that are new in a directory.
 */
export function sayNow(
  state: string,
  maxAge: string | undefined,
  look: (directory: string) => PendingDigests,
): Said {
  const read = readHookFacts(state);
  // Whoever went on with a conversation put its end off.
  const facts = read && {
    ...read,
    endangered: read.endangered.filter(({ path, changed }) => changedAt(path) === changed),
  };
  const pending = (facts?.made ?? []).map(look);
  const now = Date.now();
  const closed = facts === undefined && areFactsClosed(state);
  const doubts = readDoubts(state);
  return sayFacts({ facts, closed, doubts, pending, now, maxAge: Number(maxAge) || USUAL_MAX_AGE });
}

/** Starts a run that outlives this program and the session. */
async function answerEnd(values: ReadonlyMap<string, string>): Promise<void> {
  const config = values.get("--config");
  if (config === undefined) return;
  const [{ spawn }, { thisProgram }] = await Promise.all([
    import("node:child_process"),
    import("../schedule/place.ts"),
  ]);
  const [program, ...words] = thisProgram(new URL("../../main.ts", import.meta.url).href);
  // In a session and a group of its own: nothing that ends this one's reaches it.
  const child = spawn(program, [...words, "run", "--quiet", "--config", config], {
    detached: true,
    stdio: "ignore",
    windowsHide: true,
  });
  child.on("error", () => {});
  child.unref();
}

/** The file by which the digest stage tells what it wrote. */
const PENDING = "_digest-pending";

/** Takes note of the digests that are new: the next session is not told again. */
function takePending(directory: string): PendingDigests {
  const flag = join(directory, PENDING);
  // What is written meanwhile makes a new flag.
  const taken = `${flag}.${Deno.pid}`;
  try {
    Deno.renameSync(flag, taken);
  } catch {
    return { directory, files: [] };
  }
  const pending = readPending(directory, taken);
  Deno.removeSync(taken);
  return pending;
}

/** The digests that are new, without taking note of them. */
export function peekPending(directory: string): PendingDigests {
  try {
    return readPending(directory, join(directory, PENDING));
  } catch {
    return { directory, files: [] };
  }
}

function readPending(directory: string, flag: string): PendingDigests {
  const names = Deno.readTextFileSync(flag).split("\n").filter((name) => name !== "");
  const files = names.flatMap((name) => {
    const bytes = sizeOf(join(directory, name));
    return bytes === undefined ? [] : [{ name, bytes }];
  });
  return { directory, files };
}

function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch {
    return undefined;
  }
}

function changedAt(path: string): number | undefined {
  try {
    return Deno.statSync(path).mtime?.getTime();
  } catch {
    return undefined;
  }
}
