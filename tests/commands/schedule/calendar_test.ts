import assert from "node:assert/strict";
import { isMissed, lastDue, nextDue, parseCalendar } from "../../../commands/schedule/calendar.ts";
import { checkJob } from "../../../commands/schedule/job.ts";
import { run } from "../../../commands/schedule/program.ts";
import { HOSTILE, isTellable, jobWith } from "./hostile.ts";

Deno.test("a cron expression becomes the numbers that it stands for", () => {
  const calendar = parseCalendar("*/20 4-6 1,15 * 1-5");
  assert.deepEqual(calendar.minutes, [0, 20, 40]);
  assert.deepEqual(calendar.hours, [4, 5, 6]);
  assert.deepEqual(calendar.days, [1, 15]);
  assert.equal(calendar.months, undefined);
  assert.deepEqual(calendar.weekdays, [1, 2, 3, 4, 5]);
});

Deno.test("Sunday is a weekday by either of its numbers, and months count from one", () => {
  assert.deepEqual(parseCalendar("0 0 * 1 7"), {
    ...parseCalendar("0 0 * 1 0"),
    expression: "0 0 * 1 7",
  });
  assert.deepEqual(parseCalendar("0 0 * 12 *").months, [12]);
});

Deno.test("a name such as @daily is the expression that it stands for", () => {
  assert.equal(parseCalendar("@daily").expression, "0 0 * * *");
});

Deno.test("months and weekdays may be named, as cron has them", () => {
  assert.equal(parseCalendar("0 3 * * sun").expression, "0 3 * * 0");
  assert.equal(parseCalendar("0 3 * Jan,DEC mon-fri/2").expression, "0 3 * 1,12 1-5/2");
});

Deno.test("what is no time is refused, and so is a day that never comes", () => {
  const wrong = {
    "it is no cron expression": [
      ...["", "3", "every day", "0 3 * *", "0 0 3 * * *", "@reboot", "5-1 * * * *", "*/0 * * * *"],
      ...["1-5-7 * * * *", "5/10 * * * *", "1- * * * *", "1/2/3 * * * *", "* * * * 7-1"],
      ...[
        "-5 * * * *",
        "0 3 * * sunday",
        "0 3 * mon *",
        "sun 3 * * *",
        "5,,6 * * * *",
        "*5 * * * *",
        "* * */30 2 0-6/0",
      ],
    ],
    "minutes go from 0 to 59": ["60 * * * *", "61 * * * *", "1-61/7 * * * *"],
    "hours go from 0 to 23": ["* 24 * * *"],
    "days go from 1 to 31": ["* * 0 * *", "* * 1,32 13 *"],
    "months go from 1 to 12": ["* * * 13 *"],
    "weekdays go from 0 to 7": ["* * * * 8"],
    "that day never comes": ["0 3 31 2 *", "0 0 30 2 *", "* * 31 2,4 *"],
  };
  for (const [state, texts] of Object.entries(wrong)) {
    for (const text of texts) {
      const message = `Cannot use "${text}" as a time: ${state}`;
      assert.throws(() => parseCalendar(text), { code: "usage", message });
    }
  }
});

Deno.test("a day has to be of the month and of the week where cron finds a star before either", () => {
  const daysOf = (expression: string) => {
    const calendar = parseCalendar(`0 0 ${expression}`);
    const days: number[] = [];
    let day = new Date(2026, 5, 1, 0, -1);
    while ((day = nextDue(calendar, day)).getMonth() === 5) days.push(day.getDate());
    return days;
  };
  const all = Array.from({ length: 30 }, (_, index) => index + 1);
  // June 2026 begins with a Monday. The days on which Vixie's cron, which is Debian's, starts it.
  assert.deepEqual(daysOf("*/2 * 1"), [1, 15, 29]);
  assert.deepEqual(daysOf("1-15 * */3"), [3, 6, 7, 10, 13, 14]);
  assert.deepEqual(daysOf("*,5 * 1"), [1, 8, 15, 22, 29]);
  assert.deepEqual(daysOf("* * 1"), [1, 8, 15, 22, 29]);
  assert.deepEqual(daysOf("2,3 * 1"), [1, 2, 3, 8, 15, 22, 29]);
  assert.deepEqual(daysOf("1-31 * 1"), all);
  assert.deepEqual(daysOf("5,* * 1"), all);
  assert.deepEqual(daysOf("2 * 0-6"), all);
  assert.deepEqual(daysOf("2 * 1-7"), all);
});

Deno.test("a day that is years away is found, and one of another weekday too", () => {
  const after = new Date(2026, 0, 1);
  assert.deepEqual(nextDue(parseCalendar("0 0 29 2 *"), after), new Date(2028, 1, 29));
  // A leap day that is a Sunday: every eighth weekday is the first alone.
  assert.deepEqual(nextDue(parseCalendar("0 0 29-29 2 */8"), after), new Date(2032, 1, 29));
});

Deno.test("no hostile text passes as a time, alone or behind one", () => {
  for (const text of HOSTILE) {
    assert.throws(() => parseCalendar(text), { code: "usage" }, text);
    assert.throws(() => parseCalendar(`0 3 * * *${text}`), { code: "usage" }, text);
  }
});

Deno.test("names with control characters are scheduled by nobody, and so are relative paths", () => {
  for (const name of HOSTILE) {
    if (isTellable(name)) checkJob(jobWith(name));
    else assert.throws(() => checkJob(jobWith(name)), { code: "usage", message: /control/ }, name);
  }
  const relative = jobWith("x", { file: "pipeline.toml" });
  assert.throws(() => checkJob(relative), { message: /no absolute path/ });
  assert.throws(() => checkJob(jobWith("x", { name: "a b" })), { message: /no name/ });
});

Deno.test("the next and the last time are looked for to both sides of now", () => {
  const calendar = parseCalendar("30 3 * * *");
  const now = new Date(2026, 5, 10, 12, 0, 0);
  assert.deepEqual(nextDue(calendar, now), new Date(2026, 5, 11, 3, 30));
  assert.deepEqual(lastDue(calendar, now), new Date(2026, 5, 10, 3, 30));
  const atOnce = new Date(2026, 5, 10, 3, 30, 20);
  assert.deepEqual(lastDue(calendar, atOnce), new Date(2026, 5, 10, 3, 30));
});

Deno.test("a backup is missed when none has begun since it was last due", () => {
  const now = new Date(2026, 5, 10, 12, 0, 0);
  const at = (day: number, hour: number) => new Date(2026, 5, day, hour);
  assert.equal(isMissed("0 3 * * *", undefined, now), true);
  assert.equal(isMissed("0 3 * * *", at(10, 2), now), true);
  assert.equal(isMissed("0 3 * * *", at(10, 3), now), false);
  assert.equal(isMissed("0 3 * * *", at(3, 3), now), true);
  assert.equal(isMissed("0 3 * * *", at(20, 3), now), true, "the clock was set back");
});

Deno.test("in every zone, the next time lies ahead and the last one does not, whatever the clock does", async () => {
  // Apart: the zone is that of the whole process, in which other tests run.
  const zones = new URL("zones.ts", import.meta.url).pathname;
  const words = ["run", "--cached-only", "--no-check", "--allow-env", zones] as const;
  const { status, said } = await run([Deno.execPath(), ...words]);
  assert.equal(status, 0, said);
});
