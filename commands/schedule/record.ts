/**
 * Remembers what was scheduled, to tell when the next run is due.
 *
 * @module
 */
import { join } from "node:path";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import { BackupError } from "../../pipeline/errors.ts";
import type { Calendar } from "./calendar.ts";
import { type SchedulerName, SCHEDULERS } from "./installer.ts";

/** A run that is to come. */
export interface NextRun {
  /** `undefined`: it is scheduled, but not known for when. */
  readonly time: Date | undefined;
  readonly scheduler: string;
  /** Why that is no run of this file, as a sentence; `undefined`: it is. */
  readonly trouble?: string;
}

/** What was scheduled. */
interface Scheduled {
  readonly expression: string;
  readonly scheduler: SchedulerName;
  readonly system: boolean;
}

/** Notes what was scheduled, in the pipeline's state. */
export async function noteSchedule(
  { state }: Pick<Pipeline, "state">,
  { expression }: Calendar,
  scheduler: SchedulerName,
  system: boolean,
): Promise<void> {
  const scheduled: Scheduled = { expression, scheduler, system };
  await Deno.writeTextFile(join(state, FILE), `${JSON.stringify(scheduled)}\n`, { mode: 0o600 });
}

/** Forgets it. */
export async function forgetSchedule({ state }: Pick<Pipeline, "state">): Promise<void> {
  await Deno.remove(join(state, FILE)).catch(() => {});
}

/** The next run that a scheduler will start; `undefined`: none is scheduled. */
export async function nextRun(
  pipeline: Pick<Pipeline, "name" | "file" | "state">,
  now: Date,
): Promise<NextRun | undefined> {
  const noted = await read(pipeline.state);
  const { presentInstallers } = await import("./mod.ts");
  const { thisPlace } = await import("./place.ts");
  let place;
  try {
    place = thisPlace(noted?.system ?? false);
  } catch (error) {
    if (error instanceof BackupError) return undefined; // Without a home, or a user: nobody's schedule.
    throw error;
  }
  const { findWherePossible, isOf, troubleOf } = await import("./installed.ts");
  let foreign: NextRun | undefined;
  for (const installer of presentInstallers(place)) {
    // Whoever took it away by hand was not seen doing so: what stands there counts.
    const all = await findWherePossible([installer], place);
    for (const installed of all) {
      if (!isOf(installed, pipeline) && installed.name !== pipeline.name) continue;
      const trouble = troubleOf(installed, pipeline);
      const scheduler = installer.name;
      if (trouble !== undefined) foreign ??= { time: undefined, scheduler, trouble };
      else if (noted?.scheduler !== scheduler) return { time: undefined, scheduler };
      else {
        const { nextDue, parseCalendar } = await import("./calendar.ts");
        return { time: nextDue(parseCalendar(noted.expression), now), scheduler };
      }
    }
  }
  return foreign;
}

/** The expression that is scheduled, as far as is noted. */
export async function scheduledExpression(state: string): Promise<string | undefined> {
  return (await read(state))?.expression;
}

async function read(state: string): Promise<Scheduled | undefined> {
  try {
    const noted = JSON.parse(await Deno.readTextFile(join(state, FILE)));
    const { parseCalendar } = await import("./calendar.ts");
    parseCalendar(String(noted.expression));
    return SCHEDULERS.includes(noted.scheduler) ? noted : undefined;
  } catch {
    return undefined; // Nothing was noted, or it is damaged.
  }
}

const FILE = "schedule.json";
