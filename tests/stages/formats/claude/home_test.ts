import assert from "node:assert/strict";
import {
  claudeFolderKind,
  claudeFoldersAbove,
  claudeFoldersBelow,
  isUnknown,
  reasonToLeaveOut,
} from "../../../../stages/formats/claude/home.ts";

const TAKE_LITTLE = { include_secrets: false, include_caches: false };

function reasonFor(
  path: string,
  choice: Partial<typeof TAKE_LITTLE> = {},
  kind: "home" | "project" = "home",
): string | undefined {
  return reasonToLeaveOut([{ kind, path }], { ...TAKE_LITTLE, ...choice });
}

const SECRETS = {
  ".credentials.json": "holds credentials",
  "ide/4711.lock": "holds an access token",
  "channels/telegram/.env": "holds credentials",
  "session-env": "may hold credentials",
  "shell-snapshots": "may hold credentials",
  "backups": "may hold credentials",
  ".claude.json.backup.1767225600000": "may hold credentials",
  ".config.json.bak": "may hold credentials",
  "skills/x/.claude.json.bak": "may hold credentials",
};

const CACHES = [
  "cache",
  "daemon",
  "daemon.log",
  "debug",
  "statsig",
  "todos",
  "logs",
  "sessions",
  "jobs",
  "image-cache",
  "feedback-bundles",
  "remote-settings.json",
  "policy-limits.json",
  ".last-cleanup",
  "local",
  "plugins/cache",
  "skills/synced",
  "skills/.trash",
  "projects/claude-code-log-cache.db",
  "projects/claude-code-log-cache.db-wal",
];

const PRECIOUS = [
  "",
  "CLAUDE.md",
  "settings.json",
  "settings.local.json",
  "history.jsonl",
  "keybindings.json",
  "stats-cache.json",
  "ide",
  "channels/telegram",
  "channels/telegram/notes.md",
  "plans",
  "plugins",
  "plugins/data",
  "plugins/known_marketplaces.json",
  "skills",
  "skills/mine",
  "skills/mine/cache",
  "projects/-home-me-cache",
  "projects/-home-me/4f1c.jsonl",
  "projects/-home-me/memory/MEMORY.md",
  "projects/-home-me/sessions",
  "projects/-home-me/logs",
  "agents/.credentials.json.md",
  "commands/backups",
];

Deno.test("what holds secrets in Claude Code's folder is left out, whatever else is asked for", () => {
  for (const [path, reason] of Object.entries(SECRETS)) {
    assert.equal(reasonFor(path), reason, path);
    assert.equal(reasonFor(path, { include_caches: true }), reason, path);
    if (path !== "backups") assert.equal(reasonFor(path, {}, "project"), reason, path);
    assert.equal(reasonFor(path, { include_secrets: true }), undefined, path);
  }
  // A project's own may be backups of anything.
  assert.equal(reasonFor("backups", {}, "project"), undefined);
});

Deno.test("caches and machine state in Claude Code's folder are left out unless asked for", () => {
  for (const path of CACHES) {
    assert.equal(reasonFor(path), "a cache or state of this machine", path);
    assert.equal(reasonFor(path, { include_caches: true }), undefined, path);
  }
});

Deno.test("a project's own folder of that name keeps what is called like a cache", () => {
  for (const path of CACHES) assert.equal(reasonFor(path, {}, "project"), undefined, path);
});

Deno.test("everything else in Claude Code's folder is taken", () => {
  for (const path of PRECIOUS) assert.equal(reasonFor(path), undefined, path);
});

Deno.test("nothing that is carried or left out for a reason is unknown, and all else is", () => {
  const id = "8b0c5c0e-4b0e-4d6c-9f0a-0123456789ab";
  const known = [
    ...PRECIOUS.filter((path) => !/^agents|cache$|sessions$|logs$/.test(path)),
    `projects/-home-me/${id}/subagents`,
    `projects/-home-me/${id}/tool-results`,
    "hooks/own/anything",
    "plugins/anything/at/all",
    "statusline.sh",
    ".claude.json",
    ".config.json",
  ];
  for (const path of known) assert.ok(!isUnknown(path, /\.\w+$/.test(path)), path);
  assert.ok(!isUnknown(`projects/-home-me/${id}`, false));
  assert.ok(!isUnknown("projects/-home-me/memory", false));
  const unknown = [
    "novelty",
    "projects/stray.txt",
    "projects/-home-me/notes.txt",
    `projects/-home-me/${id}/novelty`,
    "ide/other",
  ];
  for (const path of unknown) assert.ok(isUnknown(path, true), path);
  // What is below it is told with it.
  assert.ok(!isUnknown("novelty/below", true));
});

Deno.test("Claude Code's folder is known by its name or by what is in it", () => {
  let projects = ["-home-me-code"];
  const kind = (name: string, ...names: string[]) =>
    claudeFolderKind(name, (n) => names.includes(n), () => projects);
  assert.equal(kind(".claude", "projects"), "home");
  assert.equal(kind("claude-work", "projects", "settings.json"), "home");
  assert.equal(kind("claude-work", "projects", "history.jsonl"), "home");
  assert.equal(kind("claude-work", "projects", ".credentials.json"), "home");
  assert.equal(kind(".claude", "settings.json", "logs"), "project");
  assert.equal(kind("code", "projects"), undefined);
  assert.equal(kind("code", "settings.json"), undefined);
  projects = ["C--Users-me"];
  assert.equal(kind("claude-work", "projects", "settings.json"), "home");
  projects = ["alpha", "beta.txt"];
  assert.equal(kind("planner", "projects", "settings.json", "history.jsonl"), undefined);
  assert.equal(kind("planner", "projects", ".credentials.json"), "project");
  assert.equal(kind(".claude", "projects"), "home");
  assert.equal(kind(".claude-work", "projects", "settings.json"), "home");
});

Deno.test("a path is seen from every folder of Claude Code's above it", () => {
  assert.deepEqual(claudeFoldersAbove("/home/me/code"), []);
  assert.deepEqual(claudeFoldersAbove("/home/me/.claude"), []);
  assert.deepEqual(claudeFoldersAbove("/home/me/.claude/ide/1.lock"), [
    { kind: "home", path: "ide/1.lock" },
  ]);
  const below = claudeFoldersBelow(
    [{ kind: "home", path: "agents" }, { kind: "project", path: "" }],
    ".credentials.json",
  );
  assert.equal(below[0]?.path, "agents/.credentials.json");
  assert.equal(reasonToLeaveOut(below, TAKE_LITTLE), "holds credentials");
});
