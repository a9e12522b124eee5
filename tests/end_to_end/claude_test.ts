/** Snapshots with `claude = true`, from the pipeline file to what comes back. */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { renderRestore } from "../../commands/ui/restore_view.ts";
import { readSnapshot } from "../../pipeline/list.ts";
import { planOf } from "../../pipeline/plan.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { surveySources } from "../../pipeline/survey.ts";
import { Sandbox, type Stages } from "../faults/harness.ts";
import { makeDatabase } from "../stages/formats/sqlite/busy_database.ts";

const onPosix = Deno.build.os !== "windows";

const SESSION = "8b0c5c0e-4b0e-4d6c-9f0a-0123456789ab";
const STATE = {
  oauthAccount: { emailAddress: "me@example.org", accountUuid: "canary-account" },
  primaryApiKey: "canary-key",
  mcpServers: { github: { command: "npx", env: { GITHUB_TOKEN: "canary-token" } } },
  projects: {},
};

/** What is carried, by path below the home directory. */
const CARRIED = {
  ".claude/CLAUDE.md": "Be kind.\n",
  ".claude/settings.json": '{"autoMemoryDirectory":"~/memory"}',
  ".claude/history.jsonl": "{}\n",
  ".claude/agents/one.md": "# One\n",
  ".claude/skills/mine/SKILL.md": "# Mine\n",
  ".claude/skills/mine/cache/x": "x",
  ".claude/plans/1.md": "plan",
  ".claude/file-history/1/2": "before",
  [`.claude/projects/-home-me/${SESSION}.jsonl`]: "{}\n",
  [`.claude/projects/-home-me/${SESSION}/subagents/agent-1.jsonl`]: "{}\n",
  [`.claude/projects/-home-me/${SESSION}/tool-results/1.txt`]: "result",
  ".claude/projects/-home-me/memory/MEMORY.md": "# One memory\n",
  ".claude/projects/-home-me/memory/deep/below/topic.md": "# Topic\n",
  ".claude/projects/-home-me-work/memory/MEMORY.md": "# Another memory\n",
  ".claude/plugins/known_marketplaces.json": "{}",
  ".claude/novelty/1": "of a version to come",
  "memory/MEMORY.md": "# A third memory\n",
};

/** What is left out, by path and reason. */
const LEFT_OUT = {
  ".claude/.credentials.json": "holds credentials",
  ".claude/ide/1.lock": "holds an access token",
  ".claude/channels/telegram/.env": "holds credentials",
  ".claude/session-env": "may hold credentials",
  ".claude/shell-snapshots": "may hold credentials",
  ".claude/backups": "may hold credentials",
  ".claude/cache": "a cache or state of this machine",
  ".claude/statsig": "a cache or state of this machine",
  ".claude/todos": "a cache or state of this machine",
  ".claude/plugins/cache": "a cache or state of this machine",
  ".claude/projects/claude-code-log-cache.db": "a cache or state of this machine",
};

/** A sandbox whose folder is a home in use. */
async function inUse(stages: Stages): Promise<Sandbox> {
  const sandbox = await Sandbox.make(stages, {});
  for (const [path, text] of Object.entries(CARRIED)) put(sandbox, path, text);
  for (const path of Object.keys(LEFT_OUT)) {
    put(sandbox, /\.\w+$/.test(path) ? path : `${path}/1`, "canary-left-out");
  }
  put(sandbox, ".claude.json", JSON.stringify(STATE));
  await sandbox.configure(stages); // With what is there now.
  return sandbox;
}

function put(sandbox: Sandbox, path: string, text: string): void {
  const file = join(sandbox.folder, path);
  Deno.mkdirSync(join(file, ".."), { recursive: true });
  Deno.writeTextFileSync(file, text);
}

const plain: Stages = (sandbox) =>
  [
    sandbox.stage("snapshot", { id: "m", claude: true }),
    sandbox.stage("hash-gate"),
    sandbox.stage("local", { id: "open", path: sandbox.destination(), plaintext: true }),
  ].join("");

const sealed: Stages = (sandbox) =>
  [
    sandbox.stage("snapshot", { id: "m", claude: true }),
    sandbox.stage("hash-gate"),
    sandbox.stage("encrypt", { to: [sandbox.recipient] }),
    sandbox.stage("local", { id: "closed", path: sandbox.destination() }),
  ].join("");

/** Plaintext for one destination, ciphertext for the other. */
const both: Stages = (sandbox) =>
  [
    sandbox.stage("snapshot", { id: "m", claude: true }),
    sandbox.stage("local", { id: "open", path: sandbox.destination("a"), plaintext: true }),
    sandbox.stage("encrypt", { to: [sandbox.recipient] }),
    sandbox.stage("local", { id: "closed", path: sandbox.destination("b") }),
  ].join("");

/** Files that the newest snapshot brings back, by path. */
async function restored(sandbox: Sandbox, from?: string): Promise<Record<string, string>> {
  const directory = join(sandbox.folder, "restored");
  const files: Record<string, string> = {};
  const visit = (folder: string) => {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(folder)) {
      const path = join(folder, name);
      if (isDirectory) visit(path);
      else if (isFile) files[relative(directory, path)] = Deno.readTextFileSync(path);
    }
  };
  const source = from === undefined ? {} : { from };
  const snapshot = { pipeline: sandbox.pipeline, snapshot: "latest", ...source };
  try {
    await restoreSnapshot({ ...snapshot, target: { directory } });
    visit(directory);
    return files;
  } finally {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

Deno.test("claude = true carries what is precious, and says of all else why it is left out", async () => {
  using sandbox = await inUse(sealed);
  const { snapshots: [snapshot] } = await sandbox.backUp();
  assert.ok(snapshot);
  const skipped = snapshot.skipped.map(({ path, reason }) => [
    relative(sandbox.folder, path),
    reason,
  ]);
  assert.deepEqual(Object.fromEntries(skipped), LEFT_OUT);
  assert.deepEqual(snapshot.notes, [{
    path: join(sandbox.folder, ".claude/novelty"),
    reason: "nobody knows what it is: backed up all the same",
  }]);
  const files = await restored(sandbox);
  assert.deepEqual(files, { ...CARRIED, ".claude.json": JSON.stringify(STATE) });
});

Deno.test("claude = true grants exactly what plan prints, and plan counts the same as a run", async () => {
  using sandbox = await inUse(sealed);
  const at = (path: string) => join(sandbox.folder, path);
  const [source] = planOf(sandbox.pipeline).stages;
  assert.deepEqual(source?.permissions.read, [at(".claude"), at(".claude.json"), at("memory")]);
  assert.equal(source.permissions.write, false);
  const [survey] = await surveySources(sandbox.pipeline);
  const { snapshots: [snapshot] } = await sandbox.backUp();
  assert.equal(survey?.files, snapshot?.files);
  assert.deepEqual(survey?.unknown, [at(".claude/novelty")]);
  const count = survey.leftOut.reduce((sum, { count }) => sum + count, 0);
  assert.equal(count, snapshot?.skipped.length);
});

Deno.test("the file of state goes in without credentials unless every destination is encrypted", async () => {
  const cut = {
    mcpServers: { github: { command: "npx", env: {} } },
    projects: {},
  };
  for (const stages of [plain, both]) {
    using sandbox = await inUse(stages);
    const { snapshots: [snapshot] } = await sandbox.backUp();
    const path = join(sandbox.folder, ".claude.json");
    const reason = "its credentials, as not every destination is encrypted";
    assert.ok(snapshot?.skipped.some((one) => one.path === path && one.reason === reason));
    const files = await restored(sandbox, stages === both ? "closed" : undefined);
    assert.deepEqual(JSON.parse(files[".claude.json"]!), cut);
    const from = stages === both ? { from: "closed" } : {};
    const { manifest: { entries } } = await readSnapshot(
      { pipeline: sandbox.pipeline, ...from },
      "latest",
    );
    for (const entry of entries) if (entry.kind === "file") assert.ok(entry.xxh64, entry.path);
    if (stages === both) continue;
    // Another session is no change of what is kept.
    const other = { ...STATE, oauthAccount: { accountUuid: "canary-other" } };
    put(sandbox, ".claude.json", JSON.stringify(other));
    const { snapshots } = await sandbox.backUp();
    assert.equal(snapshots[0]?.destinations[0]?.status, "unchanged");
  }
});

Deno.test("a restore sets aside the file of state for one without credentials, and tells", async () => {
  using sandbox = await inUse(plain);
  await sandbox.backUp();
  const path = join(sandbox.folder, ".claude.json");
  const before = await Deno.readTextFile(path);
  const report = await restoreSnapshot({
    ...{ pipeline: sandbox.pipeline, snapshot: "latest", target: "in-place" },
    ...{ path: ".claude.json", overwrite: "always" },
  });
  const [{ as, why }] = report.setAside as [(typeof report.setAside)[0]];
  assert.equal(why, "credentials");
  assert.equal(await Deno.readTextFile(as), before);
  assert.notEqual(await Deno.readTextFile(path), before);
  const told = renderRestore(report, undefined, report.host).join("\n");
  assert.match(told, /set aside .*, which has credentials that the snapshot lacks, as \S+/);
});

Deno.test("nothing that is called a credential reaches a plaintext destination", async () => {
  using sandbox = await inUse((sandbox) =>
    plain(sandbox).replace('id = "m"', 'id = "m"\ncompress = "none"')
  );
  // What the file of state was called before, a copy of it and one among skills.
  const state = '{"accessToken":{"value":"canary"},"numStartups":12}';
  for (const path of [".config.json", "skills/x/.claude.json", "skills/x/.claude.json.bak"]) {
    put(sandbox, `.claude/${path}`, state);
  }
  const { snapshots: [snapshot] } = await sandbox.backUp();
  const told = snapshot?.skipped.map(({ path }) => relative(sandbox.folder, path)) ?? [];
  for (const path of [".config.json", "skills/x/.claude.json", "skills/x/.claude.json.bak"]) {
    assert.ok(told.includes(`.claude/${path}`), path);
  }
  for await (const { name } of Deno.readDir(join(sandbox.destination(), "m"))) {
    const text = await Deno.readTextFile(join(sandbox.destination(), "m", name));
    assert.ok(!text.includes("canary"), name);
  }
});

Deno.test("a file of state that is no JSON is not taken for plaintext, and named", async () => {
  using sandbox = await inUse(plain);
  put(sandbox, ".claude.json", '{"primaryApiKey":"canary"');
  await sandbox.configure(plain);
  const { snapshots: [snapshot], status } = await sandbox.run();
  assert.equal(status, 2);
  const reasons = snapshot?.unreadable.map(({ path, reason }) =>
    `${relative(sandbox.folder, path)}: ${reason}`
  );
  assert.deepEqual(reasons, [
    ".claude.json: it is not JSON, so that directories which it names are not known",
    ".claude.json: its credentials cannot be cut out: it is not JSON",
  ]);
  assert.equal((await restored(sandbox))[".claude.json"], undefined);
});

Deno.test({
  name: "instructions that are links into dotfiles come back with what they lead to",
  ignore: !onPosix,
  async fn() {
    using sandbox = await inUse(sealed);
    const at = (path: string) => join(sandbox.folder, path);
    put(sandbox, "dotfiles/CLAUDE.md", "From the dotfiles.\n");
    put(sandbox, "dotfiles/skill/SKILL.md", "# Linked\n");
    await Deno.remove(at(".claude/CLAUDE.md"));
    await Deno.symlink("../dotfiles/CLAUDE.md", at(".claude/CLAUDE.md"));
    await Deno.symlink("../../dotfiles/skill", at(".claude/skills/linked"));
    await Deno.link(at(".claude/plans/1.md"), at(".claude/plans/2.md"));
    await sandbox.configure(sealed);
    const { snapshots: [snapshot] } = await sandbox.backUp();
    assert.deepEqual(snapshot?.notes.map(({ path }) => path), [at(".claude/novelty")]);
    const files = await restored(sandbox);
    assert.equal(files["CLAUDE.md"], "From the dotfiles.\n");
    assert.equal(files["skill/SKILL.md"], "# Linked\n");
    assert.equal(files[".claude/plans/2.md"], "plan");
  },
});

Deno.test("digests are in the snapshot of the run that made them, and change nothing while nothing is new", async () => {
  const stages: Stages = (sandbox) => {
    const [from, to] = [join(sandbox.folder, ".claude/projects"), join(sandbox.folder, "digests")];
    return sandbox.stage("digest", { from, to }) +
      sealed(sandbox).replace("claude = true", `$&\npaths = [${JSON.stringify(to)}]`);
  };
  using sandbox = await inUse(stages);
  const line = (content: string) =>
    `${
      JSON.stringify({
        ...{ type: "user", uuid: content, sessionId: SESSION, cwd: "/home/me" },
        ...{ timestamp: new Date().toISOString(), message: { role: "user", content } },
      })
    }\n`;
  const log = `.claude/projects/-home-me/${SESSION}.jsonl`;
  put(sandbox, log, line("the first"));
  await sandbox.backUp();
  const digestOf = (files: Record<string, string>) =>
    Object.entries(files).filter(([path]) => /^digests\/[^_.][^/]*\.md$/.test(path))
      .map(([, text]) => text).join();
  assert.match(digestOf(await restored(sandbox)), /^the first$/m);
  const { snapshots } = await sandbox.backUp();
  assert.equal(snapshots[0]?.destinations[0]?.status, "unchanged");
  put(sandbox, log, line("the first") + line("the second"));
  await sandbox.backUp();
  const files = await restored(sandbox);
  assert.match(digestOf(files), /^the first$[^]*^the second$/m);
  assert.equal(files[log]?.split("\n").length, 3);
});

Deno.test("an add-on's database is found and copied as a database", async () => {
  using sandbox = await inUse(sealed);
  await Deno.mkdir(join(sandbox.folder, ".claude-mem"));
  makeDatabase(join(sandbox.folder, ".claude-mem/claude-mem.db"));
  await sandbox.configure(sealed);
  const [source] = planOf(sandbox.pipeline).stages;
  assert.deepEqual(source?.permissions.write, [join(sandbox.state, "spool", "of-m")]);
  await sandbox.backUp();
  assert.ok("claude-mem.db" in await restored(sandbox));
  const { snapshots } = await sandbox.backUp();
  assert.equal(snapshots[0]?.destinations[0]?.status, "unchanged");
});

Deno.test("settings that are broken end a run with status 2, and all else is kept", async () => {
  using sandbox = await inUse(sealed);
  put(sandbox, ".claude/settings.json", "{ broken");
  await sandbox.configure(sealed);
  const { status, snapshots: [snapshot] } = await sandbox.run();
  assert.equal(status, 2);
  assert.deepEqual(snapshot?.unreadable.map(({ path }) => path), [
    join(sandbox.folder, ".claude/settings.json"),
  ]);
  assert.equal((await restored(sandbox))[".claude/settings.json"], "{ broken");
});
