import { equal } from "node:assert/strict";
import { isDrillDue, isOverdue } from "../../pipeline/proofs.ts";

const DAY = 86_400_000;
const now = new Date("2026-06-15T12:00:00Z");
const ago = (days: number) => new Date(now.getTime() - days * DAY);

Deno.test("a drill is due when the last one is older than it may be, or was never", () => {
  const cases: readonly [drilled: Date | undefined, due: boolean][] = [
    [undefined, true],
    [ago(0), false],
    [ago(7), false],
    [ago(7.01), true],
    [ago(-0.5), false], // Clocks differ.
    [ago(-400), true], // Noted by a clock that was wrong.
  ];
  for (const [drilled, due] of cases) {
    equal(isDrillDue({ drilled }, 7 * DAY, now), due, `${drilled}`);
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
