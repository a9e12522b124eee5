/**
 * Puts our hooks into Claude Code's settings and takes them out again, beside sessions that write
 * the same file.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BackupError, stateOf } from "../../pipeline/errors.ts";
import {
  areDisabled,
  type Entry,
  hasHooks,
  holds,
  hooksIn,
  type IsOwn,
  withHooks,
  withoutHooks,
} from "./settings.ts";

/** What our hooks are made of. */
export interface Wiring {
  /** The words that start this program. */
  readonly program: readonly [string, ...string[]];
  /** The pipeline's state directory: by it, a pipeline knows its hooks. */
  readonly state: string;
  /** The pipeline file. */
  readonly file: string;
  /** Milliseconds; `undefined`: the usual. */
  readonly maxAge: number | undefined;
}

/** The hooks of a pipeline. */
export function entriesFor({ program, state, file, maxAge }: Wiring): Entry[] {
  const [command, ...words] = program;
  const hook = (event: string, timeout: number, more: readonly string[] = []) => ({
    type: "command" as const,
    command,
    args: [...words, "hook", "run", event, "--state", state, "--config", file, ...more],
    timeout,
  });
  const age = maxAge === undefined ? [] : ["--max-age", String(maxAge)];
  return [
    {
      event: "SessionStart",
      matcher: "startup|resume",
      hook: hook("session-start", 5, age),
    },
    {
      event: "SessionEnd",
      matcher: undefined,
      // It answers at once; a session that ends gives all of its hooks as long as the longest asks.
      hook: hook("session-end", 10),
    },
  ];
}

/**
 * Tells the hooks of a pipeline, also where the program was elsewhere then.
 *
 * @param file Its file, to have those as well that it had under a former name, or with another state.
 */
export function ownHooks(state: string, file?: string): IsOwn {
  return (_event, args) => {
    const at = args.indexOf("hook");
    const [, run, event, flag, directory, ...rest] = args.slice(at);
    return at >= 0 && run === "run" && /^session-(start|end)$/.test(event ?? "") &&
      flag === "--state" &&
      (directory === state || file !== undefined && rest[0] === "--config" && rest[1] === file);
  };
}

/** How often a file is written that somebody else writes at the same time. */
const ATTEMPTS = 5;

/** What becomes of a file. */
interface Change {
  /** What cannot be done where it fails, before the name of the file. */
  readonly action: string;
  readonly edit: (text: string) => string;
  /** Whether a text is as it should be. */
  readonly isDone: (text: string) => boolean;
}

/**
 * Adds hooks to a file of settings, or brings ours up to date.
 *
 * @returns Whether anything had to be written.
 */
export function addHooks(file: string, entries: readonly Entry[], isOwn: IsOwn): Promise<boolean> {
  return change(file, {
    action: "Cannot add hooks to",
    edit: (text) => withHooks(text, entries, isOwn),
    isDone: (text) => holds(text, entries),
  });
}

/**
 * Takes exactly ours out of a file of settings.
 *
 * @returns Whether there were any.
 */
export function removeHooks(file: string, isOwn: IsOwn): Promise<boolean> {
  return change(file, {
    action: "Cannot remove hooks from",
    edit: (text) => withoutHooks(text, isOwn),
    isDone: (text) => !hasHooks(text, isOwn),
  });
}

/** Ours in a file of settings, none where there is no such file, and whether any are started. */
export async function findHooks(
  file: string,
  isOwn: IsOwn,
): Promise<{ readonly hooks: ReturnType<typeof hooksIn>; readonly disabled: boolean }> {
  const text = await read(file);
  const content = text.slice(bom(text).length);
  return naming(
    `Cannot find hooks in "${file}"`,
    () => ({ hooks: hooksIn(content, isOwn), disabled: areDisabled(content) }),
  );
}

async function change(path: string, { action, edit, isDone }: Change): Promise<boolean> {
  const file = await realFile(path);
  let isChanged = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = await read(file);
    const content = before.slice(bom(before).length);
    const after = naming(`${action} "${file}"`, () => bom(before) + edit(content));
    if (after === before) return isChanged;
    if (!await replace(file, before, after)) continue;
    isChanged = true;
    // A session that has the file in memory may have put its own in place meanwhile.
    const now = await read(file);
    if (naming(`${action} "${file}"`, () => isDone(now.slice(bom(now).length)))) return true;
  }
  throw new BackupError("usage", `Cannot change "${path}": something else keeps writing it`, {
    hint: "End the sessions of Claude Code, and try again",
  });
}

/** The file itself: a link into somebody's dotfiles stays one, also while they are not there. */
async function realFile(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (cause) {
    const target = await Deno.readLink(path).catch(() => undefined);
    if (target === undefined) return path;
    const why = cause instanceof Deno.errors.NotFound ? "nothing is there" : stateOf(cause);
    throw new BackupError(
      "usage",
      `Cannot change "${path}": it is a link to "${target}", and ${why}`,
      {
        hint: "See that what it leads to is there, and try again",
        cause,
      },
    );
  }
}

/** Puts a new text in place of the one that was read; answers whether that was still there. */
async function replace(file: string, before: string, after: string): Promise<boolean> {
  const part = join(dirname(file), `.settings.json.${crypto.randomUUID().slice(0, 8)}.part`);
  try {
    const mode = (await Deno.stat(file).catch(() => undefined))?.mode ?? 0o600;
    {
      using output = await Deno.open(part, { write: true, createNew: true, mode: mode & 0o777 });
      const bytes = new TextEncoder().encode(after);
      for (let at = 0; at < bytes.length;) at += await output.write(bytes.subarray(at));
      await output.sync();
    }
    if (Deno.build.os !== "windows") await Deno.chmod(part, mode & 0o777);
    const isSame = await read(file) === before;
    if (isSame) await Deno.rename(part, file);
    return isSame;
  } catch (cause) {
    const message = `Cannot change "${file}": ${stateOf(cause)}`;
    throw new BackupError("usage", message, { hint: "Check that you may write there", cause });
  } finally {
    await Deno.remove(part).catch(() => {}); // It is gone when it was put in place.
  }
}

async function read(file: string): Promise<string> {
  // A pipe is waited for without end, and /dev/null is not to become a file.
  const there = await Deno.stat(file).catch(() => undefined); // Otherwise, reading says why.
  if (there !== undefined && !there.isFile && !there.isDirectory) {
    throw new BackupError("usage", `Cannot use "${file}": it is no regular file`, {
      hint: "Put a file of settings in its place, and try again",
    });
  }
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return "";
    const message = `Cannot read "${file}": ${stateOf(cause)}`;
    throw new BackupError("usage", message, { hint: "Check that you may read it", cause });
  }
  try {
    // As it is: readTextFile would take the mark away, and put others in the place of strange bytes.
    return new TextDecoder("utf-8", { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch (cause) {
    const hint = "Save the file as UTF-8, and try again";
    throw new BackupError("usage", `Cannot read "${file}": it is not UTF-8`, { hint, cause });
  }
}

/** The mark that some editors put before a text. */
function bom(text: string): string {
  return text.startsWith("\ufeff") ? "\ufeff" : "";
}

/** Says what could not be done with which settings. */
function naming<T>(action: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof BackupError)) throw cause;
    const message = cause.message.replace("Cannot use settings", () => action);
    throw new BackupError(cause.code, message, { hint: cause.hint, cause });
  }
}
