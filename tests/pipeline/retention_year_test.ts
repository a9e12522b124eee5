/** What retention promises, held against a simulated year of daily runs. */
import { deepEqual, ok } from "node:assert/strict";
import { type Candidate, judge, type OnlyCopies, type Policy } from "../../pipeline/retention.ts";
import { clockOn, DAY, FAILS, isOff, nameAfter } from "./year.ts";

/** What a retention keeps one of each of, by the words of the documentation. */
const RULES = [
  { key: "daily", periodOf: (time: Date) => Math.floor(time.getTime() / DAY) },
  // From Monday on: 1970-01-01 was a Thursday.
  { key: "weekly", periodOf: (time: Date) => Math.floor((time.getTime() / DAY + 3) / 7) },
  { key: "monthly", periodOf: (time: Date) => time.getUTCFullYear() * 12 + time.getUTCMonth() },
  { key: "yearly", periodOf: (time: Date) => time.getUTCFullYear() },
] as const;

/** Each by itself, as none may stand in for another, and all together. */
const POLICIES: Readonly<Record<string, Omit<Policy, "forgetDeleted">>> = {
  keep_last: { last: 3 },
  keep_daily: { daily: 7 },
  keep_weekly: { weekly: 5 },
  keep_monthly: { monthly: 12 },
  keep_yearly: { yearly: 3 },
  keep_within: { within: 20 * DAY },
  "all of them": { last: 3, daily: 7, weekly: 5, monthly: 12, yearly: 3, within: 20 * DAY },
};

for (const [name, keys] of Object.entries(POLICIES)) {
  Deno.test(`a year of failures, leaping clocks and daylight saving: ${name} keeps every promise`, () =>
    goThrough({ ...keys, forgetDeleted: false }));
}

/** Prunes after each run, and fails at the first promise that is broken. */
function goThrough(policy: Policy): void {
  /** The files that a snapshot of a day holds: one for all days, and one that lives for ten. */
  const filesOf = (day: number) =>
    new Set(["always", ...day < 0 ? [] : [`decade ${Math.floor(day / 10)}`]]);
  const files = new Map<string, Set<string>>();
  const everHeld = new Set<string>();
  const everMade: Candidate[] = [];
  let kept: readonly Candidate[] = [];
  let newest = "";
  const onlyIn = (snapshot: Candidate, others: readonly Candidate[]): OnlyCopies => {
    const elsewhere = new Set(others.flatMap(({ name }) => [...files.get(name)!]));
    const own = [...files.get(snapshot.name)!].filter((file) => !elsewhere.has(file));
    return { count: own.length, example: own[0] };
  };
  let runs = 0;
  // More than two years came before, so that there are years to keep.
  for (let day = -800; day < 365; day++) {
    if (isOff(day) || FAILS["run"]!(day) || FAILS["stage src"]!(day)) continue;
    // Nothing is removed after a run that failed at this destination.
    if (FAILS["stage s3"]!(day) && day !== 250) continue;
    const now = clockOn(day);
    const incomplete = FAILS["snapshot src"]!(day);
    // Names never go back, whatever the clock does.
    newest = nameAfter(newest, now);
    files.set(newest, filesOf(day));
    for (const file of filesOf(day)) everHeld.add(file);
    const made: Candidate = {
      ...{ id: "src", name: newest, created: now },
      ...{ state: incomplete ? "incomplete" : "whole", verified: day % 30 === 0 },
    };
    everMade.push(made);
    const before = [...kept, made];
    if (day >= 0) runs++;
    // An incomplete run has not succeeded: all stays.
    kept = incomplete ? before : judge(before, policy, { now, onlyIn })
      .filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
    const names = new Set(kept.map(({ name }) => name));
    ok(names.has(newest), `day ${day}: the newest`);
    const last = (fits: (one: Candidate) => boolean) => before.findLast(fits)?.name;
    for (const name of [last(({ state }) => state === "whole"), last(({ verified }) => verified)]) {
      ok(name === undefined || names.has(name), `day ${day}: ${name}`);
    }
    const held = new Set(kept.flatMap(({ name }) => [...files.get(name)!]));
    deepEqual(everHeld.difference(held), new Set(), `day ${day}: every file ever held`);

    // Of all that was ever made, not only of what stayed until yesterday.
    const isTimely = ({ created }: Candidate) => created.getTime() <= now.getTime() + DAY;
    const timely = everMade.filter(isTimely);
    // While a clock is ahead, what it makes takes the places of what is oldest. One that is behind
    // takes nothing.
    const ahead = now.getUTCFullYear() === 1970
      ? []
      : everMade.filter((one) => !isTimely(one)).map(({ created }) => created);
    for (const { name } of lastOf(timely, (policy.last ?? 0) - ahead.length)) {
      ok(names.has(name), `day ${day}: ${name}, one of the last`);
    }
    for (const { name, created } of timely) {
      const age = now.getTime() - created.getTime();
      if (age < (policy.within ?? 0)) ok(names.has(name), `day ${day}: ${name}, within days`);
    }
    for (const { key, periodOf } of RULES) {
      const periods = timely.map(({ created }) => periodOf(created));
      const lasts = timely.filter((_, at) => periods[at] !== periods[at + 1]);
      const places = (policy[key] ?? 0) - new Set(ahead.map((time) => periodOf(time))).size;
      for (const { name, created } of lastOf(lasts, places)) {
        ok(names.has(name), `day ${day}: ${created.toISOString()} by ${key}`);
      }
    }
  }
  // It promises to keep; it also lets go.
  ok(runs > 300 && kept.length < 80, `${kept.length} of ${runs} stay`);
}

function lastOf<T>(list: readonly T[], count: number): readonly T[] {
  return count <= 0 ? [] : list.slice(-count);
}
