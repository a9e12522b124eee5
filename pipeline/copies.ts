/**
 * Copies that prepare stages keep on this machine. They outlast what they are copies of, and go with
 * the disk: no backup.
 *
 * @module
 */
import { join } from "node:path";
import type { Copies } from "../stages/contract.ts";
import { systemCode } from "../stages/errors.ts";
import { wayInto } from "../stages/formats/roots.ts";
import type { Pipeline } from "./config/pipeline.ts";

/** Times closer than that are one: some file systems count in two seconds. */
const COARSEST_MS = 2000;

/** What the stages of a pipeline keep copies of, and where. */
export function copiesOf({ stages }: Pipeline): readonly Copies[] {
  return stages.flatMap(({ stage, options }) =>
    stage.kind === "prepare" && stage.copies !== undefined ? [stage.copies(options)] : []
  );
}

/** The directories in which each of these files lies as it is now, by its size and time. */
export function holdCopies(
  copies: readonly Copies[],
  files: readonly { readonly path: string }[],
): readonly string[] {
  return copies.flatMap(({ from, to }) =>
    files.length > 0 && files.every(({ path }) => isCopied(path, from, to)) ? [to] : []
  );
}

function isCopied(path: string, from: string, to: string): boolean {
  try {
    const way = wayInto(Deno.realPathSync(from), path);
    if (way === undefined) return false;
    const [original, copy] = [Deno.lstatSync(path), Deno.lstatSync(join(to, way))];
    const apart = Math.abs((original.mtime?.getTime() ?? NaN) - (copy.mtime?.getTime() ?? NaN));
    return copy.isFile && copy.size === original.size && apart <= COARSEST_MS;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false; // What cannot be looked at is not counted on.
  }
}
