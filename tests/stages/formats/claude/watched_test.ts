import { deepEqual, equal } from "node:assert/strict";
import { findClaude } from "../../../../stages/formats/claude/sources.ts";
import { hooksIn, Kinds } from "../../../../stages/formats/claude/watched.ts";
import { archiveOf, selectionOf, SourceTree } from "../snapshot/source_tree.ts";

Deno.test("files that matter are known by where they stand", () => {
  const roots = [".claude", "other", "conf", "work", "wa/notes", "me/.claude"]
    .map((name) => ({ name, path: `/home/${name}`, real: `/home/${name}` }));
  roots.push({ name: "memory", path: "/link", real: "/home/.claude/projects/-home-me/memory" });
  const kinds = new Kinds(roots, [
    { path: "/home/work/tea", way: "projects/*/memory" },
    { path: "/home/work/own", way: "" },
    { path: "/elsewhere", way: "" },
  ]);
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
    "me/.claude/history.jsonl": "log",
    "wa/notes/MEMORY.md": "index",
    "wa/notes/settings.json": "settings",
    "wa/notes/history.jsonl": "log",
    "wa/notes/tea.md": undefined,
    "memory/tea.md": "memory",
    "work/tea/green.md": "memory",
    "work/tea/MEMORY.md": "index",
    "work/own/history.jsonl": "log",
    "work/own/src/history.jsonl": undefined,
    ".claude/CLAUDE.md": undefined,
    "work/src/settings.json": undefined,
    "work/src/MEMORY.md": undefined,
    "work/data/history.jsonl": undefined,
    ".claude/projects/-home-me/notes.txt": undefined,
  };
  for (const [path, kind] of Object.entries(cases)) equal(kinds.of(path), kind, path);
});

Deno.test({
  name: "what settings or links have lie elsewhere is watched as what it is, wherever it lies",
  ignore: Deno.build.os === "windows",
  async fn() {
    using tree = new SourceTree({
      "home/.claude/projects/-p/1.jsonl": "{}\n",
      "home/.claude/agents/one.md": "# One\n",
      "home/notes/memory/MEMORY.md": "# Memory\n",
      "home/notes/memory/people.md": "Ada\n",
      "home/notes/shopping.md": "tea\n",
      "dotfiles/claude.json": '{"autoMemoryDirectory":"~/notes/memory"}',
      "disk/project/2.jsonl": "{}\n",
      "disk/project/notes.txt": "x",
      "disk/agents/reviewer/MEMORY.md": "# Reviews\n",
    });
    tree.link("home/.claude/settings.json", "../../dotfiles/claude.json");
    tree.link("home/.claude/projects/-q", "../../../disk/project");
    tree.link("home/.claude/agent-memory", "../../disk/agents");
    const home = tree.at("home");
    const { paths, places } = await findClaude({
      ...{ environment: {}, home, directory: home, named: [] },
    });
    for (const more of [[], [tree.at("home/notes")]]) {
      const selection = selectionOf([...more, ...paths], { places });
      const { watched = [], roots } = await archiveOf(selection);
      const found = Object.fromEntries(watched.map(({ path, kind }) => [path, kind]));
      const notes = roots.some(({ name }) => name === "notes") ? "notes/memory" : "memory";
      deepEqual(found, {
        ".claude/projects/-p/1.jsonl": "log",
        "agents/reviewer/MEMORY.md": "index",
        "claude.json": "settings",
        [`${notes}/MEMORY.md`]: "index",
        [`${notes}/people.md`]: "memory",
        "project/2.jsonl": "log",
      });
    }
  },
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
