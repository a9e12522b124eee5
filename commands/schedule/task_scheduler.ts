/**
 * Windows Task Scheduler: one task in the folder `keepsake`.
 *
 * @module
 */
import { join } from "node:path";
import { BackupError } from "../../pipeline/errors.ts";
import { type Calendar, refuseBoth } from "./calendar.ts";
import type { Installer, Place } from "./installer.ts";
import { escapeXml, type Job, wordsFor } from "./job.ts";
import { run } from "./program.ts";
import { unescapeXml, windowsWordsIn } from "./words.ts";

/** The installer for Windows. */
export const taskScheduler: Installer = {
  name: "task-scheduler",
  searchPath: "C:\\Windows\\system32;C:\\Windows",
  servesMachine: false,

  isPresent: ({ find }) => find("schtasks") !== undefined,

  files: (job, place) => [{ path: taskOf(job.name), text: taskFor(job, place) }],

  async install(job, place) {
    const folder = await Deno.makeTempDir({ prefix: "keepsake-" });
    try {
      const path = join(folder, "task.xml");
      await Deno.writeFile(path, utf16(taskFor(job, place)));
      await control(place, "/Create", "/TN", taskOf(job.name), "/XML", path, "/F");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    return [];
  },

  async remove(name, place) {
    if (await taskScheduler.show(name, place) === undefined) return false;
    await control(place, "/Delete", "/TN", taskOf(name), "/F");
    return true;
  },

  async show(name, { find }) {
    const { status, out } = await run([
      find("schtasks")!,
      "/Query",
      "/TN",
      taskOf(name),
      "/XML",
    ]);
    return status === 0 ? out : undefined;
  },

  async names({ find }) {
    const { out } = await run([
      find("schtasks")!,
      "/Query",
      "/TN",
      taskOf(""),
      "/FO",
      "CSV",
      "/NH",
    ]);
    return [...out.matchAll(/^"\\keepsake\\([a-z0-9-]{1,32})"/gm)].map(([, name]) => name!);
  },

  wordsIn(text) {
    const [, command = ""] = /<Command>(.*?)<\/Command>/s.exec(text) ?? [];
    const [, words = ""] = /<Arguments>(.*?)<\/Arguments>/s.exec(text) ?? [];
    return [unescapeXml(command), ...windowsWordsIn(unescapeXml(words))];
  },
};

/** The task, by the schema of the Task Scheduler: elements come in its order. */
export function taskFor(job: Job, { userName }: Pick<Place, "userName">): string {
  const [program, ...words] = wordsFor(job, "due");
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    "  <RegistrationInfo>",
    `    <Description>Backup by keepsake: ${job.name}</Description>`,
    "  </RegistrationInfo>",
    "  <Triggers>",
    ...triggers(job.calendar).flatMap((trigger) => [
      "    <CalendarTrigger>",
      ...trigger.map((line) => `      ${line}`),
      "    </CalendarTrigger>",
    ]),
    "  </Triggers>",
    "  <Principals>",
    '    <Principal id="Author">',
    `      <UserId>${escapeXml(userName)}</UserId>`,
    "      <LogonType>InteractiveToken</LogonType>",
    "      <RunLevel>LeastPrivilege</RunLevel>",
    "    </Principal>",
    "  </Principals>",
    "  <Settings>",
    "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>",
    "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>",
    "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
    "    <StartWhenAvailable>true</StartWhenAvailable>",
    "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>",
    "    <Priority>8</Priority>",
    "  </Settings>",
    '  <Actions Context="Author">',
    "    <Exec>",
    `      <Command>${escapeXml(program!)}</Command>`,
    `      <Arguments>${escapeXml(words.map(quoteForWindows).join(" "))}</Arguments>`,
    "    </Exec>",
    "  </Actions>",
    "</Task>",
    "",
  ].join("\r\n");
}

/** A word as the C runtime takes it apart again. */
export function quoteForWindows(word: string): string {
  if (/^[A-Za-z0-9_\\/.:=@,*-]+$/.test(word)) return word;
  return `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1")}"`;
}

/** So many a task can have. */
const MOST = 48;

/**
 * Each an element of the schema's, as lines. A time of day has a trigger of its own. The order is the
 * published one; `Enabled`, which Windows itself writes elsewhere, is left out: it is the default.
 */
export function triggers(calendar: Calendar): readonly (readonly string[])[] {
  refuseBoth(calendar, "the Task Scheduler");
  const days = daysOf(calendar);
  const minutes = calendar.minutes ?? range(60);
  const hours = calendar.hours ?? range(24);
  const step = stepOf(minutes);
  const all = calendar.hours === undefined && step !== undefined && minutes[0] === 0
    ? days.map((day) => [...startAt(0, 0), ...repeating(step), ...day])
    : hours.flatMap((hour) =>
      minutes.flatMap((minute) => days.map((day) => [...startAt(hour, minute), ...day]))
    );
  if (all.length <= MOST) return all;
  throw new BackupError(
    "usage",
    `Cannot tell the Task Scheduler of "${calendar.expression}": that is ${all.length} times a day, and more than ${MOST} are too many`,
    { hint: 'Choose fewer, such as "0 3 * * *"' },
  );
}

/** Any day that is past does. */
function startAt(hour: number, minute: number): string[] {
  const two = (value: number) => String(value).padStart(2, "0");
  return [`<StartBoundary>2026-01-01T${two(hour)}:${two(minute)}:00</StartBoundary>`];
}

function repeating(step: number): string[] {
  return [
    `<Repetition><Interval>PT${step}M</Interval><Duration>P1D</Duration><StopAtDurationEnd>false</StopAtDurationEnd></Repetition>`,
  ];
}

/** How far apart they are, when that is the same all day long. */
function stepOf(minutes: readonly number[]): number | undefined {
  const step = 60 / minutes.length;
  return minutes.every((minute, index) => minute === index * step) ? step : undefined;
}

function daysOf({ days, months, weekdays }: Calendar): readonly string[][] {
  const byMonth = () => [
    "<ScheduleByMonth>",
    `  <DaysOfMonth>${
      (days ?? range(31, 1)).map((day) => `<Day>${day}</Day>`).join("")
    }</DaysOfMonth>`,
    `  <Months>${
      (months ?? range(12, 1)).map((month) => `<${MONTHS[month - 1]}/>`).join("")
    }</Months>`,
    "</ScheduleByMonth>",
  ];
  const byWeek = () => [
    "<ScheduleByWeek>",
    "  <WeeksInterval>1</WeeksInterval>",
    `  <DaysOfWeek>${weekdays!.map((day) => `<${WEEKDAYS[day]}/>`).join("")}</DaysOfWeek>`,
    "</ScheduleByWeek>",
  ];
  // The schema has weekdays of months by their number in the month only.
  const byWeekOfMonth = () => [
    "<ScheduleByMonthDayOfWeek>",
    `  <Weeks>${
      ["1", "2", "3", "4", "Last"].map((week) => `<Week>${week}</Week>`).join("")
    }</Weeks>`,
    `  <DaysOfWeek>${weekdays!.map((day) => `<${WEEKDAYS[day]}/>`).join("")}</DaysOfWeek>`,
    `  <Months>${
      (months ?? range(12, 1)).map((month) => `<${MONTHS[month - 1]}/>`).join("")
    }</Months>`,
    "</ScheduleByMonthDayOfWeek>",
  ];
  const weekly = weekdays && (months === undefined ? byWeek() : byWeekOfMonth());
  if (weekly && days) return [weekly, byMonth()];
  if (weekly) return [weekly];
  if (days || months) return [byMonth()];
  return [["<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"]];
}

const WEEKDAYS = [
  ...["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
] as const;

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September"],
  ...["October", "November", "December"],
] as const;

function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => index + from);
}

/** With a mark of the byte order, as `schtasks` wants it. */
function utf16(text: string): Uint8Array<ArrayBuffer> {
  const units = Uint16Array.from(`\uFEFF${text}`, (unit) => unit.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

/** Name of a job's task. */
function taskOf(name: string): string {
  return `keepsake\\${name}`;
}

async function control({ find }: Place, ...words: readonly string[]): Promise<void> {
  const { status, said } = await run([find("schtasks")!, ...words]);
  if (status !== 0) throw new Error(`schtasks ${words[0]} ended with status ${status}: ${said}`);
}
