/**
 * Runs a job the way its scheduler will, which is the only proof that it can.
 *
 * @module
 */
import type { Installer, Place, Trial } from "./installer.ts";
import { type Job, wordsFor } from "./job.ts";
import { bareEnvironment } from "./place.ts";
import { run } from "./program.ts";

/**
 * Makes a backup as the scheduler does: in its own way where it has one, else in its bare
 * environment.
 */
export async function prove(
  job: Job,
  place: Place,
  installer: Installer,
  signal: AbortSignal,
): Promise<Trial> {
  if (installer.prove !== undefined) return await installer.prove(job, place, signal);
  const { searchPath } = installer;
  const environment = bareEnvironment(place, searchPath, job.environment);
  const [program, ...rest] = wordsFor(job, "due");
  return await run([program!, ...rest], { environment, cwd: place.userHome, signal });
}
