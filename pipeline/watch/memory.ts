/**
 * Remembers who is told how a pipeline fares: for when its file cannot say so any more.
 *
 * What the file said last lies in the pipeline's state directory; which that is, is noted by the
 * file's path in the usual place of states.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { Pipeline, Watch } from "../config/pipeline.ts";
import { watchFile } from "../state_directory.ts";

/** What is remembered of a pipeline. */
export interface Remembered {
  readonly name: string;
  /** Its state directory. */
  readonly state: string;
  readonly watch: Watch;
}

/** Remembers a pipeline; what has not changed is not written again. */
export async function remember(pipeline: Pipeline, home: string | undefined): Promise<void> {
  const { file, name, state, watch } = pipeline;
  if (watch === undefined || home === undefined) return;
  await write(watchFile(state), { name, watch });
  await write(await pointerFor(file, home), { file, state });
}

/** What is remembered of the pipeline that this file held; `undefined`: nothing. */
export async function recall(
  file: string,
  home: string | undefined,
): Promise<Remembered | undefined> {
  if (home === undefined) return undefined;
  try {
    const pointer = JSON.parse(await Deno.readTextFile(await pointerFor(file, home)));
    const state: unknown = pointer.state;
    if (pointer.file !== file || typeof state !== "string") return undefined;
    const { name, watch } = JSON.parse(await Deno.readTextFile(watchFile(state)));
    return Array.isArray(watch.alerts) ? { name, state, watch } : undefined;
  } catch {
    return undefined; // It was never remembered, or is forgotten, or damaged.
  }
}

/** The file's path as one name: the state itself may be elsewhere. */
async function pointerFor(file: string, home: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(file));
  const bytes = Array.from(new Uint8Array(hash).subarray(0, 12));
  const name = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return join(home, ".local/state/keepsake/.files", `${name}.json`);
}

async function write(path: string, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value)}\n`;
  if (await Deno.readTextFile(path).catch(() => undefined) === text) return;
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  await Deno.writeTextFile(part, text, { mode: 0o600 });
  await Deno.rename(part, path);
}
