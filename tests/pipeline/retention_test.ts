/** Which snapshots stay: examples that a person can follow, then what must hold of any. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { snapshotName } from "../../pipeline/names.ts";
import {
  type Candidate,
  judge,
  KEEP_RULES,
  type KeepRule,
  type Policy,
  sayPolicy,
  type Verdict,
} from "../../pipeline/retention.ts";

const DAY = 86_400_000;

/** A snapshot with the paths that it holds; `undefined`: nobody knows. */
interface Sample extends Candidate {
  readonly paths: ReadonlySet<string> | undefined;
}

interface Details extends Partial<Omit<Sample, "name" | "created" | "paths">> {
  readonly paths?: readonly string[] | undefined;
}

/** A snapshot of that time, `2026-11-20` or `2026-11-20T08:30:00Z`. */
function at(time: string, { paths = [], ...rest }: Details = {}): Sample {
  const created = new Date(time);
  const name = snapshotName(created, "0".repeat(64));
  const known = { id: "m", state: "whole", verified: false } as const;
  return { ...known, ...rest, name, created, paths: new Set(paths) };
}

/** What a snapshot holds that none of the others does. */
function onlyIn(snapshot: Candidate, others: readonly Candidate[]) {
  const { paths } = snapshot as Sample;
  if (paths === undefined) return undefined;
  const lost = [...paths].filter((path) =>
    !others.some((other) => (other as Sample).paths?.has(path))
  );
  return { count: lost.length, example: lost.toSorted()[0] };
}

const NOW = "2026-11-20T12:00:00Z";

function verdicts(
  snapshots: readonly Sample[],
  policy: Partial<Policy>,
  now = NOW,
): Verdict<Sample>[] {
  return judge(snapshots, { forgetDeleted: false, ...policy }, { now: new Date(now), onlyIn });
}

/** `2026-11-20: newest; daily 2026-11-20`, and `-` before what goes. */
function told(snapshots: readonly Sample[], policy: Partial<Policy>, now = NOW): string[] {
  return verdicts(snapshots, policy, now).map(({ snapshot, keep, reasons }) =>
    `${keep ? "" : "- "}${snapshot.created.toISOString().slice(0, 10)}: ${reasons.join("; ")}`
  );
}

function days(...list: readonly string[]): Sample[] {
  return list.map((day) => at(`2026-11-${day}`));
}

Deno.test("each rule tells what it keeps, and what goes is told which rules it is beyond", () => {
  assert.deepEqual(told(days("16", "17", "18", "19", "20"), { last: 2, daily: 3 }), [
    "- 2026-11-16: beyond keep_last = 2, keep_daily = 3",
    "- 2026-11-17: beyond keep_last = 2, keep_daily = 3",
    "2026-11-18: daily 2026-11-18",
    "2026-11-19: last 2 of 2; daily 2026-11-19",
    "2026-11-20: newest; last 1 of 2; daily 2026-11-20",
  ]);
});

Deno.test("of each day, week, month and year the last one stays, and the oldest while there is room", () => {
  const snapshots = [
    ...["2024-06-01", "2025-12-28", "2025-12-29", "2026-01-01", "2026-02-01"].map((day) => at(day)),
    at("2026-02-02T00:00:00Z"),
    at("2026-02-02T23:59:59Z"),
  ];
  assert.deepEqual(told(snapshots, { weekly: 3 }), [
    "- 2024-06-01: beyond keep_weekly = 3",
    "- 2025-12-28: beyond keep_weekly = 3",
    "- 2025-12-29: beyond keep_weekly = 3",
    "2026-01-01: weekly 2026-W01",
    "2026-02-01: weekly 2026-W05",
    "- 2026-02-02: beyond keep_weekly = 3",
    "2026-02-02: newest; weekly 2026-W06",
  ]);
  assert.deepEqual(told([at("2021-01-01")], { weekly: 1 }), [
    "2021-01-01: newest; weekly 2020-W53",
  ]);
  assert.deepEqual(told(snapshots.slice(2, 5), { yearly: 5 }), [
    "2025-12-29: yearly 2025",
    "- 2026-01-01: beyond keep_yearly = 5",
    "2026-02-01: newest; yearly 2026",
  ]);
  assert.deepEqual(told(snapshots.slice(3, 5), { yearly: 5 }), [
    "2026-01-01: yearly 2026, the oldest",
    "2026-02-01: newest; yearly 2026",
  ]);
  assert.deepEqual(told(snapshots.slice(1, 4), { monthly: 1 }), [
    "- 2025-12-28: beyond keep_monthly = 1",
    "- 2025-12-29: beyond keep_monthly = 1",
    "2026-01-01: newest; monthly 2026-01",
  ]);
});

Deno.test("a window counts back from the newest, not from now", () => {
  const snapshots = days("01", "09", "10", "11");
  assert.deepEqual(told(snapshots, { within: 2 * DAY }, "2027-05-01"), [
    '- 2026-11-01: beyond keep_within = "2d"',
    '- 2026-11-09: beyond keep_within = "2d"',
    "2026-11-10: within 2d of the newest",
    "2026-11-11: newest; within 2d of the newest",
  ]);
});

Deno.test("a clock that leaps ahead by years closes no window over what came before", () => {
  const snapshots = [...days("01", "18", "19"), at("2036-11-20")];
  assert.deepEqual(
    told(snapshots, { within: 7 * DAY }, "2036-11-20T00:10:00Z").map((line) => line.slice(0, 20)),
    [
      "- 2026-11-01: beyond",
      "2026-11-18: within 7",
      "2026-11-19: within 7",
      "2036-11-20: newest; ",
    ],
  );
});

Deno.test("what was made ahead of the clock stays, and takes nobody's place", () => {
  assert.deepEqual(told([...days("18", "19", "20"), at("2036-01-01")], { last: 1 }), [
    "- 2026-11-18: beyond keep_last = 1",
    "- 2026-11-19: beyond keep_last = 1",
    "2026-11-20: newest by the clock; last 1 of 1",
    "2036-01-01: newest; its time, 2036-01-01, lies ahead of the clock",
  ]);
  const back = told(days("18", "19", "20"), { last: 1 }, "1970-01-01");
  assert.ok(back.every((line) => !line.startsWith("-")), "a clock that went back removes nothing");
});

Deno.test("the newest is the one whose name comes last, whatever its clock said", () => {
  const [early, late] = days("10", "20");
  const snapshots = [{ ...late!, created: new Date("2026-11-01") }, early!];
  assert.deepEqual(told(snapshots, { last: 1 }), [
    "- 2026-11-10: beyond keep_last = 1",
    "2026-11-01: newest; last 1 of 1",
  ]);
});

Deno.test("incomplete and damaged snapshots push out no whole one", () => {
  const snapshots = [
    at("2026-11-17"),
    at("2026-11-18"),
    at("2026-11-19", { state: "damaged" }),
    at("2026-11-20", { state: "incomplete" }),
  ];
  assert.deepEqual(told(snapshots, { last: 1 }), [
    "- 2026-11-17: beyond keep_last = 1",
    "2026-11-18: newest complete one; last 1 of 1, of the complete ones",
    "- 2026-11-19: beyond keep_last = 1",
    "2026-11-20: newest; last 1 of 1",
  ]);
  assert.deepEqual(
    told(snapshots, { daily: 2 }).at(0),
    "2026-11-17: daily 2026-11-17, of the complete ones",
  );
});

Deno.test("the last verified one stays, unless it was found damaged since", () => {
  const verified = at("2026-11-17", { verified: true });
  const snapshots = [at("2026-11-16", { verified: true }), verified, ...days("18", "19")];
  assert.deepEqual(told(snapshots, { last: 1 }), [
    "- 2026-11-16: beyond keep_last = 1",
    "2026-11-17: last verified one",
    "- 2026-11-18: beyond keep_last = 1",
    "2026-11-19: newest; last 1 of 1",
  ]);
});

Deno.test("the last snapshot that holds a file stays until it may be forgotten", () => {
  const snapshots = [
    at("2026-11-16", { paths: ["a", "b"] }),
    at("2026-11-17", { paths: ["a", "b", "c", "d"] }),
    at("2026-11-18", { paths: ["a", "d"] }),
    at("2026-11-19", { paths: ["a"] }),
  ];
  assert.deepEqual(told(snapshots, { last: 1 }), [
    "- 2026-11-16: beyond keep_last = 1",
    "2026-11-17: the only copy of 2 files that no newer kept snapshot holds: b and others",
    "2026-11-18: the only copy of 1 file that no newer kept snapshot holds: d",
    "2026-11-19: newest; last 1 of 1",
  ]);
  assert.deepEqual(
    verdicts(snapshots, { last: 1, forgetDeleted: true }).map(({ keep }) => keep),
    [false, false, false, true],
  );
});

Deno.test("a snapshot of which nobody knows what it holds stays, and stands in for none", () => {
  const unknown = { ...at("2026-11-18"), paths: undefined };
  const snapshots = [at("2026-11-17", { paths: ["a"] }), unknown, at("2026-11-19")];
  assert.deepEqual(told(snapshots, { last: 1 }), [
    "2026-11-17: the only copy of 1 file that no newer kept snapshot holds: a",
    "2026-11-18: what it holds is not known here",
    "2026-11-19: newest; last 1 of 1",
  ]);
});

Deno.test("a damaged snapshot stands in for no file", () => {
  const snapshots = [
    at("2026-11-17", { paths: ["a"] }),
    at("2026-11-18", { paths: ["a"], state: "damaged" }),
  ];
  assert.deepEqual(verdicts(snapshots, { last: 1 }).map(({ keep }) => keep), [true, true]);
});

Deno.test("snapshots of another id are not counted: m and m-work", () => {
  const work = days("16", "17", "18").map((snapshot) => ({ ...snapshot, id: "m-work" }));
  const alone = verdicts(work, { last: 2 });
  const both = verdicts([...days("18", "19", "20"), ...work], { last: 2 });
  assert.deepEqual(both.filter(({ snapshot }) => snapshot.id === "m-work"), alone);
});

Deno.test("a policy is told as the file has it", () => {
  const policy = { last: 3, within: 30 * DAY, forgetDeleted: false };
  assert.deepEqual(sayPolicy(policy), ["keep_last = 3", 'keep_within = "30d"']);
  assert.deepEqual(sayPolicy({ within: 1000, forgetDeleted: true }), ['keep_within = "1s"']);
});

Deno.test("pruned every day for years, what stays is the last of each day, week and month", () => {
  const policy = { daily: 7, weekly: 5, monthly: 12 };
  let staying: Sample[] = [];
  for (let day = 0; day < 1200; day++) {
    const now = new Date(Date.UTC(2023, 0, 1, 3) + day * DAY).toISOString();
    staying = verdicts([...staying, at(now)], policy, now)
      .filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
    assert.equal(staying.at(-1)?.created.toISOString(), now);
    assert.ok(staying.length <= 7 + 5 + 12);
  }
  // 1,200 days end on 2026-04-14, a Tuesday.
  assert.deepEqual(staying.map(({ created }) => created.toISOString().slice(0, 10)), [
    ...["2025-05-31", "2025-06-30", "2025-07-31", "2025-08-31", "2025-09-30", "2025-10-31"],
    ...["2025-11-30", "2025-12-31", "2026-01-31", "2026-02-28"],
    ...["2026-03-22", "2026-03-29", "2026-03-31", "2026-04-05"],
    ...["2026-04-08", "2026-04-09", "2026-04-10", "2026-04-11", "2026-04-12", "2026-04-13"],
    "2026-04-14",
  ]);
});

/** Times that crowd into days, weeks and years, at their edges, and some far away. */
const time = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((day) => Date.UTC(2026, 9, 15) + day * DAY),
  fc.integer({ min: 0, max: 40 * 24 }).map((hour) => Date.UTC(2026, 9, 15) + hour * DAY / 24),
  fc.integer({ min: -2000, max: 60 }).map((day) => Date.UTC(2026, 10, 20) + day * DAY - 1000),
  fc.constantFrom(0, Date.UTC(2036, 0, 1), Date.UTC(2026, 11, 31, 23, 59, 59), Date.UTC(2027, 0)),
);

const paths = fc.option(fc.uniqueArray(fc.constantFrom(..."abcdefg"), { maxLength: 5 }), {
  nil: undefined,
  freq: 12,
});

const sample = fc.record({
  time,
  paths,
  id: fc.constantFrom("m", "m", "m-work"),
  state: fc.constantFrom("whole", "whole", "whole", "incomplete", "damaged"),
  verified: fc.boolean(),
  /** By how much the name runs ahead of the clock that made it. */
  ahead: fc.constantFrom(0, 0, 0, 1000, 3 * DAY),
}).map(({ time, ahead, paths, ...rest }): Sample => ({
  ...rest,
  name: snapshotName(new Date(time + ahead), "0".repeat(64)),
  created: new Date(time),
  paths: paths && new Set(paths),
}));

const samples = fc.uniqueArray(sample, {
  maxLength: 24,
  selector: ({ id, name }) => `${id}/${name}`,
});

const count = fc.integer({ min: 1, max: 6 });
const rules = fc.record(
  {
    ...{ last: count, daily: count, weekly: count, monthly: count, yearly: count },
    within: fc.integer({ min: 1, max: 40 * 24 }).map((hours) => hours * DAY / 24),
  },
  { requiredKeys: [] },
).filter((rules) => Object.keys(rules).length > 0);
const policy = fc.record({ rules, forgetDeleted: fc.boolean() })
  .map(({ rules, forgetDeleted }): Policy => ({ ...rules, forgetDeleted }));
const now = fc.constantFrom(NOW, NOW, "2026-12-31T23:59:59Z", "2040-01-01", "1971-01-01")
  .map((text) => new Date(text));

const SITUATION = [samples, policy, now] as const;

/** How many cases each of the six laws is tried on. */
const RUNS = { numRuns: 2500 };

function kept(snapshots: readonly Sample[], policy: Policy, now: Date): Sample[] {
  return judge(snapshots, policy, { now, onlyIn })
    .filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
}

function key({ id, name }: Sample): string {
  return `${id}/${name}`;
}

/** The rules by their definition, period by period: written without a look at the other. */
function keptByRules(group: readonly Sample[], policy: Policy, now: Date): Set<Sample> {
  const usable = group.filter(({ created }) => created.getTime() - now.getTime() <= DAY);
  const result = new Set<Sample>();
  for (const list of [usable, usable.filter(({ state }) => state === "whole")]) {
    const sorted = [...list].sort((a, b) => a.name < b.name ? -1 : 1);
    for (const snapshot of sorted.toReversed().slice(0, policy.last ?? 0)) result.add(snapshot);
    for (const rule of ["daily", "weekly", "monthly", "yearly"] as const) {
      const label = (index: number) => period(rule, sorted[index]!.created);
      // The last of each stretch of snapshots that fall into one period.
      const lasts = sorted.filter((_, index) =>
        index === sorted.length - 1 || label(index) !== label(index + 1)
      );
      const wanted = policy[rule] ?? 0;
      if (wanted > 0) { for (const snapshot of lasts.slice(-wanted)) result.add(snapshot); }
      if (wanted > lasts.length && sorted.length > 0) result.add(sorted[0]!);
    }
    for (const [index, snapshot] of sorted.entries()) {
      let age = 0;
      for (let next = index + 1; next < sorted.length; next++) {
        const gap = sorted[next]!.created.getTime() - sorted[next - 1]!.created.getTime();
        if (gap > 0 && gap <= 400 * DAY) age += gap;
      }
      if (policy.within !== undefined && age < policy.within) result.add(snapshot);
    }
  }
  return result;
}

/** A number that two times share when they fall into the same period. */
function period(rule: "daily" | "weekly" | "monthly" | "yearly", time: Date): number {
  const day = Math.floor(time.getTime() / DAY);
  if (rule === "daily") return day;
  if (rule === "weekly") return Math.floor((day + 3) / 7); // 1970-01-01 was a Thursday.
  const months = time.getUTCFullYear() * 12 + time.getUTCMonth();
  return rule === "monthly" ? months : Math.floor(months / 12);
}

/** What must stay, by the words of the documentation. */
function expected(snapshots: readonly Sample[], policy: Policy, now: Date): string[] {
  const result: string[] = [];
  for (const id of new Set(snapshots.map(({ id }) => id))) {
    const group = snapshots.filter((snapshot) => snapshot.id === id)
      .sort((a, b) => a.name < b.name ? 1 : -1);
    const first = (test: (snapshot: Sample) => boolean) => group.find(test);
    const certain = new Set([
      ...keptByRules(group, policy, now),
      ...group.filter(({ created }) => created.getTime() - now.getTime() > DAY),
      first(() => true),
      first(({ created }) => created.getTime() - now.getTime() <= DAY),
      first(({ state }) => state === "whole"),
      first(({ verified, state }) => verified && state !== "damaged"),
    ]);
    const covered = new Set<string>();
    for (const snapshot of group) {
      const { paths, state } = snapshot;
      const precious = !policy.forgetDeleted &&
        (paths === undefined || [...paths].some((path) => !covered.has(path)));
      if (!certain.has(snapshot) && !precious) continue;
      result.push(key(snapshot));
      if (state !== "damaged") { for (const path of paths ?? []) covered.add(path); }
    }
  }
  return result.sort();
}

Deno.test("what stays is what an independent reading of the rules says", () => {
  fc.assert(
    fc.property(...SITUATION, (snapshots, policy, now) => {
      assert.deepEqual(
        kept(snapshots, policy, now).map(key).sort(),
        expected(snapshots, policy, now),
      );
    }),
    RUNS,
  );
});

Deno.test("the newest, the newest whole one and the last verified one always stay", () => {
  fc.assert(
    fc.property(...SITUATION, (snapshots, policy, now) => {
      const staying = new Set(kept(snapshots, policy, now).map(key));
      for (const group of Map.groupBy(snapshots, ({ id }) => id).values()) {
        const ordered = group.toSorted((a, b) => a.name < b.name ? -1 : 1);
        const must = [
          ordered.at(-1),
          ordered.findLast(({ state }) => state === "whole"),
          ordered.findLast(({ verified, state }) => verified && state !== "damaged"),
        ].filter((snapshot) => snapshot !== undefined);
        for (const snapshot of must) assert.ok(staying.has(key(snapshot)), key(snapshot));
      }
    }),
    RUNS,
  );
});

Deno.test("no file that a sound snapshot held is in none that stays, unless it may be forgotten", () => {
  fc.assert(
    fc.property(...SITUATION, (snapshots, policy, now) => {
      const staying = kept(snapshots, { ...policy, forgetDeleted: false }, now);
      const sound = (list: readonly Sample[]) => list.filter(({ state }) => state !== "damaged");
      const held = (list: readonly Sample[]) =>
        new Set(list.flatMap(({ id, paths }) => [...paths ?? []].map((path) => `${id}/${path}`)));
      assert.deepEqual([...held(sound(snapshots)).difference(held(sound(staying)))], []);
      for (const snapshot of snapshots) {
        if (snapshot.paths === undefined) assert.ok(staying.includes(snapshot), key(snapshot));
      }
    }),
    RUNS,
  );
});

Deno.test("a second judgement removes nothing more, also after what goes went in part", () => {
  fc.assert(
    fc.property(...SITUATION, fc.array(fc.boolean()), (snapshots, policy, now, left) => {
      const staying = kept(snapshots, policy, now);
      assert.deepEqual(kept(staying, policy, now), staying);
      const going = snapshots.filter((snapshot) => !staying.includes(snapshot));
      const rest = [...staying, ...going.filter((_, index) => left[index])];
      const again = kept(rest, policy, now);
      for (const snapshot of staying) assert.ok(again.includes(snapshot), key(snapshot));
    }),
    RUNS,
  );
});

Deno.test("a more generous policy keeps all that a rule kept before, and loses no file", () => {
  const more = fc.record({
    rule: fc.constantFrom(...KEEP_RULES),
    by: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(...SITUATION, more, (snapshots, policy, now, { rule, by }) => {
      const unit = rule === "within" ? DAY : 1;
      const generous = { ...policy, [rule]: (policy[rule as KeepRule] ?? 0) + by * unit };
      const strict = { ...policy, forgetDeleted: true };
      const before = kept(snapshots, strict, now);
      const after = kept(snapshots, { ...generous, forgetDeleted: true }, now);
      for (const snapshot of before) assert.ok(after.includes(snapshot), key(snapshot));
      const careful = kept(snapshots, { ...generous, forgetDeleted: false }, now);
      for (const snapshot of after) assert.ok(careful.includes(snapshot), key(snapshot));
    }),
    RUNS,
  );
});

Deno.test("the order in which snapshots come, and those of other ids, change nothing", () => {
  fc.assert(
    fc.property(...SITUATION, fc.infiniteStream(fc.nat()), (snapshots, policy, now, random) => {
      const shuffled = snapshots.map((snapshot) => [random.next().value, snapshot] as const)
        .sort(([a], [b]) => a - b).map(([, snapshot]) => snapshot);
      const told = (list: readonly Sample[]) =>
        judge(list, policy, { now, onlyIn })
          .map(({ snapshot, keep, reasons }) => `${key(snapshot)} ${keep} ${reasons.join("; ")}`)
          .sort();
      assert.deepEqual(told(shuffled), told(snapshots));
      const apart = [...Map.groupBy(snapshots, ({ id }) => id).values()].flatMap(told).sort();
      assert.deepEqual(apart, told(snapshots));
      for (const { reasons } of judge(snapshots, policy, { now, onlyIn })) {
        assert.ok(reasons.length > 0);
      }
    }),
    RUNS,
  );
});
