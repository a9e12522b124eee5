/**
 * Runs a job the way its scheduler will, which is the only proof that it can.
 *
 * @module
 */
import { commandFor } from "./cron.ts";
import type { Installer, Place } from "./installer.ts";
import { type Job, wordsFor } from "./job.ts";
import { bareEnvironment } from "./place.ts";
import { type Ended, run } from "./program.ts";

/** Makes a backup in the scheduler's own bare environment, through a shell where it uses one. */
export async function prove(
  job: Job,
  place: Place,
  { name, searchPath }: Installer,
  signal: AbortSignal,
): Promise<Ended> {
  const words = name === "cron"
    ? ["/bin/sh", "-c", commandFor(job, "due", place)] as const
    : wordsFor(job, "due");
  const environment = bareEnvironment(place, searchPath, job.environment);
  const [program, ...rest] = words;
  return await run([program!, ...rest], { environment, cwd: place.userHome, signal });
}
