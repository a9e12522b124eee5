import assert from "node:assert/strict";
import { judge, renderBars, renderTable, type Row } from "../../bench/table.ts";

Deno.test("the table shows medians, ranges and ratios against pipe", () => {
  assert.equal(
    renderTable([
      row("keepsake", "first", [0.5, 0.3, 0.4], {
        cpuSeconds: [0.7],
        peakBytes: [90e6],
        storedBytes: 32.44e6,
      }),
      row("pipe", "first", [0.2, 0.2, 0.4]),
    ]),
    [
      "first run           median           range   × pipe       cpu   peak MB  stored MB",
      "  keepsake          0.40 s    0.30 to 0.50     2.00    0.70 s        90       32.4",
      "  pipe              0.20 s    0.20 to 0.40     1.00",
      "",
    ].join("\n"),
  );
});

Deno.test("the table names a peer that was not measured, and why", () => {
  const text = renderTable([row("borg", "verify", [], { absent: "not installed" })]);
  assert.match(text, /^ {2}borg +– {3}not installed$/m);
});

Deno.test("a goal is reached at its limit and not above it", () => {
  const rows = [row("keepsake", "first", [1.15]), row("pipe", "first", [1])];
  assert.equal(judge(rows, false)[0]?.reached, true);
  assert.equal(judge(rows, true)[0]?.reached, false);
  assert.match(
    renderBars(judge(rows, true)),
    /first run: at most 1\.05 × pipe +1\.15 {2}not reached/,
  );
});

Deno.test("a goal for something that was not measured is neither reached nor missed", () => {
  for (const bar of judge([row("keepsake", "first", [])], false)) {
    assert.equal(bar.reached, undefined);
  }
});

function row(
  peer: string,
  operation: Row["operation"],
  seconds: readonly number[],
  more: Partial<Row> = {},
): Row {
  return {
    peer,
    operation,
    seconds,
    cpuSeconds: [],
    peakBytes: [],
    storedBytes: undefined,
    absent: undefined,
    ...more,
  };
}
