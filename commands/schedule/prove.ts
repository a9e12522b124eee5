/**
 * Runs a job the way its scheduler will, which is the only proof that it can.
 *
 * @module
 */
import { commandFor } from "./cron.ts";
import type { Installer, Place, Trial } from "./installer.ts";
import { type Job, wordsFor } from "./job.ts";
import { bareEnvironment } from "./place.ts";
import { run } from "./program.ts";

/**
 * Makes a backup as the scheduler does: through the scheduler itself where it can be told to, else
 * in its own bare environment, and through a shell where it uses one.
 */
export async function prove(
  job: Job,
  place: Place,
  installer: Installer,
  signal: AbortSignal,
): Promise<Trial> {
  if (installer.prove !== undefined) return await installer.prove(job, place, signal);
  const { name, searchPath } = installer;
  const words = name === "cron"
    ? ["/bin/sh", "-c", commandFor(job, "due", place)] as const
    : wordsFor(job, "due");
  const environment = bareEnvironment(place, searchPath, job.environment);
  const [program, ...rest] = words;
  return await run([program!, ...rest], { environment, cwd: place.userHome, signal });
}
