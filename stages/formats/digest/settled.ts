/**
 * Tells whether anything has to be done for the digests at all, and by what a file is known again.
 *
 * @module
 */
import { systemFault } from "../../errors.ts";
import { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import { childPath } from "../paths.ts";
import { sayCount } from "../words.ts";
import type { Conversation } from "./log_tree.ts";
import type { Tools } from "./model.ts";
import {
  type DigestStore,
  type Index,
  isUntouched,
  type Look,
  type Mark,
  STATE_FOLDER,
  VERSION,
} from "./state.ts";

/** The options of the stage. */
export interface DigestOptions {
  readonly from: string;
  readonly to: string;
  readonly days: number;
  readonly all: boolean;
  readonly max_size?: number | undefined;
  readonly tools: Tools;
  readonly redact: boolean;
  readonly patterns: readonly string[];
}

/** The file that is read at every run. */
export const INDEX = `${STATE_FOLDER}/index.json`;
/** The file with the totals. */
export const MANIFEST = "_manifest.md";

/** What a run says that had nothing to do. */
export function sayNothingNew(digests: number): string {
  return `${sayCount(digests, "digest")}, nothing new`;
}

/** What the digests look like follows from this. */
export function renderingOf({ tools, redact, patterns }: DigestOptions): string {
  return JSON.stringify([VERSION, tools, redact, patterns]);
}

/** Which conversations are chosen follows from this. */
export function selectionOf({ all, days, max_size }: DigestOptions): string {
  return JSON.stringify([all ? "all" : days, max_size ?? null]);
}

/** Whether every log and every digest is as it was, and the same is asked for. */
export async function isSettled(
  options: DigestOptions,
  { index, conversations, store, sameness, now }: {
    readonly index: Index;
    readonly conversations: readonly Conversation[];
    readonly store: DigestStore;
    readonly sameness: Sameness;
    readonly now: number;
  },
): Promise<boolean> {
  // A clock that was ahead took for too old what is not.
  if ((index.chosen ?? 0) > now) return false;
  if (index.rendering !== renderingOf(options) || index.selection !== selectionOf(options)) {
    return false;
  }
  const logs = conversations.flatMap(({ logs }) => logs);
  const known = Object.keys(index.logs).length;
  if (logs.some(({ path }) => index.logs[path] === undefined)) return false;
  // What was swept away changes nothing; what came back is found by its name.
  if (known < logs.length || store.look(MANIFEST) === undefined) return false;
  for (const { path, file = path, look } of logs) {
    const place = childPath(options.from, file);
    if (!await sameness.isSame(place, look, index.logs[path], index)) return false;
  }
  for (const [name, mark] of Object.entries(index.files)) {
    const look = store.look(name);
    if (look === undefined) return false;
    if (!await sameness.isSame(childPath(options.to, name), look, mark, index)) return false;
  }
  return true;
}

/** Knows files again. */
export class Sameness {
  readonly #pace: Pace;
  #hashing: Hashing | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Whether a file holds what it held: by its look where that is certain, else by content. */
  async isSame(path: string, look: Look, mark: Mark | undefined, index: Index): Promise<boolean> {
    if (isUntouched(look, mark, index.written)) return true;
    if (mark === undefined || mark.hash === "" || !mark.look.startsWith(`${look.size} `)) {
      return false;
    }
    return await this.#hashOf(path) === mark.hash;
  }

  async #hashOf(path: string): Promise<string | undefined> {
    const hash = (this.#hashing ??= await Hashing.quick()).begin();
    try {
      using file = await Deno.open(path);
      const block = new Uint8Array(2 ** 18);
      for (let count = file.readSync(block); count !== null; count = file.readSync(block)) {
        hash.update(block.subarray(0, count));
        this.#pace.add(count);
        if (this.#pace.isDue) await this.#pace.turn();
      }
    } catch (error) {
      if (systemFault(error) === undefined) throw error;
      return undefined;
    }
    return hash.digest();
  }
}
