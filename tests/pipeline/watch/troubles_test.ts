import { deepEqual, equal, ok } from "node:assert/strict";
import type { RunReport, StageReport } from "../../../pipeline/events.ts";
import { goThrough } from "../../../pipeline/forecast.ts";
import { type Candidate, judge, type Policy } from "../../../pipeline/retention.ts";
import { noticeOf } from "../../../pipeline/watch/notice.ts";
import {
  newsFor,
  observe,
  observeError,
  pauseBefore,
  type Subject,
  type Told,
  type Trouble,
  update,
} from "../../../pipeline/watch/troubles.ts";
import { clockOn, DAY, FAILS, isOff, nameAfter, START } from "../year.ts";

type Status = StageReport["status"];

/** A run as it is reported: how each stage fared, and what could not be read. */
function reportOf(
  now: Date,
  statuses: Readonly<Record<string, Status>>,
  { unreadable = 0, pause }: { unreadable?: number; pause?: Date | undefined } = {},
): RunReport {
  const failure = { code: "destination-unreachable", message: "It failed", hint: "Look" } as const;
  const stages = Object.entries(statuses).map(([id, status]): StageReport => ({
    ...{ id, use: id, status, message: "", seconds: 1 },
    ...(status === "failed" && { failure }),
  }));
  const remark = { path: "/src/a", reason: "permission denied" };
  const isThere = ["ok", "unchanged"];
  return {
    ...{ ok: true, run: 1, dryRun: false, started: now, finished: now, stages, status: 0 },
    ...(pause && { pause }),
    snapshots: statuses["src"] === "failed" ? [] : [{
      ...{ id: "src", name: null, contentHash: "00", files: 1, bytes: 1, changes: undefined },
      unreadable: Array(unreadable).fill(remark),
      ...{ skipped: [], notes: [] },
      destinations: stages.filter(({ id }) => id !== "src").map(({ id, status }) => (
        { id, status, location: isThere.includes(status) ? id : null, message: "" }
      )),
    }],
  };
}

Deno.test("what is overdue stays so where the catalog fails, which knows of proofs", () => {
  const [now, later] = [new Date(START), new Date(START + DAY)];
  const overdue = { subject: "proof s3/src", message: "It is overdue", hint: undefined } as const;
  const open = update([], { seen: [overdue], isWell: () => false }, now);
  const report = reportOf(later, { src: "ok", s3: "ok" });
  const failure = { code: "stage-failed", message: "It failed", hint: undefined } as const;
  const failed = update(open, observe({ ...report, failure }), later);
  deepEqual(failed.map(({ subject }) => subject), ["proof s3/src", "catalog"]);
  deepEqual(update(open, observe(report), later), []);
});

/** What is left of one trouble after this run. */
function leftOf(subject: Subject, report: RunReport): readonly string[] {
  const seen = [{ subject, message: "It is wrong", hint: undefined }];
  const open = update([], { seen, isWell: () => false }, new Date(START));
  return update(open, observe(report), report.finished).map(({ subject }) => subject);
}

Deno.test("what was lost or not read is well again once its source was read, or is none any more", () => {
  const now = new Date(START + DAY);
  for (const subject of ["snapshot src", "loss src/CLAUDE.md"] as const) {
    deepEqual(leftOf(subject, reportOf(now, { src: "ok", s3: "ok" })), []);
    deepEqual(leftOf(subject, { ...reportOf(now, { s3: "ok" }), snapshots: [] }), []);
    deepEqual(leftOf(subject, reportOf(now, { src: "failed", s3: "skipped" })), [
      subject,
      "stage src",
    ]);
  }
});

Deno.test("a drill that failed is well again once another one proves it, and not before", () => {
  const report = reportOf(new Date(START + DAY), { src: "ok", s3: "ok" });
  const about = { id: "src", name: null, destination: "s3", location: "s3", seconds: 0 };
  const amounts = { files: 0, bytes: 0, lines: 0, databases: 0, flaws: [], unchecked: [] };
  const after = (verdict: "proven" | "inconclusive", destination = "s3") =>
    leftOf("drill s3/src", {
      ...report,
      drills: [{ ...about, ...amounts, destination, verdict }],
    });
  deepEqual(after("proven"), []);
  deepEqual(after("inconclusive"), ["drill s3/src"]);
  deepEqual(after("proven", "git"), ["drill s3/src"]);
});

Deno.test("what a run did not come to tells nothing, and what is not in the file any more is well", () => {
  const now = new Date(START);
  const failing = update(
    [],
    observe(reportOf(now, { src: "ok", s3: "failed", git: "failed" })),
    now,
  );
  deepEqual(failing.map(({ subject }) => subject), ["stage s3", "stage git"]);
  const later = new Date(START + DAY);
  const again = update(failing, observe(reportOf(later, { s3: "failed", git: "failed" })), later);
  deepEqual(again.map(({ since }) => since), [now, now]);
  const partly = update(failing, observe(reportOf(later, { src: "ok", s3: "skipped" })), later);
  deepEqual(partly.map(({ subject, since }) => [subject, since]), [["stage s3", now]]);
  const dry = observe({ ...reportOf(later, { src: "ok", s3: "ok" }), dryRun: true });
  deepEqual(update(partly, dry, later), partly);
  deepEqual(update(partly, observeError(new Error("x")), later).length, 2);
  deepEqual(update(partly, observe(reportOf(later, { src: "ok", s3: "unchanged" })), later), []);
});

Deno.test("what seems to be lost, a drill that failed and one that is overdue are troubles of their own", () => {
  const now = new Date(START);
  const well = reportOf(now, { src: "ok", s3: "ok" });
  const [snapshot] = well.snapshots as [RunReport["snapshots"][number]];
  const loss = (path: string) => ({ path, what: "memory-gone", before: 9, after: null } as const);
  const suspectOf = (...paths: readonly string[]) => ({
    ...well,
    snapshots: [{
      ...snapshot,
      suspect: { since: "new", good: "old", news: [], shrinkages: paths.map(loss) },
    }],
  });
  const drill = {
    ...{ id: "src", name: "n", destination: "s3", location: "s3", files: 1, bytes: 1, lines: 1 },
    ...{ databases: 0, flaws: [{ path: "a.jsonl", reason: "no JSON" }], unchecked: [], seconds: 1 },
  };
  const unproven = { destination: "s3", id: "src", since: now, proven: undefined, maxUnproven: 1 };
  const first = update(
    [],
    observe({
      ...suspectOf("m/a b.md"),
      drills: [{ ...drill, verdict: "failed" }],
      unproven: [unproven],
    }),
    now,
  );
  deepEqual(first.map(({ subject, message, hint }) => [subject, message, hint]), [
    [
      "loss src/m/a b.md",
      "m/a b.md is gone (9 bytes)",
      "See how it was before: keepsake restore src/old --to restored",
    ],
    ["drill s3/src", "a.jsonl: no JSON", "It is well again when this proves it: keepsake drill s3"],
    [
      "proof s3/src",
      "It is to be proven by a drill, and never was, stored since 2026-01-01",
      "Prove it with keepsake drill s3",
    ],
  ]);
  // One loss more is news, and the one before is not.
  const second = update(first, observe(suspectOf("m/a b.md", "m/c.md")), now);
  deepEqual(newsFor(first, second)?.raised.map(({ subject }) => subject), ["loss src/m/c.md"]);
  // No drill was due: of the one that failed, nobody knows better.
  deepEqual(second.map(({ subject }) => subject).toSorted(), [
    "drill s3/src",
    "loss src/m/a b.md",
    "loss src/m/c.md",
  ]);
  const proven = observe({ ...well, drills: [{ ...drill, verdict: "proven" }] });
  deepEqual(update(second, proven, now), []);
  const about = { pipeline: "p", host: "h", now };
  const { text } = noticeOf(newsFor([], first)!, about);
  ok(text.includes("the drill of src at s3: a.jsonl"), text);
});

Deno.test("snapshots that are gone are news when they become more, and no trouble once nothing goes there", () => {
  const now = new Date(START);
  const later = new Date(START + DAY);
  const well = reportOf(now, { src: "ok", disk: "ok" });
  const [snapshot] = well.snapshots as [RunReport["snapshots"][number]];
  const lost = (missing: { count: number; news: number } | undefined) => ({
    ...well,
    snapshots: [{
      ...snapshot,
      destinations: snapshot.destinations.map((one) => ({ ...one, ...(missing && { missing }) })),
    }],
  });
  const first = update([], observe(lost({ count: 1, news: 1 })), now);
  deepEqual(first.map(({ subject }) => subject), ["store disk/src"]);
  const still = update(first, observe(lost({ count: 1, news: 0 })), later);
  equal(newsFor(first, still), undefined);
  const more = update(first, observe(lost({ count: 40, news: 39 })), later);
  deepEqual(newsFor(first, more)?.raised.map(({ message }) => message), [
    "40 snapshots that were stored there are gone, or their archives are",
  ]);
  equal(newsFor(more, update(more, observe(lost({ count: 39, news: 0 })), later)), undefined);
  const left = (report: RunReport) => update(first, observe(report), later).length;
  // Nobody knows while it does not answer; what has none, goes elsewhere or has other names is well.
  equal(left(lost(undefined)), 1);
  equal(left(lost({ count: 0, news: 0 })), 0);
  const cut = { ...well, snapshots: [{ ...snapshot, destinations: [] }] };
  equal(left(cut), 0);
  equal(left({ ...cut, partial: true }), 1);
  equal(left({ ...reportOf(later, { other: "ok", disk: "ok" }), snapshots: [] }), 0);
});

Deno.test("a pause is one that is long, and longer than usual", () => {
  const daily = [9, 8, 7, 6].map((day) => new Date(START + day * DAY));
  const at = (day: number) => new Date(START + day * DAY);
  equal(pauseBefore(daily, at(15)), undefined);
  deepEqual(pauseBefore(daily, at(16)), at(9));
  equal(pauseBefore([], at(16)), undefined);
  deepEqual(pauseBefore([at(0)], at(7)), at(0));
  const monthly = [90, 60, 30, 0].map(at);
  equal(pauseBefore(monthly, at(121)), undefined);
  deepEqual(pauseBefore(monthly, at(181)), at(90));
  equal(pauseBefore(daily, at(3)), undefined); // A clock that went back.
});

Deno.test("a year of daily runs with failures, leaping clocks and daylight saving: each alert comes once", () => {
  const failsOn = (subject: string, day: number) => FAILS[subject]!(day);
  const expected: string[] = [];
  const seen: string[] = [];
  let open: Trouble[] = [];
  let told: readonly Told[] = [];
  let starts: Date[] = [];
  let failing = new Set<string>();
  for (let day = 0; day < 365; day++) {
    if (isOff(day)) continue;
    const now = clockOn(day);
    const pause = pauseBefore(starts, now);
    starts = [now, ...starts].slice(0, 21);
    const source = failsOn("stage src", day);
    const fate = (id: string): Status =>
      source ? "skipped" : failsOn(`stage ${id}`, day) ? "failed" : day % 3 ? "ok" : "unchanged";
    const statuses = { src: source ? "failed" : "ok", s3: fate("s3"), git: fate("git") } as const;
    const unreadable = failsOn("snapshot src", day) ? 2 : 0;
    const observation = failsOn("run", day)
      ? observeError(new Error("x"))
      : observe(reportOf(now, statuses, { unreadable, pause }));
    open = update(open, observation, now);
    const news = newsFor(told, open);
    if (news !== undefined) {
      seen.push(...news.raised.map(({ subject }) => `${day} ${subject} fails`));
      seen.push(...news.over.map(({ subject }) => `${day} ${subject} is well`));
      ok(noticeOf(news, { pipeline: "p", host: "h", now }).text.length > 0);
    }
    told = open;
    open = open.filter(({ passing }) => !passing);

    // What a person would expect, worked out from the days alone.
    const nowFailing = new Set(Object.keys(FAILS).filter((subject) => failsOn(subject, day)));
    // While the run itself or the source fails, nobody knows of the rest.
    const isBlind = (subject: string) =>
      (nowFailing.has("run") && subject !== "run") ||
      (source && subject !== "stage src" && subject !== "run");
    for (const subject of nowFailing) {
      if (!failing.has(subject) && !isBlind(subject)) expected.push(`${day} ${subject} fails`);
    }
    const next = new Set([...nowFailing].filter((subject) => !isBlind(subject)));
    for (const subject of failing) {
      if (isBlind(subject)) next.add(subject);
      else if (!nowFailing.has(subject)) expected.push(`${day} ${subject} is well`);
    }
    failing = next;
    if (day === 309) expected.push("309 pause fails");
    // The clock leapt ten years ahead, and for whoever goes by it no run began for as long; and it
    // came back from 1970.
    if (day === 120) expected.push("120 pause fails");
    if (day === 251) expected.push("251 pause fails");
  }
  deepEqual(seen.toSorted(), expected.toSorted());
  equal(new Set(seen).size, seen.length);
  equal(seen.filter((line) => line.endsWith("stage s3 fails")).length, 3);
});

Deno.test("looking ahead gives the answer that the runs to come will give", () => {
  const policy: Policy = { daily: 5, monthly: 3, forgetDeleted: true };
  const onlyIn = () => ({ count: 0, example: undefined });
  const at = (day: number) => new Date(START + day * DAY);
  const snapshotOn = (day: number): Candidate => (
    { id: "src", name: nameAfter("", at(day)), created: at(day), state: "whole", verified: false }
  );
  const present = Array.from({ length: 40 }, (_, day) => snapshotOn(day));
  const runs = Array.from({ length: 60 }, (_, index) => at(40 + index));
  const { snapshots, added } = goThrough(present, policy, runs, at(99), onlyIn);
  let kept: readonly Candidate[] = present;
  const gone = new Map<string, Date>();
  for (const [index, now] of runs.entries()) {
    const verdicts = judge([...kept, snapshotOn(40 + index)], policy, { now, onlyIn });
    for (const { snapshot, keep } of verdicts) if (!keep) gone.set(snapshot.name, now);
    kept = verdicts.filter(({ keep }) => keep).map(({ snapshot }) => snapshot);
  }
  const isNow = ({ name }: Candidate) => present.some((one) => one.name === name);
  equal(added, kept.filter((one) => !isNow(one)).length);
  for (const { name, removed, reasons } of snapshots) {
    deepEqual(removed, gone.get(name));
    ok(reasons.length > 0);
  }
  deepEqual(
    snapshots.filter(({ removed }) => removed === undefined).map(({ name }) => name),
    kept.filter(isNow).map(({ name }) => name),
  );
});
