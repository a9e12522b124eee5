import { deepEqual, equal } from "node:assert/strict";
import { renderPruneFailures, renderPruning, sayRemoved } from "../../../commands/ui/prune_view.ts";
import type { PrunedItem, Pruning } from "../../../pipeline/events.ts";

function item(day: string, rest: Partial<PrunedItem>): PrunedItem {
  return {
    id: "m",
    name: `202611${day}T030405Z-0123456789ab`,
    what: "snapshot",
    created: new Date(0),
    bytes: 1000,
    keep: false,
    removed: false,
    reasons: ["beyond keep_last = 1"],
    ...rest,
  };
}

const PRUNING: Pruning = {
  id: "usb",
  location: "/mnt/usb",
  policy: ["keep_last = 1"],
  removal: "frees",
  items: [
    item("18", { what: "archive", reasons: ["left by a run that was cut short"] }),
    item("19", {}),
    item("20", { keep: true, reasons: ["newest", "last 1 of 1"] }),
  ],
};

const BARE: Pruning = { ...PRUNING, id: "nas", policy: [], items: [] };

function report(dryRun: boolean, ...destinations: readonly Pruning[]) {
  return { ok: true, dryRun, destinations, status: 0 };
}

Deno.test("a dry run gives a reason for every snapshot", () => {
  deepEqual(renderPruning(report(true, PRUNING, BARE), Infinity), [
    "usb: keep_last = 1",
    "        ID  SNAPSHOT                                       SIZE  WHY",
    "remove  m   20261118T030405Z-0123456789ab (archive alone)  1 kB  left by a run that was cut short",
    "remove  m   20261119T030405Z-0123456789ab                  1 kB  beyond keep_last = 1",
    "keep    m   20261120T030405Z-0123456789ab                  1 kB  newest; last 1 of 1",
    "2 snapshots would be removed (2 kB), 1 would stay",
    "",
    "nas: nothing is ever removed, it has no keep_ key",
  ]);
});

Deno.test("what went is named, what stayed is counted, and a history says that it keeps all", () => {
  const items = PRUNING.items.map((one) => ({ ...one, removed: !one.keep }));
  const gone: Pruning = { ...PRUNING, removal: "history", items: items.slice(1) };
  deepEqual(renderPruning(report(false, gone), Infinity), [
    "usb: keep_last = 1",
    "         ID  SNAPSHOT                       SIZE  WHY",
    "removed  m   20261119T030405Z-0123456789ab  1 kB  beyond keep_last = 1",
    "1 snapshot was removed (1 kB, which its history keeps: no room is freed), 1 stays",
  ]);
  const nothing = { ...PRUNING, items: items.slice(2) };
  deepEqual(renderPruning(report(false, nothing), Infinity), [
    "usb: keep_last = 1",
    "Nothing was removed, 1 stays",
  ]);
  equal(sayRemoved(gone, "m"), "removed 1 snapshot past its keep_ keys (its history keeps it)");
  equal(
    sayRemoved({ ...gone, removal: "frees" }, "m"),
    "removed 1 snapshot past its keep_ keys (1 kB)",
  );
  equal(sayRemoved(gone, "m-work"), "");
  const locked: Pruning = { ...gone, removal: "versions" };
  equal(
    renderPruning(report(false, locked), Infinity).at(-1),
    "1 snapshot was removed (1 kB, which its locked versions keep: no room is freed until they are removed as well), 1 stays",
  );
  equal(
    sayRemoved(locked, "m"),
    "removed 1 snapshot past its keep_ keys (its locked versions keep it)",
  );
});

Deno.test("what could not be removed is told with what to do", () => {
  const failure = {
    code: "destination-refused",
    message: "Cannot remove \x1b",
    hint: "Look",
  } as const;
  deepEqual(renderPruneFailures(report(false, { ...PRUNING, failure })), [
    "Error: usb: Cannot remove \\u{1b}",
    "  Look",
  ]);
});
