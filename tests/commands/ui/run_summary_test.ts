import { equal, match } from "node:assert/strict";
import { renderRun } from "../../../commands/ui/run_summary.ts";
import type { RunReport, SnapshotReport } from "../../../pipeline/events.ts";

const SNAPSHOT: SnapshotReport = {
  id: "claude",
  name: "20260102T030405Z-0123456789ab",
  contentHash: "0123456789ab",
  files: 190,
  bytes: 200_000_000,
  changes: { added: 2, changed: 1, removed: 0 },
  unreadable: [],
  skipped: [],
  notes: [],
  destinations: [
    { id: "local", status: "ok", location: "/home/u/backups", message: "20 MB" },
  ],
};

function reportOf(snapshot: Partial<SnapshotReport>, more: Partial<RunReport> = {}): RunReport {
  return {
    ok: true,
    run: 7,
    dryRun: false,
    started: new Date("2026-01-02T03:04:05Z"),
    finished: new Date("2026-01-02T03:04:06.200Z"),
    stages: [],
    snapshots: [{ ...SNAPSHOT, ...snapshot }],
    status: 0,
    ...more,
  };
}

function render(report: RunReport): string {
  return renderRun(report, "/home/u").join("\n");
}

Deno.test("a summary says what changed, how much, how long and where", async (t) => {
  await t.assertSnapshot(render(reportOf({})));
});

Deno.test("a summary of an unchanged run says so", async (t) => {
  const destinations = [
    { id: "local", status: "unchanged", location: "/home/u/backups", message: "holds it already" },
  ] as const;
  await t.assertSnapshot(render(reportOf({ name: null, changes: undefined, destinations })));
});

Deno.test("a summary of a dry run says that nothing was stored", async (t) => {
  const destinations = [
    { id: "local", status: "skipped", location: null, message: "a dry run" },
  ] as const;
  await t.assertSnapshot(render(reportOf({ name: null, destinations }, { dryRun: true })));
});

Deno.test("a summary names every failure with its hint", async (t) => {
  const message = 'Cannot store "/mnt/usb/x": the disk is full';
  const failure = { code: "storage-full", message, hint: "Free some space there" } as const;
  const report = reportOf({
    destinations: [
      ...SNAPSHOT.destinations,
      { id: "usb", status: "failed", location: null, message, failure },
    ],
  }, {
    ok: false,
    status: 2,
    stages: [
      { id: "usb", use: "local", status: "failed", message, seconds: 1, failure },
      { id: "digest", use: "digest", status: "failed", message: "no room", seconds: 1, failure },
    ],
  });
  await t.assertSnapshot(render(report));
});

Deno.test("a summary names twenty paths that could not be read, and counts the rest", () => {
  const unreadable = Array.from({ length: 23 }, (_, index) => (
    { path: `/home/u/.claude/${index}\x1b[2J`, reason: "permission denied" }
  ));
  const text = render(reportOf({ unreadable }, { ok: false, status: 2 }));
  match(text, /could not read 23 paths:/);
  match(text, /\/19\\u\{1b\}\[2J: permission denied\n {4}and 3 more: see --json\n/);
  equal(text.includes("\x1b"), false);
  match(text, /Not everything is safe/);
});

Deno.test("a summary mentions what was left out and what is worth a look", async (t) => {
  const remark = (path: string, reason: string) => ({ path, reason });
  await t.assertSnapshot(render(reportOf({
    skipped: [remark("/home/u/.claude/ide/1.lock", "holds a secret")],
    notes: [remark("/home/u/.claude/out", 'a link to "/etc/passwd"')],
  })));
});
