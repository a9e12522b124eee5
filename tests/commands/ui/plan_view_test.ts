import { deepEqual } from "node:assert/strict";
import { renderOutlook, renderPlan } from "../../../commands/ui/plan_view.ts";
import type { Plan, PlannedStage } from "../../../pipeline/plan.ts";

const NOTHING = {
  env: false,
  ffi: false,
  import: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
} as const;

function stageOf(stage: Partial<PlannedStage>): PlannedStage {
  return {
    id: "encrypt",
    use: "encrypt",
    kind: "transform",
    summary: "",
    location: null,
    retention: [],
    secrets: null,
    inputs: [],
    permissions: NOTHING,
    seesPlaintext: false,
    reachesNetwork: false,
    sandboxed: true,
    ...stage,
  };
}

const STAGES = [
  stageOf({
    id: "claude",
    use: "snapshot",
    kind: "source",
    permissions: { ...NOTHING, read: ["/home/u/.claude"] },
    seesPlaintext: true,
  }),
  stageOf({ inputs: ["claude"], seesPlaintext: true }),
  stageOf({
    id: "local",
    use: "local",
    kind: "destination",
    inputs: ["encrypt"],
    location: "/home/u/.local/share/keepsake/backups",
    secrets: "allow",
    permissions: {
      ...NOTHING,
      read: ["/home/u/.local/share/keepsake/backups", "/home/u/.local/state/keepsake/claude/spool"],
      write: ["/home/u/.local/share/keepsake/backups"],
    },
  }),
];

const PLAN: Plan = {
  pipeline: "claude",
  file: "/home/u/.config/keepsake/pipeline.toml",
  state: "/home/u/.local/state/keepsake/claude",
  stages: STAGES,
  messengers: [],
  secondPromise: { holds: true, breaches: [] },
};

Deno.test("a plan shows every stage, what it may touch, and the verdict", async (t) => {
  const view = { home: "/home/u", width: Infinity, deno: undefined };
  await t.assertSnapshot(renderPlan(PLAN, view).join("\n"));
});

Deno.test("a plan adapts to a narrow terminal", async (t) => {
  const view = { home: "/home/u", width: 72, deno: undefined };
  await t.assertSnapshot(renderPlan(PLAN, view).join("\n"));
});

Deno.test("a plan says which stage breaks the second promise, and what has no sandbox", async (t) => {
  const git = stageOf({
    id: "git",
    use: "git",
    kind: "destination",
    inputs: ["claude"],
    location: "https://example.org/x.git",
    permissions: { ...NOTHING, run: ["/usr/bin/git"] },
    seesPlaintext: true,
    reachesNetwork: true,
    sandboxed: false,
  });
  const plan: Plan = {
    ...PLAN,
    stages: [...STAGES, git],
    secondPromise: { holds: false, breaches: ["git sends plaintext off this machine"] },
  };
  const view = { home: "/home/u", width: Infinity, deno: "Deno 2.4.2 is old" };
  await t.assertSnapshot(renderPlan(plan, view).join("\n"));
});

Deno.test("an outlook names every path, and how a run would end", () => {
  const view = { home: "/home/u", width: 80, deno: undefined };
  deepEqual(renderOutlook({ findings: [], status: 0 }, view), []);
  const gone = { stage: "claude", path: "/home/u/a\n", state: "missing", reason: "gone" } as const;
  const made = {
    stage: "usb",
    path: "/mnt/usb",
    state: "new",
    reason: "it does not exist",
  } as const;
  const before = ["", "As things are now:"];
  const line = "  claude  ~/a\\n: gone";
  const end = "A run would end with status 3: there is nothing to back up";
  deepEqual(renderOutlook({ findings: [gone], status: 3 }, view), [...before, line, end]);
  deepEqual(renderOutlook({ findings: [gone, made], status: 2 }, view), [
    ...before,
    line,
    "  usb     /mnt/usb: it does not exist yet: a run makes it",
    "A run would end with status 2: the rest would go on",
  ]);
  const state = { stage: null, path: "/s", state: "blocked", reason: "no" } as const;
  deepEqual(renderOutlook({ findings: [state], status: 3 }, view), [
    ...before,
    "  state  /s: no",
    "A run would end with status 3: it could not begin",
  ]);
  const lost = { ...made, state: "gone", reason: "it held 3 snapshots, and is not there" } as const;
  deepEqual(renderOutlook({ findings: [lost], status: 2 }, view).slice(2, 3), [
    "  usb  /mnt/usb: it held 3 snapshots, and is not there: a run would fail there",
  ]);
  const unread = Array.from({ length: 22 }, (_, index) => (
    { stage: "claude", path: `/${index}`, state: "unreadable", reason: "no" } as const
  ));
  const many = renderOutlook({ findings: [...unread, made], status: 2 }, view);
  deepEqual([many.length, many.at(-2)], [25, "  and 2 more that cannot be read: see --json"]);
});
