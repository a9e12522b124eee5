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
  /** Days of the month. */
  readonly days: readonly number[] | undefined;
  /** 1 to 12. */
  readonly months: readonly number[] | undefined;
  /** 0 is Sunday. */
  readonly weekdays: readonly number[] | undefined;
  /**
   * Where there are days of the month and weekdays, whether a day has to be in both lists, or in one
   * of them. cron decides by how the fields are written, and not by what they name: both count when
   * either begins with `*` (DOM_STAR and DOW_STAR of Vixie's cron, as in Debian's).
   */
  readonly needsBoth: boolean;
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

const MONTHS = ["jan feb mar apr may jun jul aug sep oct nov dec".split(" "), 1] as const;
const WEEKDAYS = ["sun mon tue wed thu fri sat".split(" "), 0] as const;

/**
 * Reads a cron expression: five fields of numbers, of which months and weekdays may be named
 * (`mon-fri`), or a name such as `@daily`.
 *
 * @throws {BackupError} `usage` for anything else, and for days that never come.
 */
export function parseCalendar(text: string): Calendar {
  const written = text.trim();
  const fields = (NAMES[written] ?? written).split(/[ \t]+/).map((field, index) =>
    index === 3 ? inDigits(field, MONTHS) : index === 4 ? inDigits(field, WEEKDAYS) : field
  );
  const expression = fields.join(" ");
  if (fields.length !== 5 || !fields.every(isField)) throw refused(text, NONE);
  let cron: Cron;
  try {
    cron = parseCronExpression(expression);
  } catch (cause) {
    throw refused(text, sayRange(fields) ?? NONE, { cause });
  }
  const needsBoth = [fields[2]!, fields[4]!].some((field) => field.startsWith("*"));
  const days = unlessAll(cron.days, 31);
  const weekdays = unlessAll(cron.weekdays, 7);
  // One that names every day, in digits, makes every day one that is in either.
  const isEveryDay = !needsBoth && (days === undefined || weekdays === undefined);
  const calendar: Calendar = {
    expression,
    minutes: unlessAll(cron.minutes, 60),
    hours: unlessAll(cron.hours, 24),
    days: isEveryDay ? undefined : days,
    months: unlessAll(cron.months.map((month) => month + 1), 12),
    weekdays: isEveryDay ? undefined : weekdays,
    needsBoth,
  };
  if (!comes(calendar)) {
    throw refused(text, "that day never comes", {
      hint: "Choose a day that one of its months has",
    });
  }
  return calendar;
}

/** With numbers for names. */
function inDigits(field: string, [names, first]: readonly [readonly string[], number]): string {
  return field.replace(/[A-Za-z]+/g, (word) => {
    const index = names.indexOf(word.toLowerCase());
    return index === -1 ? word : String(index + first);
  });
}

/** Numbers, ranges and `*` with a step; the library reads others as something that cron does not. */
function isField(field: string): boolean {
  return field.split(",").every((item) => {
    const [, from, to] = /^(?:\*|(\d+)-(\d+))(?:\/\d+)?$/.exec(item) ?? [];
    if (from !== undefined) return Number(from) <= Number(to);
    return /^(?:\*(?:\/\d+)?|\d+)$/.test(item);
  });
}

function unlessAll(list: readonly number[], count: number): readonly number[] | undefined {
  return list.length === count ? undefined : list;
}

/** Whether there is such a day at all: February 31st is none. Dates and weekdays recur in 400 years. */
function comes(calendar: Calendar): boolean {
  if (calendar.days === undefined || calendar.weekdays !== undefined && !calendar.needsBoth) {
    return true;
  }
  for (let year = 2000; year < 2400; year++) {
    for (const month of calendar.months ?? range(12, 1)) {
      for (const day of calendar.days) {
        const date = new Date(Date.UTC(year, month - 1, day));
        if (date.getUTCDate() !== day) continue;
        if (isDueOn(calendar, month, day, date.getUTCDay())) return true;
      }
    }
  }
  return false;
}

/** The next time after `after` that a job is due. */
export function nextDue(calendar: Calendar, after: Date): Date {
  return search(calendar, after, 1, (time) => time > after);
}

/** The last time before `before`, or at that moment, that a job was due. */
export function lastDue(calendar: Calendar, before: Date): Date {
  return search(calendar, before, -1, (time) => time <= before);
}

/**
 * The time nearest to `from` in a direction. Days in which the clock is changed reach into others,
 * so that one more is looked at on either side.
 */
function search(
  calendar: Calendar,
  from: Date,
  step: 1 | -1,
  isThere: (time: Date) => boolean,
): Date {
  for (let ahead = -1; ahead < DAYS; ahead++) {
    const times = [ahead, ahead + 1].flatMap((days) =>
      timesOn(calendar, from.getFullYear(), from.getMonth(), from.getDate() + step * days)
    ).filter(isThere).map(Number);
    if (times.length > 0) return new Date(step > 0 ? Math.min(...times) : Math.max(...times));
  }
  throw new RangeError(`"${calendar.expression}" never comes`);
}

/** A leap day of one weekday can take forty years. */
const DAYS = 366 * 41;

/** The times of a day. `day` may lie outside the month, `month` counts from zero. */
function timesOn(calendar: Calendar, year: number, month: number, day: number): Date[] {
  // At noon, there is no day that has another date for a change of the clock.
  const date = new Date(year, month, day, 12);
  if (!isDueOn(calendar, date.getMonth() + 1, date.getDate(), date.getDay())) return [];
  const byTheClock = /^\*|^\S+ \*/.test(calendar.expression);
  return (calendar.hours ?? range(24)).flatMap((hour) =>
    (calendar.minutes ?? range(60)).flatMap((minute) => momentsOf(date, hour, minute, byTheClock))
  );
}

function isDueOn(
  { days, months, weekdays, needsBoth }: Calendar,
  month: number,
  day: number,
  weekday: number,
): boolean {
  if (months?.includes(month) === false) return false;
  const isDay = days?.includes(day) ?? true;
  const isWeekday = weekdays?.includes(weekday) ?? true;
  if (days === undefined || weekdays === undefined || needsBoth) return isDay && isWeekday;
  return isDay || isWeekday;
}

/**
 * When the clock on the wall shows a time of a day, as cron has it where the clock is changed: what
 * names minute and hour comes once, and at once where the clock skipped it; what has `*` for one goes
 * by the clock, with its repetitions and gaps.
 */
function momentsOf(date: Date, hour: number, minute: number, byTheClock: boolean): Date[] {
  const at = new Date(date.getFullYear(), date.getMonth(), date.getDate(), hour, minute);
  if (at.getHours() !== hour || at.getMinutes() !== minute) {
    return byTheClock ? [] : [endOfGap(at)];
  }
  if (!byTheClock) return [at];
  const repeated = later(at, later(at, 3 * 60).getTimezoneOffset() - at.getTimezoneOffset());
  const isRepeated = repeated > at && repeated.getHours() === hour &&
    repeated.getMinutes() === minute;
  return isRepeated ? [at, repeated] : [at];
}

/** The first moment after a change of the clock that lies in the minutes before `time`. */
function endOfGap(time: Date): Date {
  let first = time;
  for (let minutes = 1; minutes <= 24 * 60; minutes++) {
    const before = later(time, -minutes);
    if (before.getTimezoneOffset() !== time.getTimezoneOffset()) return first;
    first = before;
  }
  return time;
}

function later(time: Date, minutes: number): Date {
  return new Date(time.getTime() + minutes * 60_000);
}

function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => index + from);
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

/**
 * For schedulers that have no words for days that are both a day of the month and a weekday.
 *
 * @throws {BackupError} `usage` where such are meant.
 */
export function refuseBoth(
  { expression, days, weekdays, needsBoth }: Calendar,
  scheduler: string,
): void {
  if (days === undefined || weekdays === undefined || !needsBoth) return;
  throw new BackupError(
    "usage",
    `Cannot tell ${scheduler} of "${expression}": with a "*" before either, cron takes days that are both of the month and of the week`,
    { hint: 'Choose days of one kind, such as "0 3 * * 1"' },
  );
}

const NONE = "it is no cron expression";

const RANGES = [
  ["minutes", 0, 59],
  ["hours", 0, 23],
  ["days", 1, 31],
  ["months", 1, 12],
  ["weekdays", 0, 7],
] as const;

/** Says of the first field with a number that is too small or too large what there is. */
function sayRange(fields: readonly string[]): string | undefined {
  const wrong = RANGES.find(([, first, last], index) => {
    const numbers = fields[index]!.replace(/\/\d+/g, "").match(/\d+/g) ?? [];
    return numbers.some((number) => Number(number) < first || Number(number) > last);
  });
  return wrong && `${wrong[0]} go from ${wrong[1]} to ${wrong[2]}`;
}

const HINT_EXPRESSION =
  'Write minute, hour, day, month and weekday, such as "0 3 * * *" for each day at three';

function refused(
  text: string,
  state: string,
  { hint = HINT_EXPRESSION, cause }: { readonly hint?: string; readonly cause?: unknown } = {},
): BackupError {
  return new BackupError("usage", `Cannot use "${text}" as a time: ${state}`, { hint, cause });
}
