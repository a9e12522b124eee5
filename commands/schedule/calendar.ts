/**
 * When a job is due: a cron expression, checked, in the form that every scheduler is told from.
 *
 * @module
 */
import { type Cron, parseCronExpression } from "cron-schedule";
import { BackupError } from "../../pipeline/errors.ts";

/** When a job is due, in local time. Every list is sorted; `undefined`: at each of them. */
export interface Calendar {
  /** Five fields of digits, `*`, `,`, `-` and `/`, with single spaces between them. */
  readonly expression: string;
  readonly minutes: readonly number[] | undefined;
  readonly hours: readonly number[] | undefined;
  /** Days of the month. With `weekdays` too, a day that is in either list counts, as cron has it. */
  readonly days: readonly number[] | undefined;
  /** 1 to 12. */
  readonly months: readonly number[] | undefined;
  /** 0 is Sunday. */
  readonly weekdays: readonly number[] | undefined;
}

const NAMES: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};

/**
 * Reads a cron expression: five fields of numbers, or a name such as `@daily`.
 *
 * @throws {BackupError} `usage` for anything else, and for days that never come.
 */
export function parseCalendar(text: string): Calendar {
  const written = text.trim();
  const expression = (NAMES[written] ?? written).split(/[ \t]+/).join(" ");
  if (!/^(?:[0-9*,/-]+ ){4}[0-9*,/-]+$/.test(expression)) throw refused(text);
  let cron: Cron;
  try {
    cron = parseCronExpression(expression);
    cron.getNextDate(); // Throws for a day that never comes, such as February 31st.
  } catch (cause) {
    throw refused(text, cause);
  }
  const unlessAll = (list: readonly number[], count: number) =>
    list.length === count ? undefined : list;
  return {
    expression,
    minutes: unlessAll(cron.minutes, 60),
    hours: unlessAll(cron.hours, 24),
    days: unlessAll(cron.days, 31),
    months: unlessAll(cron.months.map((month) => month + 1), 12),
    weekdays: unlessAll(cron.weekdays, 7),
  };
}

/** The next time after `after` that a job is due. */
export function nextDue({ expression }: Calendar, after: Date): Date {
  return parseCronExpression(expression).getNextDate(after);
}

/** The last time before `before`, or at that moment, that a job was due. */
export function lastDue({ expression }: Calendar, before: Date): Date {
  const cron = parseCronExpression(expression);
  const minute = new Date(before);
  minute.setSeconds(0, 0);
  return cron.matchDate(minute) ? minute : cron.getPrevDate(before);
}

/**
 * Whether no run has begun since the last time that one was due.
 *
 * @param started When the last run began. One in the future, before the clock was set back, counts
 *   for nothing.
 * @throws {BackupError} `usage`
 */
export function isMissed(expression: string, started: Date | undefined, now: Date): boolean {
  const due = lastDue(parseCalendar(expression), now);
  return started === undefined || started < due || started > now;
}

function refused(text: string, cause?: unknown): BackupError {
  return new BackupError("usage", `Cannot use "${text}" as a time: it is no cron expression`, {
    hint:
      'Write minute, hour, day, month and weekday as numbers, such as "0 3 * * *" for each day at three',
    cause,
  });
}
