/**
 * What a stage's worker can do instead of answering.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** What a worker must read to load a stage of this folder. */
export const OWN_FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** Ways to go wrong, and `none`, to see that it would work. */
export const MANNERS = [
  "none",
  "throws",
  "throws aside",
  "throws in parting",
  "throws afterwards",
  "closes itself",
  "exits",
  "blocks",
  "waits for ever",
  "reports",
  "stops reading",
  "reads nothing",
] as const;

/** One of {@linkcode MANNERS}. */
export type Manner = typeof MANNERS[number];

/** Those in which there is an answer, which cannot be trusted. */
export type Late = "throws in parting" | "throws afterwards" | "reports";

/** Goes wrong so, if that is a matter of the worker and not of its stream. */
export async function misbehave(manner: Manner): Promise<void> {
  switch (manner) {
    case "throws":
      throw new TypeError("Nobody had thought of this");
    case "throws aside":
      queueMicrotask(() => {
        throw new TypeError("Nobody had thought of this");
      });
      return await never();
    case "throws in parting":
      // Nobody waits for this one: it fails as the stage answers.
      void Promise.reject(new TypeError("Nobody had thought of this"));
      return;
    case "throws afterwards":
      setTimeout(() => {
        throw new TypeError("Nobody had thought of this");
      }, 1);
      return;
    case "closes itself":
      self.close();
      return await never();
    case "exits":
      return Deno.exit(0);
    case "blocks":
      // Not for ever: a thread in a loop outlives its worker's end.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
      return;
    case "waits for ever":
      return await never();
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
