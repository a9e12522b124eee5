/**
 * A year of daily backups as it may go: days on which something fails, a week without power, a clock
 * that leaps, daylight saving.
 *
 * @module
 */

/** In milliseconds. */
export const DAY = 86_400_000;

/** The first day. */
export const START: number = Date.UTC(2026, 0, 1);

/** Three in the morning in Berlin, in winter as in summer. */
function threeInBerlin(day: number): Date {
  const midnight = START + day * DAY;
  const [spring, autumn] = [Date.UTC(2026, 2, 29), Date.UTC(2026, 9, 25)];
  const offset = midnight >= spring && midnight < autumn ? 2 : 1;
  return new Date(midnight + (3 - offset) * 3_600_000);
}

/** What the clock says on a day: it leaps to 2036 for two days, and back to 1970 for one. */
export function clockOn(day: number): Date {
  if (day === 120 || day === 121) return new Date(Date.UTC(2036, 5, day - 119, 1));
  if (day === 250) return new Date(Date.UTC(1970, 0, 1, 4));
  return threeInBerlin(day);
}

/** Whether the machine is off on a day. */
export function isOff(day: number): boolean {
  return day >= 300 && day < 309;
}

/** Days from one up to another on which something fails. */
export const FAILS: Readonly<Record<string, (day: number) => boolean>> = {
  "stage s3": (day) => (day >= 40 && day < 60) || (day >= 200 && day < 203) || day === 250,
  "stage git": (day) => day >= 50 && day < 130,
  "snapshot src": (day) => day === 100 || day === 101,
  "stage src": (day) => day === 150,
  "run": (day) => day === 170 || day === 171,
};

/** As runs name snapshots: the newest is the one whose name comes last. */
export function nameAfter(newest: string, now: Date): string {
  const stamp = (time: number) => new Date(time).toISOString().replace(/[-:]|\.\d+/g, "");
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(newest)?.map(Number) ?? [];
  const after = year === undefined ? 0 : Date.UTC(year, month! - 1, day, hour, minute, second! + 1);
  return `${stamp(Math.max(now.getTime(), after))}-000000000000`;
}
