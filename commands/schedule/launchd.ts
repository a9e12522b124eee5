/**
 * launchd: a property list, of the user or of the machine.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { BackupError } from "../../pipeline/errors.ts";
import { type Calendar, refuseBoth } from "./calendar.ts";
import { exists, namesOf, writeFile } from "./files.ts";
import type { Installer, Place } from "./installer.ts";
import { escapeXml, type Job, wordsFor } from "./job.ts";
import { run } from "./program.ts";
import { unescapeXml } from "./words.ts";

/** The installer for launchd. */
export const launchd: Installer = {
  name: "launchd",
  searchPath: "/usr/bin:/bin:/usr/sbin:/sbin",
  servesMachine: true,

  isPresent: ({ find }) => find("launchctl") !== undefined,

  files: (job, place) => [{ path: pathOf(job.name, place), text: propertyList(job, place) }],

  async install(job, place) {
    await launchd.remove(job.name, place);
    for (const file of launchd.files(job, place)) await writeFile(file);
    await control(place, "bootstrap", domain(place), pathOf(job.name, place));
    return [];
  },

  async remove(name, place) {
    const path = pathOf(name, place);
    if (!exists(path)) return false;
    await control(place, "bootout", `${domain(place)}/${labelOf(name)}`).catch(() => {}); // Not loaded.
    await Deno.remove(path);
    return true;
  },

  async show(name, place) {
    const path = pathOf(name, place);
    return exists(path) ? `${path}\n${await Deno.readTextFile(path)}` : undefined;
  },

  names: (place) => namesOf(dirname(pathOf("x", place)), /^keepsake\.([a-z0-9-]{1,32})\.plist$/),

  wordsIn(text) {
    const [, list = ""] = /<key>ProgramArguments<\/key>\s*<array>(.*?)<\/array>/s.exec(text) ?? [];
    return [...list.matchAll(/<string>(.*?)<\/string>/gs)].map(([, word]) => unescapeXml(word!));
  },
};

/** What is missed while the machine sleeps starts when it wakes: launchd sees to that. */
export function propertyList(job: Job, { system, userHome }: Place): string {
  const string = (text: string) => `<string>${escapeXml(text)}</string>`;
  // Daemons of the machine are given no home.
  const needed = system ? { HOME: userHome, ...job.environment } : job.environment;
  const variables = Object.entries(needed).flatMap(([name, path]) => [
    `    <key>${escapeXml(name)}</key>`,
    `    ${string(path)}`,
  ]);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<!-- Made by "keepsake schedule install", and replaced by the next: changes here are lost. -->',
    '<plist version="1.0">',
    "<dict>",
    "  <key>Label</key>",
    `  ${string(labelOf(job.name))}`,
    "  <key>ProgramArguments</key>",
    "  <array>",
    ...wordsFor(job, "due").map((word) => `    ${string(word)}`),
    "  </array>",
    ...(variables.length > 0
      ? ["  <key>EnvironmentVariables</key>", "  <dict>", ...variables, "  </dict>"]
      : []),
    "  <key>StartCalendarInterval</key>",
    "  <array>",
    ...intervals(job.calendar).map((interval) => {
      const keys = Object.entries(interval)
        .map(([key, value]) => `<key>${key}</key><integer>${value}</integer>`);
      return `    <dict>${keys.join("")}</dict>`;
    }),
    "  </array>",
    "  <key>ProcessType</key>",
    "  <string>Background</string>",
    "  <key>LowPriorityIO</key>",
    "  <true/>",
    "  <key>Nice</key>",
    "  <integer>10</integer>",
    "</dict>",
    "</plist>",
    "",
  ].join("\n");
}

/** Keys that are left out match everything. */
type Interval = Readonly<
  Partial<Record<"Minute" | "Hour" | "Day" | "Month" | "Weekday", number>>
>;

/** So many are still read in no time. */
const MOST = 1000;

/** All times, one by one: launchd knows neither lists nor ranges. */
export function intervals(calendar: Calendar): readonly Interval[] {
  const { minutes, hours, days, months, weekdays } = calendar;
  const times = product({ Minute: minutes, Hour: hours, Month: months });
  // With both in one dictionary, either counts: launchd.plist(5).
  refuseBoth(calendar, "launchd");
  const either = days !== undefined && weekdays !== undefined;
  const all = either
    ? [...product({ Day: days }), ...product({ Weekday: weekdays })]
      .flatMap((day) => times.map((time) => ({ ...time, ...day })))
    : product({ Minute: minutes, Hour: hours, Day: days, Month: months, Weekday: weekdays });
  if (all.length <= MOST) return all;
  throw new BackupError(
    "usage",
    `Cannot tell launchd of "${calendar.expression}": that is ${all.length} times, and more than ${MOST} are too many`,
    { hint: 'Choose fewer, such as "0 3 * * *"' },
  );
}

function product(
  lists: Readonly<Record<string, readonly number[] | undefined>>,
): readonly Interval[] {
  return Object.entries(lists).reduce<readonly Interval[]>(
    (all, [key, values]) =>
      values === undefined
        ? all
        : all.flatMap((interval) => values.map((value) => ({ ...interval, [key]: value }))),
    [{}],
  );
}

function labelOf(name: string): string {
  return `keepsake.${name}`;
}

function pathOf(name: string, { system, home }: Place): string {
  const folder = system ? "/Library/LaunchDaemons" : join(home, "Library", "LaunchAgents");
  return join(folder, `${labelOf(name)}.plist`);
}

function domain({ system, userId }: Place): string {
  return system ? "system" : `gui/${userId}`;
}

async function control({ find }: Place, ...words: readonly string[]): Promise<void> {
  const { status, said } = await run([find("launchctl")!, ...words]);
  if (status !== 0) throw new Error(`launchctl ${words[0]} ended with status ${status}: ${said}`);
}
