import { deepEqual, equal, match, ok } from "node:assert/strict";
import { renderStatus, type StatusView } from "../../../commands/ui/status_view.ts";
import { widthOf } from "../../../commands/ui/text.ts";
import type { PlaceStatus, Status } from "../../../pipeline/status.ts";
import type { Trouble } from "../../../pipeline/watch/troubles.ts";

const NOW = new Date("2026-11-21T09:00:00Z");
const ago = (hours: number) => new Date(NOW.getTime() - hours * 3_600_000);

const LOCAL: PlaceStatus = {
  destination: "local",
  location: "/mnt/spare",
  snapshot: "claude",
  newest: ago(30),
  confirmed: ago(6),
  count: 14,
  missing: 0,
  bytes: 1_234_567_890,
  placeBytes: undefined,
  proven: ago(80),
  damaged: undefined,
  drillFailed: undefined,
};
const S3: PlaceStatus = {
  ...LOCAL,
  destination: "offsite-bucket-in-another-country",
  newest: ago(100),
  confirmed: ago(100),
  proven: undefined,
};
const WELL: Status = {
  pipeline: "claude",
  file: "/home/u/.config/keepsake/pipeline.toml",
  now: NOW,
  last: { run: 3, started: ago(6), finished: new Date(ago(6).getTime() + 12_000), status: 0 },
  open: undefined,
  pause: undefined,
  places: [LOCAL],
  troubles: [],
  suspicions: [],
  endangered: [],
  unseen: [],
};
const VIEW: StatusView = {
  home: "/home/u",
  width: 80,
  next: { time: ago(-18), scheduler: "systemd" },
  tooOld: [],
  offsetMinutes: 0,
};
const FAILING: Status = {
  ...WELL,
  endangered: [{ path: "/home/u/.claude/projects/-a/1.jsonl", goes: ago(-30), preserved: [] }],
  last: { ...WELL.last!, status: 2 },
  places: [LOCAL, S3],
  troubles: [{
    subject: "stage offsite-bucket-in-another-country",
    since: ago(96),
    message: 'Cannot reach "s3.example": it did not answer in time',
    hint: "Check the network",
    passing: false,
  }],
};

Deno.test("a status is one screen: last and next run, destinations, nothing to do", async (t) => {
  await t.assertSnapshot(renderStatus(WELL, VIEW).join("\n"));
});

Deno.test("a status says what fails, since when, and what to do", async (t) => {
  const view = { ...VIEW, next: undefined, tooOld: [S3] };
  await t.assertSnapshot(renderStatus(FAILING, view).join("\n"));
});

Deno.test("a status sums up what seems to be lost, once a snapshot, and what a drill found", async (t) => {
  const names = ["a.md", "b.md", "c.md", "d.md"];
  const shrinkages = names.map((path) => (
    { path, what: "memory-gone" as const, before: 6, after: null }
  ));
  const since = ago(6);
  const loss = (path: string): Trouble => (
    { subject: `loss claude/${path}`, since, message: "gone", hint: "look", passing: false }
  );
  const drill: Trouble = {
    ...{ subject: "drill local/claude", since, passing: false },
    ...{ message: 'Cannot use "1.jsonl"', hint: "Prove it: keepsake drill local" },
  };
  const suspicion = { id: "claude", since: "20261121T030000Z-0123456789ab", shrinkages };
  const suspected: Status = {
    ...WELL,
    places: [{ ...LOCAL, drillFailed: ago(6) }],
    suspicions: [{ ...suspicion, good: "20261120T030000Z-0123456789ab" }],
    troubles: [...names.map(loss), drill],
  };
  const lines = renderStatus(suspected, VIEW);
  await t.assertSnapshot(lines.join("\n"));
  const unnoted = renderStatus({ ...suspected, troubles: [] }, { ...VIEW, width: Infinity });
  match(unnoted.join("\n"), /claude at local failed 6 hours ago\. See why: keepsake drill local$/m);
});

Deno.test("a status of a machine that was off says so, and one of nothing says how to begin", async (t) => {
  const off = { ...WELL, pause: ago(200), last: { ...WELL.last!, started: ago(200) } };
  const nothing = {
    ...WELL,
    last: undefined,
    places: [{ ...S3, newest: undefined, count: 0, bytes: 0 }],
  };
  const text = [off, nothing].map((status) => renderStatus(status, VIEW).join("\n")).join("\n\n");
  await t.assertSnapshot(text);
});

Deno.test("a status says of what is too old how old that is, also when it is a matter of seconds", () => {
  const place = { ...LOCAL, confirmed: new Date(NOW.getTime() - 4000) };
  const view = { ...VIEW, tooOld: [place], maxAge: "1s" };
  const line = renderStatus({ ...WELL, places: [place] }, view).at(-1);
  equal(line, "  local is too old: checked 4.0 s ago, which is more than 1s. Run keepsake run");
});

Deno.test("a status tells two snapshots of one destination apart that are too old", () => {
  const places = [LOCAL, { ...LOCAL, snapshot: "notes" }];
  const lines = renderStatus({ ...WELL, places }, {
    ...VIEW,
    ...{ width: Infinity, tooOld: places, maxAge: "1h" },
  });
  deepEqual(lines.slice(-2).map((line) => line.split(":")[0]), [
    "  claude in local is too old",
    "  notes in local is too old",
  ]);
});

Deno.test("a status says what to do after a run that was stopped", () => {
  const failure = {
    ...{ code: "interrupted" as const, hint: undefined },
    message: "Stopped by SIGINT before the end",
  };
  const last = { ...WELL.last!, status: 130, failure };
  equal(
    renderStatus({ ...WELL, last }, { ...VIEW, width: Infinity }).at(-1),
    "  The last run ended: Stopped by SIGINT before the end. Make its backup: keepsake run",
  );
});

Deno.test("a status fits the terminal, and moves no cursor", () => {
  const hostile = { ...FAILING, troubles: [{ ...FAILING.troubles[0]!, message: "\x1b[2J\nok" }] };
  for (const width of [80, 100, Infinity]) {
    const lines = renderStatus(hostile, { ...VIEW, width });
    for (const line of lines) {
      ok(widthOf(line) <= width, line);
      equal(/\p{Cc}/u.test(line), false);
    }
  }
});

Deno.test("a status says what a destination was given and has no more", () => {
  const lines = renderStatus({ ...WELL, places: [{ ...LOCAL, missing: 2 }] }, VIEW).join("\n");
  ok(lines.includes("2 snapshots of claude were stored in local, and are there no more:"));
});

Deno.test("a status says which copy is damaged, what to do, and nothing of an older proof", () => {
  const name = "20261120T030000Z-0123456789ab";
  const places = [{ ...LOCAL, damaged: { name, found: ago(2) } }];
  const lines = renderStatus({ ...WELL, places }, { ...VIEW, width: Infinity }).join("\n");
  match(lines, /^Last run: .*: well, in 12 s, but a copy is damaged$/m);
  match(lines, /^local .* DAMAGED 2 hours ago$/m);
  match(
    lines,
    /^ {2}claude\/20261120T030000Z-0123456789ab in local was found damaged 2 hours ago: have a good copy made with keepsake run$/m,
  );
});

Deno.test("a status says that runs were cut off, also where none has ever come to an end", () => {
  const message = "The last 3 runs were cut off: they began and told of no end";
  const cut: Trouble = { subject: "ending", since: ago(3), message, hint: "Look", passing: false };
  const view = { ...VIEW, width: Infinity };
  const lines = renderStatus({ ...WELL, troubles: [cut] }, view).join("\n");
  match(lines, /^Last run: .* 6 hours ago: well, and those after it were cut off$/m);
  match(
    lines,
    /^ {2}the end of the run, failing since .*: The last 3 runs were cut off: .*\. Look$/m,
  );
  const places = [{ ...LOCAL, newest: undefined }];
  const never = renderStatus({ ...WELL, last: undefined, places, troubles: [cut] }, view);
  match(never.at(-2)!, /The last 3 runs were cut off/);
  equal(never.at(-1), "  Make the first backup: keepsake run");
  // Somebody ended the one after them.
  const last = { ...WELL.last!, started: ago(2), status: 130 };
  const stopped = renderStatus({ ...WELL, last, troubles: [cut] }, view).join("\n");
  match(stopped, /^Last run: .*: ended with status 130 after /m);
});

Deno.test("a repository's size is told with its history, once", () => {
  const git: PlaceStatus = { ...S3, destination: "git", placeBytes: 5_000_000 };
  const lines = renderStatus(
    { ...WELL, places: [LOCAL, git, { ...git, snapshot: "work" }] },
    VIEW,
  );
  const told = lines.filter((line) => line.includes("in all"));
  deepEqual(told, ["git takes up 5 MB in all, with its history"]);
});

Deno.test("a status says of a run that has not ended what can be told", () => {
  const said = (isAtWork: boolean | undefined) => {
    const open = { since: ago(2), process: 42, isAtWork };
    return renderStatus({ ...WELL, open }, VIEW).join("\n");
  };
  match(said(true), /^At work: {2}a run that began 2026-11-21 07:00, 2 hours ago, in process 42$/m);
  match(said(true), /there is nothing to do$/);
  match(said(false), /^Cut off: {2}a run that began 2026-11-21 07:00, 2 hours ago$/m);
  match(said(false), /^ {2}The last run was cut off\. Make its backup: keepsake run$/m);
  match(said(undefined), /^Not over: a run that began .*, 2 hours ago: at work, or cut off$/m);
  match(said(undefined), /there is nothing to do$/);
});
