/**
 * How things are, for Prometheus: the text format of its file collector.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { Status } from "../status.ts";
import { fileFault, requireFile } from "./file_fault.ts";

/**
 * Writes the file in one step: who reads it finds the old one or the new one.
 *
 * @throws {BackupError} What the disk has against it.
 */
export function writeMetrics(path: string, text: string): void {
  const directory = dirname(path);
  const part = join(directory, `.keepsake-${crypto.randomUUID()}`);
  const action = `Cannot write the metrics "${path}"`;
  requireFile(path, action, "metrics");
  try {
    Deno.mkdirSync(directory, { recursive: true });
    // The collector is another user.
    Deno.writeTextFileSync(part, text, { mode: 0o644 });
    Deno.renameSync(part, path);
  } catch (error) {
    try {
      Deno.removeSync(part);
    } catch {
      // It was never made.
    }
    throw fileFault(error, action, "metrics");
  }
}

/** A number with the labels that tell it from others of its name. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | undefined];

/** Renders what is known. What is not known has no line. */
export function renderMetrics({ pipeline, last, places, troubles }: Status): string {
  const own = { pipeline };
  const seconds = (time: Date | undefined) => time && time.getTime() / 1000;
  const each = (value: (place: Status["places"][number]) => number | undefined): Sample[] =>
    places.map((place) => [
      { ...own, snapshot: place.snapshot, destination: place.destination },
      value(place),
    ]);
  const took = last && (last.finished.getTime() - last.started.getTime()) / 1000;
  return [
    metric("last_run_timestamp_seconds", "When the last run ended.", [[
      own,
      seconds(last?.finished),
    ]]),
    metric("last_run_duration_seconds", "How long the last run took.", [[own, took]]),
    metric("last_run_status", "Exit status of the last run, 0 when all is well.", [[
      own,
      last?.status,
    ]]),
    metric("troubles", "How many things are wrong now.", [[own, troubles.length]]),
    metric(
      "confirmed_timestamp_seconds",
      "When a destination was last known to hold what it should.",
      each(({ confirmed }) => seconds(confirmed)),
    ),
    metric(
      "newest_snapshot_timestamp_seconds",
      "When the newest snapshot there was made.",
      each(({ newest }) => seconds(newest)),
    ),
    metric("snapshots", "How many snapshots are there.", each(({ count }) => count)),
    metric(
      "snapshots_missing",
      "How many snapshots were stored there and are gone.",
      each(({ missing }) => missing),
    ),
    metric("stored_bytes", "What they take up there.", each(({ bytes }) => bytes)),
    metric(
      "proven_timestamp_seconds",
      "When a snapshot there was last read back in full.",
      each(({ proven }) => seconds(proven)),
    ),
  ].join("");
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.flatMap(([labels, value]) =>
    value === undefined ? [] : [`keepsake_${name}{${renderLabels(labels)}} ${value}\n`]
  );
  if (lines.length === 0) return "";
  return `# HELP keepsake_${name} ${help}\n# TYPE keepsake_${name} gauge\n${lines.join("")}`;
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels).map(([name, value]) => {
    const escaped = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `${name}="${escaped}"`;
  }).join(",");
}
