/** A git repository as a destination of whole pipelines, through the engine's front door. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Catalog } from "../../pipeline/catalog.ts";
import {
  listSnapshots,
  type Pipeline,
  planOf,
  restoreSnapshot,
  runPipeline,
  verifySnapshots,
} from "../../pipeline/mod.ts";
import { World } from "../end_to_end/world.ts";
import { complaints } from "../faults/harness.ts";
import { commitTo, git, hasGit } from "../stages/git_harness.ts";

const unlessGit = hasGit ? "" : " (ignored: there is no git)";

/** A test that needs git. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${unlessGit}`, ignore: !hasGit, fn });
}

/** The usual stages with a repository in the place of the directory. */
function archivesIn(world: World, remote: string): string {
  return world.usual().replace(/use = "local"\s+path = .*/, `use = "git"\nremote = "${remote}"`);
}

function filesIn(world: World, remote: string): string {
  return `
    [[stage]]
    use = "snapshot"
    id = "claude"
    paths = [${JSON.stringify(world.source)}]
    [[stage]]
    use = "hash-gate"
    [[stage]]
    use = "git"
    remote = "${remote}"
    layout = "files"
    plaintext = true
  `;
}

async function makeBare(world: World): Promise<string> {
  const bare = world.at("backup.git");
  await Promise.resolve(git("init", "--quiet", "--bare", "--initial-branch=main", bare));
  return bare;
}

async function assertComesBack(world: World, pipeline: Pipeline | undefined, from: string) {
  const identityFiles = [world.identity];
  const { ok, verifications } = await verifySnapshots({ pipeline, from, identityFiles });
  assert.ok(ok, JSON.stringify(verifications));
  const target = { directory: world.at(`back-${crypto.randomUUID()}`) };
  await restoreSnapshot({ pipeline, from, identityFiles, snapshot: "latest", target });
  world.assertRestored(join(target.directory, ".claude"));
}

test("the clone of a destination that was renamed or removed goes with the next run", async () => {
  using world = await World.make();
  const stages = archivesIn(world, await makeBare(world));
  const clones = async () =>
    (await Array.fromAsync(Deno.readDir(world.at("state", "claude", "work"))))
      .map(({ name }) => name);
  await runPipeline(await world.pipeline(stages));
  assert.deepEqual(await clones(), ["git"]);
  const renamed = await world.pipeline(stages.replace('use = "git"', 'use = "git"\nid = "hub"'));
  await runPipeline(renamed, { dryRun: true });
  assert.ok((await clones()).includes("git"));
  await runPipeline(renamed);
  assert.deepEqual(await clones(), ["hub"]);
  await runPipeline(await world.pipeline(world.usual()));
  assert.deepEqual(await clones(), []);
});

test("archives go to a repository and come back, with a pipeline and from its address", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(archivesIn(world, remote));
  const [snapshot] = (await runPipeline(pipeline)).snapshots;
  assert.deepEqual(snapshot!.destinations.map(({ status }) => status), ["ok"]);
  await assertComesBack(world, pipeline, "git");
  for (const address of [remote, `file://${remote}`, `git+${remote}#main`]) {
    const { snapshots } = await listSnapshots({ pipeline: undefined, from: address });
    assert.equal(snapshots.length, 1, address);
  }
  await assertComesBack(world, undefined, remote);
});

test("a repository among what is backed up is in no backup, and nothing is restored into it", async () => {
  using world = await World.make();
  const remote = join(world.source, "backup.git");
  git("init", "--quiet", "--bare", "--initial-branch=main", remote);
  const pipeline = await world.pipeline(filesIn(world, remote));
  const [snapshot] = (await runPipeline(pipeline)).snapshots;
  assert.deepEqual(snapshot!.destinations.map(({ status }) => status), ["ok"]);
  const { stages } = await runPipeline(pipeline);
  assert.deepEqual([...new Set(stages.map(({ status }) => status))], ["unchanged"]);
  assert.equal(git("--git-dir", remote, "rev-list", "--count", "main"), "1");
  assert.doesNotMatch(git("--git-dir", remote, "ls-tree", "-r", "--name-only", "main"), /backup/);
  for (const from of ["git", remote]) {
    const target = { directory: join(remote, "new") };
    await assert.rejects(
      restoreSnapshot({ pipeline, from, identityFiles: [], snapshot: "latest", target }),
      /^BackupError: Cannot restore to ".*new": backups are kept in ".*backup\.git"$/,
    );
  }
});

test("unchanged content over three runs makes one commit, in either layout", async () => {
  for (const stagesIn of [archivesIn, filesIn]) {
    using world = await World.make();
    const remote = await makeBare(world);
    const pipeline = await world.pipeline(stagesIn(world, remote));
    for (let run = 0; run < 3; run++) assert.deepEqual(complaints(await runPipeline(pipeline)), []);
    assert.equal(git("--git-dir", remote, "rev-list", "--count", "main"), "1");
  }
});

test("a repository whose layout was changed gets what it holds in the other one, once", async () => {
  using world = await World.make();
  const files = filesIn(world, await makeBare(world));
  for (const stages of [files.replace('"files"', '"archives"'), files]) {
    const pipeline = await world.pipeline(stages);
    for (const status of ["ok", "unchanged"]) {
      const [snapshot] = (await runPipeline(pipeline)).snapshots;
      assert.deepEqual(snapshot!.destinations.map((one) => one.status), [status]);
    }
  }
  assert.match(
    git("--git-dir", world.at("backup.git"), "ls-tree", "-r", "main"),
    /claude\/files\//,
  );
});

test("a repository that was emptied is begun anew with a warning, in either layout", async () => {
  for (const stagesIn of [archivesIn, filesIn]) {
    using world = await World.make();
    const remote = await makeBare(world);
    const pipeline = await world.pipeline(stagesIn(world, remote));
    assert.deepEqual(complaints(await runPipeline(pipeline)), []);
    await Deno.remove(remote, { recursive: true });
    assert.match(complaints(await runPipeline(pipeline)).join(), /^git: Cannot reach/);
    await makeBare(world);
    const said: string[] = [];
    const report = await runPipeline(pipeline, {
      listener: (event) => event.type === "log" && said.push(event.message),
    });
    assert.deepEqual(complaints(report), []);
    assert.match(said.join("\n"), /It held snapshots and holds none now/);
    await verifySnapshots({ pipeline, forgetMissing: true }); // What was there before is not.
    await assertComesBack(world, pipeline, "git");
    assert.equal(git("--git-dir", remote, "rev-list", "--count", "main"), "1");
  }
});

test("a repository that has other branches alone is no empty one", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(archivesIn(world, remote));
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  git("--git-dir", remote, "branch", "--move", "main", "other");
  const report = await runPipeline(pipeline);
  assert.equal(report.status, 2);
  const failure = report.stages.find(({ id }) => id === "git")!.failure!;
  assert.match(failure.message, /^Cannot list ".*": there is no branch "main"$/);
  assert.match(failure.hint!, /branch = "…".*"#".*for a run to begin anew there, make/);
  assert.equal(git("--git-dir", remote, "for-each-ref", "--format=%(refname)"), "refs/heads/other");
});

test("files lie in a repository to be read, their history stays, and every state comes back", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(filesIn(world, remote));
  const show = (path: string) => git("--git-dir", remote, "show", path);
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  assert.equal(show("main:claude/files/.claude/CLAUDE.md"), "# Be kind");
  await assertComesBack(world, pipeline, "git");
  await Deno.remove(join(world.source, "settings.json"));
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Be bold\n");
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  await assertComesBack(world, pipeline, "git");
  await assertComesBack(world, undefined, remote);
  assert.equal(show("main:claude/files/.claude/CLAUDE.md"), "# Be bold");
  assert.match(
    git("--git-dir", remote, "log", "-1", "--name-status", "--format="),
    /^D\tclaude\/files\/\.claude\/settings\.json$/m,
  );
  const { snapshots } = await listSnapshots({ pipeline: undefined, from: remote });
  assert.equal(snapshots.length, 2);
  const target = { directory: world.at("first") };
  const options = { pipeline: undefined, from: remote, target };
  await restoreSnapshot({ ...options, snapshot: snapshots[0]!.name });
  const path = join(target.directory, ".claude", "CLAUDE.md");
  assert.equal(await Deno.readTextFile(path), "# Be kind\n");
  const { ok } = await verifySnapshots({ pipeline, all: true });
  assert.ok(ok);
});

test("a file that the host would not take, or a .git, stops a delivery before any commit", async () => {
  for (
    const [name, size, says] of [["big", 2000, /max_file/], [".GIT", 1, /may hold a/]] as const
  ) {
    using world = await World.make();
    const remote = await makeBare(world);
    const stages = filesIn(world, remote).replace('layout = "files"', '$&\nmax_file = "600kB"');
    await Deno.writeTextFile(join(world.source, name), "x".repeat(size * 1000));
    const pipeline = await world.pipeline(stages);
    const report = await runPipeline(pipeline);
    assert.equal(report.status, 2);
    assert.match(complaints(report).join(), says);
    assert.equal(git("--git-dir", remote, "for-each-ref"), "");
  }
});

test("a .gitmodules that is no file stops a delivery before any commit, and others go", async () => {
  for (const kind of ["link", "directory", "spelled"]) {
    using world = await World.make();
    const remote = await makeBare(world);
    git("--git-dir", remote, "config", "receive.fsckObjects", "true");
    const name = kind === "spelled" ? ".GitModules" : ".gitmodules";
    const path = join(world.source, name);
    if (kind === "directory") await Deno.mkdir(join(path, "below"), { recursive: true });
    else await Deno.symlink("CLAUDE.md", path);
    if (kind === "directory") await Deno.writeTextFile(join(path, "below", "file"), "content");
    const pipeline = await world.pipeline(filesIn(world, remote));
    const report = await runPipeline(pipeline);
    assert.equal(report.status, 2);
    const says = new RegExp(`Cannot store ".claude/${name}.*" of .*: no repository may hold`);
    assert.match(complaints(report).join(), says);
    assert.equal(git("--git-dir", remote, "for-each-ref"), "");
    await Deno.remove(path, { recursive: true });
    await Deno.writeTextFile(path, '[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n');
    assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  }
});

test("a file that a repository refuses for what is in it is named", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  git("--git-dir", remote, "config", "receive.fsckObjects", "true");
  await Deno.writeTextFile(
    join(world.source, "skills", ".gitmodules"),
    '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=x\n',
  );
  const pipeline = await world.pipeline(filesIn(world, remote));
  const [said] = complaints(await runPipeline(pipeline));
  assert.match(said!, /it refuses "claude\/files\/.claude\/skills\/.gitmodules"/);
});

test("files of somebody else where a snapshot's go are not removed, and the run says where they are", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  for (const name of ["files/own", "README.md", "package.json"]) {
    commitTo(remote, `claude/${name}`, new TextEncoder().encode("mine"));
  }
  const pipeline = await world.pipeline(filesIn(world, remote));
  const report = await runPipeline(pipeline);
  assert.equal(report.status, 2);
  assert.match(
    complaints(report).join(),
    /Cannot store snapshots in "claude\/files" of ".*": it is of somebody else/,
  );
  assert.equal(git("--git-dir", remote, "show", "main:claude/files/own"), "mine");
  git("--git-dir", remote, "update-ref", "-d", "refs/heads/main");
  commitTo(remote, "claude/README.md", new TextEncoder().encode("mine"));
  for (const state of ["old", "new"]) {
    await Deno.writeTextFile(join(world.source, "state"), state);
    assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  }
  assert.equal(git("--git-dir", remote, "show", "main:claude/README.md"), "mine");
});

test("a snapshot is whole while its own commit holds its files, whatever the tip has", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(filesIn(world, remote));
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  for (const from of ["git", remote]) {
    const path = `claude/files/.claude/${from === "git" ? "CLAUDE.md" : "settings.json"}`;
    commitTo(remote, path, new TextEncoder().encode("edited there"));
    const known = from === "git" ? pipeline : undefined;
    const { ok, verifications } = await verifySnapshots({ pipeline: known, from });
    assert.ok(ok, JSON.stringify(verifications));
    await assertComesBack(world, known, from);
  }
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Newer\n");
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  await assertComesBack(world, undefined, remote);
});

test("a manifest that somebody planted, small there and endless here, is damaged, and no other", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(filesIn(world, remote));
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  const name = "20260102T030405Z-0123456789ab";
  commitTo(remote, `claude/${name}.json`, 600_000_000);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Newer\n");
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  const { verifications } = await verifySnapshots({ pipeline, from: "git", all: true });
  assert.equal(verifications.length, 3);
  const damaged = verifications.filter(({ status }) => status !== "ok");
  assert.deepEqual(damaged.map(({ name }) => name), [name]);
  assert.match(JSON.stringify(damaged), /Cannot trust .*: it is longer than any manifest/);
});

test("two snapshots whose names begin alike keep to their own copies", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const source = (id: string) => `
    [[stage]]
    use = "snapshot"
    id = "${id}"
    paths = [${JSON.stringify(world.source)}]
  `;
  const stages = source("m") + source("m-work") +
    archivesIn(world, remote).replace(/^[^]*?(?=\[\[stage\]\]\s+use = "hash-gate")/, "");
  const pipeline = await world.pipeline(stages);
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  const before = git("--git-dir", remote, "rev-parse", "main:m-work");
  await Deno.writeTextFile(join(world.source, "new"), "new");
  assert.deepEqual(complaints(await runPipeline(pipeline, { only: ["m"] })), []);
  assert.equal(git("--git-dir", remote, "rev-parse", "main:m-work"), before);
  const { snapshots } = await listSnapshots({ pipeline, from: "git" });
  assert.deepEqual(snapshots.map(({ id }) => id).toSorted(), ["m", "m", "m-work"]);
});

test("a repository that is not there fails its destination alone, and gets its copy the next time", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const stages = `${archivesIn(world, remote)}
    [[stage]]
    use = "local"
    path = ${JSON.stringify(world.at("backups"))}
  `;
  const pipeline = await world.pipeline(stages);
  await Deno.rename(remote, `${remote}.away`);
  const first = await runPipeline(pipeline);
  assert.equal(first.status, 2);
  assert.deepEqual(first.snapshots[0]!.destinations.map(({ status }) => status), ["failed", "ok"]);
  await Deno.rename(`${remote}.away`, remote);
  const second = await runPipeline(pipeline);
  assert.equal(second.status, 0);
  assert.deepEqual(second.snapshots[0]!.destinations.map(({ status }) => status), [
    "ok",
    "unchanged",
  ]);
  await assertComesBack(world, pipeline, "git");
});

test("plan says that git is not sandboxed, and that plaintext may reach the network with it", async () => {
  using world = await World.make();
  const remote = "git@example.org:me/backup.git";
  const sealed = planOf(await world.pipeline(archivesIn(world, remote)));
  assert.deepEqual(sealed.stages.filter(({ sandboxed }) => !sandboxed).map(({ id }) => id), [
    "git",
  ]);
  assert.ok(sealed.secondPromise.holds);
  assert.ok((sealed.stages.at(-1)!.permissions.run as string[]).every((path) => path[0] === "/"));
  const open = planOf(await world.pipeline(filesIn(world, remote)));
  assert.ok(!open.secondPromise.holds);
  assert.match(open.secondPromise.breaches.join(), /"git" reads plaintext and reaches the network/);
});

test("how much room a repository takes is remembered", async () => {
  using world = await World.make();
  const remote = await makeBare(world);
  const pipeline = await world.pipeline(archivesIn(world, remote));
  assert.deepEqual(complaints(await runPipeline(pipeline)), []);
  const catalog = Catalog.openIfThere(pipeline.state)!;
  assert.ok(catalog.placeBytes(`${remote}#main`)! > 1000);
  assert.equal(catalog.placeBytes("elsewhere"), undefined);
  catalog[Symbol.dispose]();
});

test("plan shows the one file or variable that holds credentials", async () => {
  using world = await World.make();
  const stages = archivesIn(world, "https://example.org/backup.git");
  const permissionsWith = async (credentials: string) =>
    planOf(await world.pipeline(stages + credentials)).stages.at(-1)!.permissions;
  const file = await permissionsWith('credentials = "file:~/keys"\n');
  assert.ok((file.read as string[]).includes(world.at("home", "keys")));
  assert.equal(file.env, false);
  assert.deepEqual((await permissionsWith('credentials = "env:KEYS"\n')).env, ["KEYS"]);
  assert.deepEqual((await permissionsWith("")).env, ["KEEPSAKE_GIT_CREDENTIALS"]);
});

test("a pipeline file that would show what is encrypted as files is refused", async () => {
  using world = await World.make();
  const stages = archivesIn(world, "/srv/backup.git") + 'layout = "files"\n';
  await assert.rejects(world.pipeline(stages), /encrypted, although layout = "files" shows/);
});
