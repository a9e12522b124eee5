import assert from "node:assert/strict";
import { findClaude, type Machine } from "../../../../stages/formats/claude/sources.ts";
import { SourceTree } from "../snapshot/source_tree.ts";

const onPosix = Deno.build.os !== "windows";

/** A home directory with a folder of Claude Code's that has been in use. */
function homeWith(files: Readonly<Record<string, string>> = {}): SourceTree {
  return new SourceTree({
    "home/.claude/projects/-home-me/1.jsonl": "{}\n",
    "home/.claude/settings.json": "{}",
    ...files,
  });
}

/** What is found, with paths relative to the tree. */
async function find(tree: SourceTree, changes: Partial<Machine> = {}) {
  const machine = {
    environment: {},
    home: tree.at("home"),
    directory: tree.at("home"),
    named: [],
    ...changes,
  };
  const { wanted, homes, paths, databases, doubts, notes } = await findClaude(machine);
  assert.ok(wanted);
  const ways = (list: readonly string[]) => list.map((path) => path.slice(tree.path.length + 1));
  return {
    homes: ways(homes),
    paths: ways(paths),
    databases: ways(databases),
    doubts: doubts.map(({ path, reason }) => `${ways([path])[0]}: ${reason}`),
    notes: notes.map(({ path, reason }) => `${ways([path])[0]}: ${reason}`),
  };
}

Deno.test("Claude Code's folder and the file of its state beside it are found", async () => {
  using tree = homeWith({ "home/.claude.json": '{"mcpServers":{}}' });
  assert.deepEqual(await find(tree), {
    homes: ["home/.claude"],
    paths: ["home/.claude", "home/.claude.json"],
    databases: [],
    doubts: [],
    notes: [],
  });
});

Deno.test({
  name: "the file of its state is taken under its own name alone, also when it is a link",
  ignore: !onPosix,
  async fn() {
    using tree = homeWith({ "dotfiles/state.json": '{"mcpServers":{}}' });
    tree.link("home/.claude/.claude.json", "../../dotfiles/state.json");
    tree.link("home/.claude/.config.json", "../../dotfiles/state.json");
    const { paths } = await find(tree);
    const files = ["home/.claude/.claude.json", "home/.claude/.config.json"];
    assert.deepEqual(paths, ["home/.claude", ...files]);
  },
});

Deno.test("a folder that is not there yet is looked for all the same, and nothing else is", async () => {
  using tree = new SourceTree({ "home/": "" });
  assert.deepEqual((await find(tree)).paths, ["home/.claude"]);
  const environment = { CLAUDE_CONFIG_DIR: tree.at("moved") };
  assert.deepEqual((await find(tree, { environment })).paths, ["moved"]);
  assert.deepEqual((await find(tree, { home: undefined })).homes, []);
});

Deno.test("its usual places are known where nothing is there", async () => {
  using tree = new SourceTree({ "home/": "" });
  const usual = async (environment = {}) => {
    const machine = { environment, home: tree.at("home"), directory: "/", named: [] };
    const { usual } = await findClaude(machine);
    return usual.map((path) => path.slice(tree.path.length + 1));
  };
  const own = [
    ...["home/.claude", "home/.claude/.claude.json", "home/.claude/.config.json"],
    ...["home/.claude.json", "home/.claude-mem/claude-mem.db"],
  ];
  assert.deepEqual(await usual(), own);
  assert.deepEqual(await usual({ CLAUDE_CONFIG_DIR: tree.at("moved") }), [
    ...["moved", "moved/.claude.json", "moved/.config.json"],
    ...own,
  ]);
});

Deno.test("CLAUDE_CONFIG_DIR moves the folder with the file of its state; the old one is kept", async () => {
  using tree = homeWith({
    "elsewhere/projects/p/1.jsonl": "{}\n",
    "elsewhere/.claude.json": "{}",
    "home/.claude.json": "{}",
  });
  const environment = { CLAUDE_CONFIG_DIR: tree.at("elsewhere") };
  assert.deepEqual(await find(tree, { environment }), {
    homes: ["elsewhere", "home/.claude"],
    paths: [
      "elsewhere",
      "elsewhere/.claude.json",
      "home/.claude",
      "home/.claude.json",
    ],
    databases: [],
    doubts: [],
    notes: [],
  });
});

Deno.test("several accounts have a folder each, and a folder that is named counts as one", async () => {
  using tree = homeWith({
    "home/.claude-work/projects/p/1.jsonl": "{}\n",
    "home/.claude-work/history.jsonl": "{}\n",
    "home/.claude-backup/notes.txt": "no folder of Claude Code's",
    "data/claude/projects/-p/1.jsonl": "{}\n",
    "data/claude/settings.json": '{"plansDirectory":"~/plans"}',
    "home/plans/1.md": "plan",
  });
  const named = [tree.at("data/claude"), tree.at("home/plans")];
  const { homes, paths } = await find(tree, { named });
  assert.deepEqual(homes, ["data/claude", "home/.claude", "home/.claude-work"]);
  assert.ok(paths.includes("home/plans"));
});

Deno.test("a folder that was moved needs no other one", async () => {
  using tree = new SourceTree({
    "home/": "",
    "data/claude/projects/-p/1.jsonl": "{}\n",
    "data/claude/settings.json": "{}",
  });
  assert.deepEqual((await find(tree, { named: [tree.at("data/claude")] })).homes, ["data/claude"]);
});

Deno.test("directories that settings name are found, of whatever scope a person writes", async () => {
  using tree = homeWith({
    "home/.claude/settings.json": '\ufeff{"autoMemoryDirectory":"~/memory"}',
    "home/.claude/settings.local.json": JSON.stringify({ plansDirectory: "docs/plans" }),
    "home/memory/MEMORY.md": "# Memory\n",
    "home/code/docs/plans/1.md": "plan",
    "home/other/.claude/settings.json": '{"plansDirectory":"./my-plans"}',
    "home/other/my-plans/2.md": "plan",
  });
  const projects = { [tree.at("home/code")]: {}, [tree.at("home/other")]: {}, "/gone": {} };
  tree.write("home/.claude.json", JSON.stringify({ projects }));
  const { paths, doubts } = await find(tree);
  assert.deepEqual(paths, [
    "home/.claude",
    "home/.claude.json",
    "home/memory",
    "home/code/docs/plans",
    "home/other/my-plans",
  ]);
  assert.deepEqual(doubts, []);
});

Deno.test("a project's settings take nothing from outside of the project", async () => {
  using tree = homeWith({ "home/.ssh/id_ed25519": "canary", "home/code/a": "" });
  const projects = { [tree.at("home/code")]: {} };
  tree.write("home/.claude.json", JSON.stringify({ projects }));
  for (const written of ["~/.ssh", "../.ssh", tree.at("home/.ssh"), ".", "link"]) {
    if (onPosix && written === "link") tree.link("home/code/link", "../.ssh");
    const settings = { plansDirectory: written, autoMemoryDirectory: tree.at("home/.ssh") };
    tree.write("home/code/.claude/settings.json", JSON.stringify(settings));
    const { paths, doubts, notes } = await find(tree);
    assert.deepEqual(paths, ["home/.claude", "home/.claude.json"], written);
    assert.deepEqual(doubts, []);
    assert.deepEqual(notes, [
      `home/code/.claude/settings.json: it names "${written}", outside of its project`,
    ]);
  }
});

Deno.test({
  name: "a link that comes with a project leads nowhere that a person's settings did not name",
  ignore: !onPosix,
  async fn() {
    using tree = homeWith({
      "home/.claude/settings.json": '{"plansDirectory":"./plans"}',
      "home/.ssh/id_ed25519": "canary",
      "home/own/docs/1.md": "plan",
    });
    const projects = ["cloned", "own"];
    for (const name of projects) Deno.mkdirSync(tree.at(`home/${name}`), { recursive: true });
    tree.link("home/cloned/plans", "../.ssh");
    tree.link("home/own/plans", "docs");
    const known = Object.fromEntries(projects.map((name) => [tree.at(`home/${name}`), {}]));
    tree.write("home/.claude.json", JSON.stringify({ projects: known }));
    const { paths, doubts, notes } = await find(tree);
    assert.deepEqual(paths, ["home/.claude", "home/.claude.json", "home/own/plans"]);
    assert.deepEqual(doubts, []);
    assert.deepEqual(notes, ["home/cloned/plans: a link leads from there out of its project"]);
    tree.write("home/.claude/settings.json", '{"plansDirectory":"../plans"}');
    tree.write("home/plans/1.md", "plan");
    assert.ok((await find(tree)).paths.includes("home/plans"));
  },
});

Deno.test({
  name: "what instructions, skills and memory are links to is found",
  ignore: !onPosix,
  async fn() {
    using tree = homeWith({
      "dotfiles/CLAUDE.md": "Be kind.\n",
      "dotfiles/skill/SKILL.md": "# Skill\n",
      "dotfiles/memory/MEMORY.md": "# Memory\n",
      "secrets/token": "canary",
      "home/.claude/skills/own/SKILL.md": "# Own\n",
    });
    tree.link("home/.claude/CLAUDE.md", "../../dotfiles/CLAUDE.md");
    tree.link("home/.claude/skills/linked", "../../../dotfiles/skill");
    tree.link("home/.claude/projects/-home-me/memory", "../../../../dotfiles/memory");
    tree.link("home/.claude/cache", "../../secrets");
    tree.link("home/.claude/skills/gone", "../nowhere");
    tree.link("home/.claude/nobody-knows", "../../secrets");
    tree.link("home/.claude/nobody-knows.txt", "../../secrets/token");
    const { paths, doubts } = await find(tree);
    assert.deepEqual(paths, [
      "home/.claude",
      "dotfiles/CLAUDE.md",
      "dotfiles/memory",
      "dotfiles/skill",
    ]);
    assert.deepEqual(doubts, []);
  },
});

Deno.test({
  name: "a name that leads to the whole home is not followed, and said",
  ignore: !onPosix,
  async fn() {
    using tree = homeWith({ "home/.claude/settings.json": '{"autoMemoryDirectory":"~"}' });
    tree.link("home/.claude/rules", "../..");
    const { paths, doubts } = await find(tree);
    assert.deepEqual(paths, ["home/.claude"]);
    assert.equal(doubts.length, 2);
    for (const doubt of doubts) assert.match(doubt, /too much to take along/);
  },
});

Deno.test("settings that are broken leave a doubt, as they may name directories", async () => {
  using tree = homeWith({ "home/.claude/settings.json": '{"autoMemoryDirectory": canary' });
  const { doubts } = await find(tree);
  assert.deepEqual(doubts, [
    "home/.claude/settings.json: it is not JSON, so that directories which it names are not known",
  ]);
});

Deno.test("a project's settings that cannot be read are worth a note, whatever stands there", async () => {
  using tree = homeWith({ "home/code/.claude/settings.json": "{ not json" });
  const projects = { [tree.at("home/code")]: {} };
  tree.write("home/.claude.json", JSON.stringify({ projects }));
  const told = async () => {
    const { doubts, notes } = await find(tree);
    assert.deepEqual(doubts, []);
    return notes;
  };
  const file = tree.at("home/code/.claude/settings.json");
  const note = (state: string) => [
    `home/code/.claude/settings.json: ${state}, so that directories which it names are not known`,
  ];
  assert.deepEqual(await told(), note("it is not JSON"));
  await Deno.truncate(file, 2 ** 26 + 1);
  assert.deepEqual(await told(), note("it is too large"));
  await Deno.remove(file);
  await Deno.mkdir(file);
  assert.deepEqual(await told(), note("it is no regular file"));
  if (!onPosix) return;
  await Deno.remove(file);
  tree.link("home/code/.claude/settings.json", "/dev/zero");
  assert.deepEqual(await told(), note("it is no regular file"));
});

Deno.test("the database of an add-on that cannot make it anew is found", async () => {
  using tree = homeWith({ "home/.claude-mem/claude-mem.db": "" });
  assert.deepEqual((await find(tree)).databases, ["home/.claude-mem/claude-mem.db"]);
});
