import { deepEqual, equal } from "node:assert/strict";
import { isDrillDue, isOverdue } from "../../../pipeline/catalog/proofs.ts";

const DAY = 86_400_000;
const now = new Date("2026-06-15T12:00:00Z");
const ago = (days: number) => new Date(now.getTime() - days * DAY);

Deno.test("a drill is due when the last one is older than it may be, or was never", () => {
  const cases: readonly [drilled: Date | undefined, due: boolean][] = [
    [undefined, true],
    [ago(0), false],
    [ago(6.9), false],
    [ago(7), true], // It was noted some time after it began.
    [ago(-0.5), false], // Clocks differ.
    [ago(-400), true], // Noted by a clock that was wrong.
  ];
  for (const [drilled, due] of cases) {
    equal(isDrillDue({ drilled }, 7 * DAY, now, 0), due, `${drilled}`);
  }
});

Deno.test("drills come as often as they are meant to, however long each takes to be noted", () => {
  const cases: readonly [every: number, gap: number, drills: readonly number[]][] = [
    [7, 1, [0, 7, 14, 21, 28]],
    [1, 1, [0, 1, 2, 3, 4]],
    [30, 1, [0, 30, 60]],
    [7, 7, [0, 7, 14]],
    [7, 3, [0, 6, 12]], // Nearer than nine.
    [1, 7, [0, 7, 14]],
    [7, 1 / 24, [0, 7, 14]],
  ];
  for (const [every, gap, expected] of cases) {
    const drills: number[] = [];
    let drilled: Date | undefined;
    for (let run = 0; drills.length < expected.length; run++) {
      // Nights are not equally busy.
      const minutes = gap < 1 ? 0 : run * 7 % 20;
      const began = new Date(now.getTime() + run * gap * DAY + minutes * 60_000);
      if (!isDrillDue({ drilled }, every * DAY, began, gap * DAY)) continue;
      drills.push(Math.round(run * gap));
      drilled = new Date(began.getTime() + 20 * 60_000);
    }
    deepEqual(drills, expected, `every ${every} with runs each ${gap}`);
  }
});

Deno.test("what was never proven is overdue by when it was first stored", () => {
  const cases: readonly [since: Date, proven: Date | undefined, overdue: boolean][] = [
    [ago(100), ago(1), false],
    [ago(100), ago(15), true],
    [ago(100), undefined, true],
    [ago(13), undefined, false],
    [ago(100), ago(-400), true],
    [ago(-400), ago(1), false],
  ];
  for (const [since, proven, overdue] of cases) {
    equal(isOverdue({ since, proven }, 14 * DAY, now), overdue, `${since} ${proven}`);
  }
});
