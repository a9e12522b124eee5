/**
 * What a person should know of a schedule that was just installed.
 *
 * @module
 */
import { lastReport } from "../../pipeline/catalog/history.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import { findWherePossible, isOf } from "./installed.ts";
import type { Installer, Place } from "./installer.ts";
import type { Job } from "./job.ts";
import { presentInstallers } from "./mod.ts";
import { bareEnvironment } from "./place.ts";

/** Addresses that stand in variables of this shell stand nowhere for a scheduler. */
export function unheardNotes(
  { watch }: Pipeline,
  job: Job,
  place: Place,
  { name, searchPath }: Installer,
): string[] {
  if (watch === undefined) return [];
  const environment = bareEnvironment(place, searchPath, job.environment);
  const { alerts, heartbeat } = watch;
  const all = [
    ...alerts.map(({ address }) => address),
    ...heartbeat === undefined ? [] : [heartbeat],
  ];
  return all.flatMap((address) => {
    const [, variable] = /^env:(.+)$/.exec(address) ?? [];
    if (variable === undefined || environment[variable] !== undefined) return [];
    return [
      `${name} starts it without your ${variable}: put that address in a file, as "file:PATH"`,
    ];
  });
}

/** The machine and a user may each have a schedule of one file. */
export async function doubledNotes(pipeline: Pipeline, place: Place): Promise<string[]> {
  const other = { ...place, system: !place.system };
  const [whom, flag] = other.system ? ["the machine", " --system"] : ["you", ""];
  const found = await findWherePossible(presentInstallers(other), other);
  return found.filter((one) => isOf(one, pipeline)).map(({ installer: { name } }) =>
    `${name} starts this file for ${whom}, too: unless both are meant, take that away with keepsake schedule remove${flag}`
  );
}

/**
 * Where nothing had changed, a backup writes nothing: as a proof, it shows less than one that does.
 *
 * @param began When the backup began that was the proof.
 */
export function unwrittenNotes(
  pipeline: Pipeline,
  { name }: Pick<Installer, "name">,
  began: Date,
): string[] {
  const report = lastReport(pipeline);
  if (report === undefined || report.started < began) return [];
  const deliveries = report.snapshots.flatMap(({ destinations }) => destinations);
  const written = new Set(deliveries.flatMap(({ id, status }) => status === "ok" ? [id] : []));
  const ids = [...new Set(deliveries.map(({ id }) => id))].filter((id) => !written.has(id));
  return ids.map((id) =>
    `${id} had everything already, so nothing was written there: that ${name} lets it be is shown by the first run that finds a change, or by keepsake schedule run-now after one`
  );
}
