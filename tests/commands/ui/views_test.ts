import { deepEqual, equal } from "node:assert/strict";
import { renderForecast } from "../../../commands/ui/forecast_view.ts";
import { renderEntry, renderListing } from "../../../commands/ui/list_view.ts";
import { renderLacking, renderStrays } from "../../../commands/ui/remarks_view.ts";
import { renderActions, renderRestore } from "../../../commands/ui/restore_view.ts";
import { renderFailures, renderVerifications } from "../../../commands/ui/verify_view.ts";

Deno.test("a listing shows what is known of each snapshot", async (t) => {
  const snapshot = {
    id: "claude",
    name: "20260102T030405Z-0123456789ab",
    created: new Date("2026-01-02T03:04:05Z"),
    contentHash: "0123456789ab",
    files: 190,
    bytes: 200e6,
    encrypted: true,
    complete: true,
    suspect: false,
    storedBytes: 20e6,
    destinations: ["local", "usb"],
    torn: [],
  };
  const unread = { ...snapshot, contentHash: null, files: null, bytes: null, encrypted: false };
  const partial = { ...snapshot, complete: false };
  const lines = renderListing([snapshot, unread, partial], Infinity, undefined, 0);
  await t.assertSnapshot(lines.join("\n"));
});

Deno.test("a listing of nothing says so", () => {
  deepEqual(renderListing([], 80), ["There are no snapshots yet"]);
});

Deno.test("an entry is a line, whatever its name", () => {
  const file = { kind: "file", mode: 0o644, mtime: 0, size: 5, sha256: "" } as const;
  equal(
    renderEntry({ ...file, path: "a\n\x1b[2Jb" }, 0),
    "0644       5 B  1970-01-01 00:00  a\\n\\u{1b}[2Jb",
  );
  const link = { kind: "symlink", mode: 0o777, mtime: 0, path: "l", link: "/etc/passwd" } as const;
  equal(renderEntry(link, 0), "0777            1970-01-01 00:00  l -> /etc/passwd");
});

Deno.test("a restore says what came from where to where, and what it left alone", () => {
  const report = {
    id: "claude",
    name: "n",
    host: "desk",
    from: "local",
    targets: ["/home/u/back/.claude"],
    files: 2,
    bytes: 11,
    links: 0,
    compared: false,
    strayLinks: [],
    leftOut: [],
    actions: [
      { path: "a", kind: "file", action: "create" },
      { path: "b", kind: "file", action: "keep" },
      { path: "c", kind: "directory", action: "keep" },
    ],
    unanswered: [],
    setAside: [{
      path: "/home/u/.claude/x.db",
      as: "/home/u/.claude/x.db.before-restore-1",
      why: "database",
    }],
    specialBits: [],
    unreadable: [{ path: "/home/u/.claude/locked", reason: "permission denied" }],
    dryRun: false,
  } as const;
  deepEqual(renderRestore(report, "/home/u", "desk"), [
    "Restored claude/n from local: 2 files, 11 B",
    "  to ~/back/.claude",
    '  kept 1 file that was there already, and not compared: "--overwrite changed" replaces what differs',
    "  set aside the database ~/.claude/x.db and what lies beside it, as x.db.before-restore-1",
    "  not in this snapshot: 1 path that could not be read",
    "    ~/.claude/locked: permission denied",
  ]);
  equal(renderRestore(report, "/home/u", "lap")[1], "  made on desk, which is not this machine");
  deepEqual(renderActions(report.actions), ["create   a"]);
  const special = { ...report, specialBits: ["a", "d"], setAside: [], unreadable: [] };
  deepEqual(renderRestore(special, "/home/u", "desk").slice(3), [
    '  left out the setuid, setgid or sticky bits of 2 paths: "keepsake list --files claude/n --from local" shows them',
  ]);
  const without = { ...special, specialBits: [], leftOut: ["l"] };
  deepEqual(renderRestore(without, "/home/u", "desk").slice(3), [
    "  left out 1 link: the file system there knows no such",
    "    l",
  ]);
  const kept = [
    { path: "b", kind: "file", action: "keep" },
    { path: "l", kind: "symlink", action: "keep" },
  ] as const;
  const linked = {
    ...report,
    ...{
      setAside: [],
      unreadable: [],
      actions: kept,
      compared: true,
      files: 0,
      bytes: 0,
      links: 1,
    },
    strayLinks: [
      { path: "a/x", link: "/gone", leads: "nowhere", content: undefined },
      { path: "a/y", link: "../b/y", leads: "nowhere", content: "y" },
      { path: "a/z", link: "/etc", leads: "out", content: undefined },
    ],
  } as const;
  deepEqual(renderRestore(linked, "/home/u", "desk"), [
    "Restored claude/n from local: 1 link",
    "  to ~/back/.claude",
    "  kept 1 file and 1 link that are the same already",
    "  2 links lead nowhere here:",
    "    a/y -> ../b/y: what it led to is y in this snapshot",
    "    a/x -> /gone",
    "  1 link leads out of what was restored:",
    "    a/z -> /etc",
  ]);
});

Deno.test("a verification names the damaged one and why", () => {
  const one = { id: "claude", name: "n", files: 2, bytes: 11, seconds: 0.2 } as const;
  const report = {
    ok: false,
    status: 4,
    failures: [],
    strays: [],
    verifications: [
      { ...one, destination: "local", status: "ok" },
      {
        ...one,
        destination: "usb",
        status: "damaged",
        failure: { code: "snapshot-damaged", message: "Cannot read it", hint: "Run again" },
      },
    ],
  } as const;
  deepEqual(renderVerifications(report, 80), [
    "RESULT   ID      SNAPSHOT  FILES  SIZE   TOOK  WHERE",
    "ok       claude  n             2  11 B  0.2 s  local",
    "DAMAGED  claude  n             ?     ?  0.2 s  usb",
  ]);
  deepEqual(renderFailures(report), ["Error: claude/n at usb: Cannot read it", "  Run again"]);
  const many = Array.from({ length: 23 }, (_, index) => (
    { ...report.verifications[1], name: `${index}` }
  ));
  const lines = renderFailures({ ...report, verifications: many });
  deepEqual(lines.length, 22);
  deepEqual(lines.slice(-3), [
    "Error: claude/19 at usb: Cannot read it",
    "  Run again",
    "  and 3 more like it: see --json",
  ]);
});

Deno.test("a verification marks what is incomplete, and says once what each snapshot lacks", () => {
  const unreadable = Array.from({ length: 22 }, (_, index) => (
    { path: `/home/u/.claude/${index}`, reason: "permission denied" }
  ));
  const one = { id: "claude", name: "n", files: 2, bytes: 11, seconds: 0.2, status: "ok" } as const;
  const verifications = ["local", "usb"].map((destination) => ({
    ...one,
    destination,
    unreadable,
  }));
  const report = { ok: true, status: 0, failures: [], strays: [], verifications };
  equal(
    renderVerifications(report, 80)[1],
    "ok, incomplete  claude  n             2  11 B  0.2 s  local",
  );
  const lines = renderLacking(verifications, "/home/u");
  deepEqual([lines.length, ...lines.slice(0, 3), lines.at(-1)], [
    23,
    "Note: claude/n is incomplete",
    "  not in this snapshot: 22 paths that could not be read",
    "    ~/.claude/0: permission denied",
    "    and 2 more: see --json",
  ]);
  // A copy that is damaged tells nothing of what the others lack.
  deepEqual(renderLacking([...verifications, one], "/home/u"), lines);
  deepEqual(renderLacking([one], "/"), []);
});

Deno.test("archives without a manifest are named by destination", () => {
  deepEqual(renderStrays([]), []);
  const strays = ["a/1.tar", "a/2.tar"].map((key) => ({ destination: "local", key }));
  deepEqual(renderStrays([...strays, { destination: "usb", key: "a/1.tar" }]), [
    "Note: local holds 2 archives without a manifest, which are no snapshots",
    "    a/1.tar",
    "    a/2.tar",
    "  A run was cut short there, or is storing it now, or its manifest was lost",
    "Note: usb holds 1 archive without a manifest, which is no snapshot",
    "    a/1.tar",
    "  A run was cut short there, or is storing it now, or its manifest was lost",
  ]);
});

Deno.test("a forecast gives every reason in full, however narrow the terminal", () => {
  const reasons = ['beyond keep_within = "30d"', "beyond keep_last = 7, keep_daily = 14"];
  const name = "20260102T030405Z-0123456789ab";
  const [created, removed] = [new Date("2026-01-02"), new Date("2026-02-01")];
  const fate = { id: "claude", name, created, removed, reasons };
  const place = { id: "local", policy: [], snapshots: [fate], added: 0, drills: [] };
  const rest = { runs: 1, isScheduled: true, pauses: [], swept: [] };
  const lines = renderForecast({ at: removed, places: [place], ...rest }, {
    width: 40,
    home: undefined,
  });
  equal(lines.some((line) => line.endsWith(reasons.join("; "))), true, lines.join("\n"));
});
