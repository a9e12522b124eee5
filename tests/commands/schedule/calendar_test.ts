import assert from "node:assert/strict";
import { isMissed, lastDue, nextDue, parseCalendar } from "../../../commands/schedule/calendar.ts";
import { checkJob } from "../../../commands/schedule/job.ts";
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

Deno.test("what is no time is refused, and so is a day that never comes", () => {
  const wrong = [
    ...["", "3", "every day", "0 3 * *", "0 0 3 * * *", "60 * * * *", "* 24 * * *", "* * 0 * *"],
    ...["* * * 13 *", "* * * * 8", "0 3 31 2 *", "@reboot", "5-1 * * * *", "*/0 * * * *"],
  ];
  for (const text of wrong) {
    assert.throws(
      () => parseCalendar(text),
      { code: "usage", message: /no cron expression/ },
      text,
    );
  }
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
