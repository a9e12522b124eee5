/**
 * Puts links and files in each other's places as fast as it can, until it is told to stop.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { join } from "node:path";

/** What to swap. */
export interface Swapping {
  readonly directory: string;
  /** What the links lead to. */
  readonly target: string;
  /** 0 for as long as it shall go on. */
  readonly stop: Int32Array;
}

self.onmessage = ({ data: { directory, target, stop } }: MessageEvent<Swapping>) => {
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
  const spare = join(directory, "..", "spare");
  self.postMessage("at work");
  while (Atomics.load(stop, 0) === 0) {
    for (const name of names) {
      Deno.symlinkSync(target, spare);
      Deno.renameSync(spare, join(directory, name));
      Deno.writeTextFileSync(spare, "own");
      Deno.renameSync(spare, join(directory, name));
    }
  }
  self.postMessage("done");
};
