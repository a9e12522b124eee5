import { equal } from "node:assert/strict";
import { hooksIn, kindOf } from "../../../stages/formats/watched.ts";

Deno.test("files that matter are known by where they stand", () => {
  const cases: Readonly<Record<string, string | undefined>> = {
    ".claude/projects/-home-me/memory/MEMORY.md": "index",
    ".claude/projects/-home-me/memory/tea.md": "memory",
    ".claude/projects/-home-me/memory/a/b.md": "memory",
    "other/agent-memory/reviewer/MEMORY.md": "index",
    ".claude/projects/-home-me/session.jsonl": "log",
    ".claude/projects/-home-me/session/subagents/agent-1.jsonl": "log",
    "conf/history.jsonl": "log",
    "conf/settings.json": "settings",
    "work/.claude/settings.local.json": "settings",
    ".claude/CLAUDE.md": undefined,
    "work/src/settings.json": undefined,
    "work/data/history.jsonl": undefined,
    ".claude/projects/-home-me/notes.txt": undefined,
  };
  for (const [path, kind] of Object.entries(cases)) equal(kindOf(path), kind, path);
});

Deno.test("hooks are counted by event, and what is no settings has none that are known", () => {
  const cases: readonly [text: string | undefined, count: number | undefined][] = [
    ["{}", 0],
    ['{"hooks":{}}', 0],
    ['{"hooks":null}', 0],
    ['{"hooks":{"Stop":[]}}', 0],
    ['{"hooks":{"Stop":[{}],"SessionStart":[{}]}}', 2],
    ['{"hooks":3}', undefined],
    ["[]", undefined],
    ["", undefined],
    ['{"hooks"', undefined],
    [undefined, undefined],
  ];
  for (const [text, count] of cases) equal(hooksIn(text), count, text);
});
