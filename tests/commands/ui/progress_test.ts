import { equal, ok } from "node:assert/strict";
import { advance, IDLE, type Progress, renderProgress } from "../../../commands/ui/progress.ts";
import { PLAIN } from "../../../commands/ui/style.ts";
import { widthOf } from "../../../commands/ui/text.ts";
import type { Event } from "../../../pipeline/events.ts";

function after(...events: readonly (readonly [number, Event])[]): Progress {
  return events.reduce((progress, [now, event]) => advance(progress, event, now), IDLE);
}

const HALFWAY = after(
  [0, { type: "stage-started", stage: "claude" }],
  [0, { type: "stage-started", stage: "local" }],
  [2000, { type: "stage-progress", stage: "claude", done: 100e6, total: 200e6 }],
);

Deno.test("progress shows who is at work, how far, how much and how fast", () => {
  equal(
    renderProgress(HALFWAY, 2000, 70, PLAIN),
    "claude, local [================                ]  50%  100 MB  50 MB/s",
  );
});

Deno.test("progress does without a bar, then without its middle, as the terminal narrows", () => {
  equal(renderProgress(HALFWAY, 2000, 40, PLAIN), "claude, local  50%  100 MB  50 MB/s");
  for (let width = 1; width < 120; width++) {
    ok(widthOf(renderProgress(HALFWAY, 2000, width, PLAIN)) <= width);
  }
});

Deno.test("progress without a total counts bytes", () => {
  const progress = after([0, { type: "stage-progress", stage: "a", done: 5e3, total: undefined }]);
  equal(renderProgress(progress, 100, 80, PLAIN), "a  5 kB");
});

Deno.test("progress never shows more than all, nor divides by nothing", () => {
  const more = after([0, { type: "stage-progress", stage: "a", done: 300, total: 200 }]);
  ok(renderProgress(more, 0, 80, PLAIN).includes("100%"));
  const none = after([0, { type: "stage-progress", stage: "a", done: 0, total: 0 }]);
  equal(renderProgress(none, 0, 80, PLAIN), "a");
});

Deno.test("progress is empty when nothing is at work", () => {
  const report = { id: "a", use: "local", status: "ok", message: "done", seconds: 1 } as const;
  const progress = after(
    [0, { type: "stage-started", stage: "a" }],
    [1, { type: "stage-finished", report }],
  );
  equal(renderProgress(progress, 2, 80, PLAIN), "");
});
