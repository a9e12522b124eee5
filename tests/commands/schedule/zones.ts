/** What is due where clocks are changed. Started by a test, as a program of its own. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isMissed, lastDue, nextDue, parseCalendar } from "../../../commands/schedule/calendar.ts";

const ZONES = [
  ...["Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "UTC"],
  ...["Pacific/Apia", "America/Havana", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Chatham"],
];

const at = (text: string) => new Date(text);
const next = (expression: string, after: string) => nextDue(parseCalendar(expression), at(after));
const last = (expression: string, before: string) => lastDue(parseCalendar(expression), at(before));

Deno.env.set("TZ", "Europe/Berlin");
assert.deepEqual(next("30 2 * * *", "2026-10-25T01:00Z"), at("2026-10-26T01:30Z"));
assert.deepEqual(
  next("30 2 * * *", "2026-10-24T12:00Z"),
  at("2026-10-25T00:30Z"),
  "the first of two",
);
assert.deepEqual(next("30 * * * *", "2026-10-25T00:30Z"), at("2026-10-25T01:30Z"), "each hour");
assert.deepEqual(next("30 * * * *", "2026-03-29T00:30Z"), at("2026-03-29T01:30Z"));
// What the clock skips, cron starts at once.
for (const minute of ["00", "15", "29", "30", "45"]) {
  const now = `2026-03-29T01:${minute}Z`;
  assert.deepEqual(last("30 2 * * *", now), at("2026-03-29T01:00Z"), now);
  assert.equal(isMissed("30 2 * * *", at("2026-03-29T01:00Z"), at(now)), false, now);
}
assert.deepEqual(next("30 2 * * *", "2026-03-28T12:00Z"), at("2026-03-29T01:00Z"));
Deno.env.set("TZ", "America/Havana");
assert.deepEqual(next("0 0 * * *", "2026-03-07T12:00Z"), at("2026-03-08T05:00Z"), "no midnight");

const list = (most: number) =>
  fc.oneof(
    fc.constantFrom("*", "*/2", "*/7"),
    fc.integer({ min: 0, max: most }).map(String),
    fc.array(fc.integer({ min: 0, max: most }), { minLength: 1, maxLength: 4 }).map(String),
  );
const expression = fc.tuple(
  list(59),
  list(23),
  fc.constantFrom("*", "*/2", "1-31", "8,29"),
  fc.constantFrom("*", "3,10"),
  fc.constantFrom("*", "0", "1-5"),
).map((fields) => fields.join(" "));
// Within two days of any change of the clock, or anywhere.
const moment = fc.oneof(
  fc.date({ min: at("2026-03-06T00:00Z"), max: at("2026-03-31T00:00Z"), noInvalidDate: true }),
  fc.date({ min: at("2026-10-23T00:00Z"), max: at("2026-11-03T00:00Z"), noInvalidDate: true }),
  fc.date({ min: at("2011-12-28T00:00Z"), max: at("2030-01-01T00:00Z"), noInvalidDate: true }),
);
for (const zone of ZONES) {
  Deno.env.set("TZ", zone);
  fc.assert(
    fc.property(expression, moment, (expression, now) => {
      const calendar = parseCalendar(expression);
      const [ahead, behind] = [nextDue(calendar, now), lastDue(calendar, now)];
      const told = `${zone} ${expression} ${now.toISOString()}`;
      assert.ok(ahead > now, `${told}: ${ahead.toISOString()} is not ahead`);
      assert.ok(behind <= now, `${told}: ${behind.toISOString()} is ahead`);
      // There is none between the two.
      assert.deepEqual(nextDue(calendar, behind), ahead, told);
      assert.deepEqual(lastDue(calendar, ahead), ahead, told);
    }),
    { numRuns: 30 },
  );
}
