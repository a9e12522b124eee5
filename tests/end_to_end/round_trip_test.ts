/** Backup, loss of everything but destination and identity, and back. */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import {
  listSnapshots,
  readSnapshot,
  restoreSnapshot,
  runPipeline,
  verifySnapshots,
} from "../../pipeline/mod.ts";
import { surveySources } from "../../pipeline/survey.ts";
import { haveTools, makeTree, World } from "./world.ts";

for (const codec of ["zstd", "gzip", "none"] as const) {
  for (const encrypted of [true, false]) {
    const what = `${codec}, ${encrypted ? "encrypted" : "as plaintext"}`;

    Deno.test(`a tree comes back byte for byte from the destination alone (${what})`, async () => {
      using world = await World.make();
      const stages = encrypted ? world.usual({ codec }) : world.usual({ codec })
        .replace(/\[\[stage\]\]\s+use = "encrypt"\s+to = .*/, "")
        .replace('use = "local"', 'use = "local"\nplaintext = true');
      const report = await runPipeline(await world.pipeline(stages));
      assert.equal(report.status, 0, JSON.stringify(report));
      // A machine that has neither state nor pipeline file.
      await Deno.remove(world.state, { recursive: true });
      const lookup = {
        pipeline: undefined,
        from: world.at("backups"),
        identityFiles: encrypted ? [world.identity] : undefined,
      };
      const { ok } = await verifySnapshots(lookup);
      assert.ok(ok);
      const directory = world.at("restored");
      const restored = await restoreSnapshot({
        ...lookup,
        snapshot: "latest",
        target: { directory },
      });
      assert.equal(restored.files, report.snapshots[0]!.files);
      world.assertRestored(join(directory, ".claude"));
    });
  }
}

Deno.test({
  name: "stock age, zstd and tar restore the same tree as keepsake (needs age, zstd, tar)",
  ignore: !haveTools("age", "zstd", "tar"),
  async fn() {
    using world = await World.make();
    await runPipeline(await world.pipeline(world.usual()));
    const [archive] = Object.keys(await world.files("backups")).filter((name) =>
      /\.tar\./.test(name)
    );
    assert.match(archive!, /^claude\/\d{8}T\d{6}Z-[0-9a-f]{12}\.tar\.zst\.age$/);
    const directory = world.at("by-hand");
    await Deno.mkdir(directory);
    const command = `age -d -i "$1" "$2" | zstd -d | tar x -C "$3"`;
    const args = ["-c", command, "sh", world.identity, world.at("backups", archive!), directory];
    const { success, stderr } = await new Deno.Command("sh", { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    world.assertRestored(join(directory, ".claude"));
  },
});

Deno.test("the same tree elsewhere, with other times, has the same archive and content hash", async () => {
  using world = await World.make();
  const hashes = new Set<string | null>();
  const archives = new Set<string>();
  for (const place of ["here", "there"]) {
    const source = world.at(place, ".claude");
    await makeTree(source);
    await Deno.copyFile(
      join(world.source, "projects/-home-me-work/noise.bin"),
      join(source, "projects/-home-me-work/noise.bin"),
    );
    await Deno.utime(join(source, "CLAUDE.md"), new Date(place === "here" ? 1e12 : 2e12), 0);
    const stages = `
      [[stage]]
      use = "snapshot"
      paths = [${JSON.stringify(source)}]
      compress = "none"
      [[stage]]
      use = "local"
      path = ${JSON.stringify(world.at(`backups-${place}`))}
      plaintext = true
    `;
    const report = await runPipeline(await world.pipeline(stages, place));
    hashes.add(report.snapshots[0]!.contentHash);
    const { manifest } = await readSnapshot(
      { pipeline: undefined, from: world.at(`backups-${place}`) },
      "latest",
    );
    archives.add(manifest.archives[0]!.sha256);
  }
  assert.equal(hashes.size, 1);
  assert.equal(archives.size, 1);
});

Deno.test("two recipients each open every snapshot alone", async () => {
  using world = await World.make();
  using other = await World.make();
  const two = world.usual().replace(world.recipient, `${world.recipient}", "${other.recipient}`);
  await runPipeline(await world.pipeline(two));
  for (const identity of [world.identity, other.identity]) {
    const { ok } = await verifySnapshots({
      pipeline: undefined,
      from: world.at("backups"),
      identityFiles: [identity],
    });
    assert.ok(ok);
  }
});

Deno.test("input sends one snapshot to two destinations for two recipients", async () => {
  using world = await World.make();
  using other = await World.make();
  const pipeline = await world.pipeline(`${world.usual()}
    [[stage]]
    use = "encrypt"
    id = "for-other"
    input = "claude"
    to = ["${other.recipient}"]
    [[stage]]
    use = "local"
    id = "other-disk"
    path = ${JSON.stringify(world.at("other-backups"))}
  `);
  const report = await runPipeline(pipeline);
  assert.equal(report.status, 0, JSON.stringify(report, undefined, 1));
  const verify = (from: string, identity: string) =>
    verifySnapshots({ pipeline: undefined, from, identityFiles: [identity] });
  assert.ok((await verify(world.at("backups"), world.identity)).ok);
  assert.ok((await verify(world.at("other-backups"), other.identity)).ok);
  const wrong = await verify(world.at("backups"), other.identity);
  assert.deepEqual(wrong.verifications[0]!.failure!.code, "identity-wrong");
  assert.equal(wrong.status, 3);
});

Deno.test("several snapshots go through the rest each on its own", async () => {
  using world = await World.make();
  const second = world.at("home", "notes");
  await Deno.mkdir(second);
  await Deno.writeTextFile(join(second, "note.txt"), "one");
  const pipeline = await world.pipeline(
    world.usual().replace(
      'use = "hash-gate"',
      `
    use = "snapshot"
    id = "notes"
    paths = [${JSON.stringify(second)}]
    [[stage]]
    use = "hash-gate"
  `,
    ),
  );
  assert.equal((await runPipeline(pipeline)).snapshots.length, 2);
  await Deno.writeTextFile(join(second, "note.txt"), "two");
  const { snapshots } = await runPipeline(pipeline);
  assert.deepEqual(snapshots.map(({ destinations }) => destinations[0]!.status), [
    "unchanged",
    "ok",
  ]);
  const listing = await listSnapshots({ pipeline });
  assert.deepEqual(listing.snapshots.map(({ id }) => id).toSorted(), ["claude", "notes", "notes"]);
  await assert.rejects(
    restoreSnapshot({ pipeline, snapshot: "latest", target: { directory: world.at("out") } }),
    { code: "usage" },
  );
});

Deno.test("a run says what changed since the one before", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  const first = await runPipeline(pipeline);
  assert.equal(first.snapshots[0]!.changes, undefined);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Be kinder\n");
  await Deno.writeTextFile(join(world.source, "new.md"), "new");
  await Deno.remove(join(world.source, "nothing"));
  const { snapshots: [second] } = await runPipeline(pipeline);
  assert.deepEqual(second!.changes, { added: 1, changed: 1, removed: 1 });
  assert.equal(second!.destinations[0]!.status, "ok");
  assert.equal((await listSnapshots({ pipeline })).snapshots.length, 2);
});

Deno.test("a restored file has a fresh time, or with preserveMtime the one it had", async () => {
  using world = await World.make();
  const old = new Date("2020-01-02T03:04:05.678Z");
  await Deno.utime(join(world.source, "CLAUDE.md"), old, old);
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  const began = Date.now() - 1000;
  for (const preserveMtime of [false, true]) {
    const directory = world.at(`restored-${preserveMtime}`);
    await restoreSnapshot({ pipeline, snapshot: "latest", target: { directory }, preserveMtime });
    const { mtime } = await Deno.stat(join(directory, ".claude", "CLAUDE.md"));
    if (preserveMtime) assert.deepEqual(mtime, old);
    else assert.ok(mtime!.getTime() >= began);
  }
});

Deno.test("restore brings back one path, with what leads to it, and a dry run nothing", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  const target = { directory: world.at("restored") };
  const wanted = { pipeline, snapshot: "latest", target, path: "**/MEMORY.md" };
  const planned = await restoreSnapshot({ ...wanted, dryRun: true });
  assert.deepEqual(planned.actions.map(({ path }) => path), [
    ".claude",
    ".claude/projects",
    ".claude/projects/-home-me-work",
    ".claude/projects/-home-me-work/memory",
    ".claude/projects/-home-me-work/memory/MEMORY.md",
  ]);
  assert.deepEqual(await world.files("restored"), {});
  await restoreSnapshot(wanted);
  const name = ".claude/projects/-home-me-work/memory/MEMORY.md";
  assert.deepEqual(await world.files("restored"), { [name]: 12 });
});

Deno.test("restore in place mends what was lost and leaves the rest alone", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  const memory = join(world.source, "projects/-home-me-work/memory/MEMORY.md");
  await Deno.remove(memory);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Mine, newer\n");
  await Deno.writeTextFile(join(world.source, "not-in-backup"), "stays");
  await restoreSnapshot({ pipeline, snapshot: "latest", target: "in-place" });
  assert.equal(await Deno.readTextFile(memory), "- likes tea\n");
  assert.equal(await Deno.readTextFile(join(world.source, "CLAUDE.md")), "# Mine, newer\n");
  const options = {
    pipeline,
    snapshot: "latest",
    target: "in-place",
    overwrite: "changed",
  } as const;
  const { actions } = await restoreSnapshot(options);
  const replaced = actions.filter(({ action }) => action === "replace").map(({ path }) => path);
  assert.deepEqual(replaced, [".claude/AGENTS.md", ".claude/CLAUDE.md"].toSorted());
  assert.equal(await Deno.readTextFile(join(world.source, "CLAUDE.md")), "# Be kind\n");
  assert.equal(await Deno.readTextFile(join(world.source, "not-in-backup")), "stays");
  const left = await Array.fromAsync(Deno.readDir(world.at("home")), ({ name }) => name);
  assert.deepEqual(left, [".claude"], "the staging directory is gone");
});

Deno.test("a pipeline whose state and destination lie in what it backs up leaves both out", async () => {
  using world = await World.make();
  const inside = world.usual().replace(JSON.stringify(world.source), JSON.stringify(world.path));
  const pipeline = await world.pipeline(inside);
  const { snapshots: [first] } = await runPipeline(pipeline);
  assert.equal(first!.destinations[0]!.status, "ok", JSON.stringify(first));
  const left = first!.skipped.map(({ path }) => path);
  assert.ok(left.includes(world.at("backups")) === false, "not there yet when it was read");
  assert.ok(left.includes(pipeline.state), left.join());
  const again = await runPipeline(pipeline);
  assert.equal(again.snapshots[0]!.destinations[0]!.status, "unchanged");
});

Deno.test("a hard link to a file that was kept gets its own content back", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  const directory = world.at("restored");
  await Deno.mkdir(join(directory, ".claude"), { recursive: true });
  // AGENTS.md comes first in the archive, and CLAUDE.md is its other name.
  await Deno.writeTextFile(join(directory, ".claude", "AGENTS.md"), "mine");
  await restoreSnapshot({ pipeline, snapshot: "latest", target: { directory } });
  assert.equal(await Deno.readTextFile(join(directory, ".claude", "AGENTS.md")), "mine");
  assert.equal(await Deno.readTextFile(join(directory, ".claude", "CLAUDE.md")), "# Be kind\n");
});

Deno.test({
  name: "names of one file are names of one file again, and stay so (needs hard links)",
  ignore: Deno.build.os === "windows",
  async fn() {
    using world = await World.make();
    const pipeline = await world.pipeline(world.usual());
    await runPipeline(pipeline);
    const [first, second] = ["AGENTS.md", "CLAUDE.md"].map((name) => join(world.source, name)) as [
      string,
      string,
    ];
    const names = () => Deno.lstatSync(first).nlink;
    const changes = async (overwrite: "never" | "changed") => {
      const report = await restoreSnapshot({
        ...{ pipeline, snapshot: "latest", target: "in-place", overwrite } as const,
      });
      return report.actions.filter(({ action }) => action !== "keep").map((one) =>
        `${one.action} ${one.path}`
      );
    };
    for (const overwrite of ["never", "changed"] as const) {
      for (const path of [first, second]) {
        await Deno.remove(path);
        const name = path === first ? "AGENTS.md" : "CLAUDE.md";
        assert.deepEqual(await changes(overwrite), [`create .claude/${name}`], overwrite);
        assert.equal(names(), 2, `${overwrite} ${name}`);
        assert.deepEqual(await changes("changed"), []);
      }
    }
    // What is a file of its own becomes a name again, once.
    await Deno.remove(first);
    await Deno.copyFile(second, first);
    assert.deepEqual(await changes("never"), []);
    assert.deepEqual(await changes("changed"), ["replace .claude/CLAUDE.md"]);
    assert.equal(names(), 2);
    assert.deepEqual(await changes("changed"), []);
    // What differs is nobody's other name.
    await Deno.remove(first);
    await Deno.writeTextFile(second, "mine");
    assert.deepEqual(await changes("never"), ["create .claude/AGENTS.md"]);
    assert.equal(names(), 1);
    assert.equal(await Deno.readTextFile(second), "mine");
    assert.deepEqual(await changes("changed"), ["replace .claude/CLAUDE.md"]);
    assert.equal(names(), 2);
    assert.equal(await Deno.readTextFile(second), "# Be kind\n");
  },
});

Deno.test("restore says which links lead nowhere, and where what they led to is", async () => {
  using world = await World.make();
  const notes = world.at("dotfiles/NOTES.md");
  await Deno.mkdir(world.at("dotfiles"));
  await Deno.writeTextFile(notes, "mine");
  const away = join(world.source, "NOTES.md");
  await Deno.symlink(relative(world.source, notes), away);
  await Deno.symlink(world.at("nothing"), join(world.source, "broken"));
  const usual = JSON.stringify(world.source);
  const both = world.usual().replace(usual, `${usual}, ${JSON.stringify(notes)}`);
  const pipeline = await world.pipeline(both);
  await runPipeline(pipeline);
  const told = async (path?: string) => {
    const directory = world.at(`deep/er/back-${path === undefined}`);
    const report = await restoreSnapshot({
      ...{ pipeline, snapshot: "latest", target: { directory }, path },
    });
    return [report.files, report.links, report.strayLinks] as const;
  };
  const [, , strays] = await told();
  const link = relative(world.source, notes);
  const stray = { path: ".claude/NOTES.md", link, leads: "nowhere", content: "NOTES.md" };
  assert.deepEqual(strays.find(({ path }) => path === stray.path), stray);
  assert.equal(strays.find(({ path }) => path === ".claude/broken")?.content, undefined);
  assert.deepEqual(await told(".claude/NOTES.md"), [0, 1, [stray]]);
});

Deno.test("links that lead in a circle, or by others to nowhere, led to nothing in the snapshot", async () => {
  using world = await World.make();
  const links = {
    "a_": "b_",
    "b_": "a_",
    "self": "self",
    "way": "gone",
    "gone": "/nowhere/at/all",
  };
  for (const [name, aim] of Object.entries(links)) {
    await Deno.symlink(aim, join(world.source, name));
  }
  await Deno.symlink("last", join(world.source, "first"));
  await Deno.symlink(join(world.source, "CLAUDE.md"), join(world.source, "last"));
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  await Deno.rename(world.source, world.at("elsewhere"));
  const { strayLinks } = await restoreSnapshot({
    ...{ pipeline, snapshot: "latest", target: { directory: world.at("back") } },
  });
  const told = (name: string) => {
    const { leads, content } = strayLinks.find(({ path }) => path === `.claude/${name}`)!;
    return [leads, content];
  };
  for (const name of Object.keys(links)) assert.deepEqual(told(name), ["nowhere", undefined], name);
  assert.deepEqual(told("first"), ["nowhere", ".claude/last"]);
  assert.deepEqual(told("last"), ["nowhere", ".claude/CLAUDE.md"]);
});

Deno.test("all that counts files counts the same, whatever the number of their names", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  const [survey] = await surveySources(pipeline);
  const { snapshots: [run] } = await runPipeline(pipeline);
  const { snapshots: [listed] } = await listSnapshots({ pipeline });
  const { verifications: [verified] } = await verifySnapshots({ pipeline });
  const target = { directory: world.at("back") };
  const restored = await restoreSnapshot({ pipeline, snapshot: "latest", target });
  const again = await restoreSnapshot({ pipeline, snapshot: "latest", target });
  const kept = again.actions.filter(({ action, kind }) => action === "keep" && kind === "file");
  const counts = [survey, run, listed, verified, restored].map((one) => one!.files);
  assert.deepEqual(new Set([...counts, kept.length]).size, 1, counts.join());
  assert.equal(restored.actions.some(({ kind }) => kind === "hardlink"), true);
  const sizes = [survey, run, listed, verified, restored].map((one) => one!.bytes);
  assert.deepEqual(new Set(sizes).size, 1, sizes.join());
});

Deno.test("a destination that held snapshots and is gone fails, and is not begun anew", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  await Deno.rename(world.at("backups"), world.at("unplugged"));
  const { status, snapshots } = await runPipeline(pipeline);
  assert.equal(status, 2);
  assert.match(snapshots[0]!.destinations[0]!.message, /there is no such directory/);
  assert.deepEqual(await world.files("backups"), {});
  await Deno.rename(world.at("unplugged"), world.at("backups"));
  assert.equal((await runPipeline(pipeline)).snapshots[0]!.destinations[0]!.status, "unchanged");
});

Deno.test("verify names a snapshot that was stored and is there no more", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  await runPipeline(pipeline);
  await Deno.writeTextFile(join(world.source, "CLAUDE.md"), "# Be kinder\n");
  const { snapshots: [second] } = await runPipeline(pipeline);
  const manifest = `${second!.name}.json.zst.age`;
  await Deno.remove(world.at("backups", "claude", manifest));
  const report = await verifySnapshots({ pipeline });
  assert.equal(report.status, 4);
  const lost = report.verifications.find(({ status }) => status === "damaged");
  assert.equal(lost?.name, second!.name);
});

Deno.test("an address that is not there, or is a bare word, is no empty destination", async () => {
  using world = await World.make();
  const lookup = { pipeline: undefined, identityFiles: [world.identity] };
  await assert.rejects(verifySnapshots({ ...lookup, from: world.at("nowhere") }), {
    code: "destination-unreachable",
  });
  await assert.rejects(verifySnapshots({ ...lookup, from: "lcoal" }), { code: "usage" });
});

Deno.test("a file with a time that no date has is backed up all the same", async () => {
  using world = await World.make();
  await Deno.utime(join(world.source, "nothing"), 9_999_999_999, 9_999_999_999).catch(() => {});
  const { status } = await runPipeline(await world.pipeline(world.usual()));
  assert.equal(status, 0);
});

Deno.test("credentials are left out also where Claude Code has only just begun", async () => {
  using world = await World.make();
  const fresh = world.at("conf");
  await Deno.mkdir(fresh);
  await Deno.writeTextFile(join(fresh, ".credentials.json"), "{}");
  await Deno.writeTextFile(join(fresh, "settings.json"), "{}");
  const stages = world.usual().replace(JSON.stringify(world.source), JSON.stringify(fresh));
  const { snapshots: [snapshot] } = await runPipeline(await world.pipeline(stages));
  assert.equal(snapshot!.files, 1);
  assert.deepEqual(snapshot!.skipped.map(({ reason }) => reason), ["holds credentials"]);
});
