/**
 * A Claude Code that nobody has talked to yet has no conversations, and that is no fault.
 *
 * @module
 */
import { basename } from "node:path";
import type { PrepareResult } from "../contract.ts";

/** What Claude Code calls the folder that it makes with the first conversation. */
const PROJECTS = "projects";

/** The folder of conversations, if it is one that Claude Code is going to make. */
export function projectsIn(from: string): string | undefined {
  return basename(from) === PROJECTS ? from : undefined;
}

/** What a stage answers that has nothing to read yet. */
export const NOTHING_YET: PrepareResult = { message: "nothing there yet", unchanged: true };

/** Whether a directory holds nothing that was kept: what was there once is missed. */
export function holdsNothing(directory: string, ownFolder: string): boolean {
  try {
    return [...Deno.readDirSync(directory)].every(({ name }) => name === ownFolder);
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
