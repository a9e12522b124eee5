/** Sources that do not hold still, and those that cannot be read. */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { loadPipeline } from "../../pipeline/config/load.ts";
import { readSnapshot } from "../../pipeline/list.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { within } from "../platform/probe.ts";
import { complaints, encrypted, filesIn, rejection, Sandbox, SLOW, treeOf } from "./harness.ts";

const posix = Deno.build.os !== "windows";
const unlessPosix = posix ? "" : " (ignored: Windows has no such files)";

Deno.test("files that are written all the while are stored in one state of theirs, or are named", async () => {
  using sandbox = await Sandbox.make(encrypted, { "still": "still" });
  const writer = new Worker(new URL("restless_writer.ts", import.meta.url), { type: "module" });
  const { promise, resolve } = Promise.withResolvers<void>();
  writer.addEventListener("message", () => resolve());
  writer.postMessage(sandbox.tree);
  try {
    await within(promise, () => writer.terminate());
    for (let round = 0; round < (SLOW ? 100 : 5); round++) {
      const report = await sandbox.run();
      const { unreadable } = report.snapshots[0]!;
      assert.equal(report.status, unreadable.length > 0 ? 2 : 0, complaints(report).join());
      const named = new Set(unreadable.map(({ path }) => path));
      const directory = join(sandbox.folder, "restored");
      const { pipeline } = sandbox;
      await restoreSnapshot({ pipeline, snapshot: "latest", target: { directory } });
      for (const file of filesIn(directory).keys()) {
        if (named.has(join(sandbox.folder, file))) continue;
        const text = await Deno.readTextFile(join(directory, file));
        if (file.includes("rewritten")) assert.match(text, /^(.?)\1*$/, file);
        if (file.endsWith("log.jsonl")) assert.match(text, /^((\d+) x* \2\n)*(\d+ ?x*( \d*)?)?$/);
      }
      await Deno.remove(directory, { recursive: true });
    }
  } finally {
    writer.terminate();
  }
  await sandbox.verifyAll();
});

Deno.test({
  name: `what cannot be read is named in every run, and the rest is stored${unlessPosix}`,
  ignore: Deno.build.os !== "linux",
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
    // A name that is not UTF-8 can be opened by nobody here, not even by root.
    const script = `cd "$0" && mkfifo pipe && printf x > "$(printf 'bad\\377name')"`;
    const command = new Deno.Command("sh", { args: ["-c", script, sandbox.tree] });
    assert.ok((await command.output()).success);
    for (const [status, change] of [["ok", false], ["unchanged", false], ["ok", true]] as const) {
      if (change) sandbox.change();
      const report = await sandbox.run();
      const [snapshot] = report.snapshots;
      assert.equal(report.status, 2, status);
      assert.equal(report.ok, false);
      assert.deepEqual(snapshot?.destinations.map((one) => one.status), [status]);
      assert.equal(snapshot.unreadable.length, 1);
      assert.match(snapshot.unreadable[0]!.path, /bad/);
      assert.match(snapshot.unreadable[0]!.reason, /not UTF-8/);
    }
    const { code, stderr, stdout } = await sandbox.keepsake(["run", "--json"]);
    assert.equal(code, 2, stderr);
    assert.match(JSON.parse(stdout).snapshots[0].unreadable[0].reason, /not UTF-8/);
    await sandbox.verifyAll();
    assert.deepEqual((await sandbox.restore()).map((line) => line.split(" ")[0]), [
      ".",
      "a.txt",
      "changing.txt",
    ]);
  },
});

Deno.test("neither state nor backups are a part of what is backed up, wherever they lie", async () => {
  using sandbox = await Sandbox.make((sandbox) =>
    encrypted(sandbox).replace(JSON.stringify(sandbox.tree), JSON.stringify(sandbox.folder))
  );
  await sandbox.backUp();
  const [held] = filesIn(sandbox.destination()).keys();
  const { manifest } = await readSnapshot({ pipeline: sandbox.pipeline }, "latest");
  const names = manifest.entries.map(({ path }) => path.split("/").slice(1).join("/"));
  const nameOf = (path: string) => relative(sandbox.folder, path);
  assert.ok(held !== undefined && names.includes(nameOf(sandbox.file)));
  for (const place of [join(sandbox.state, ".."), sandbox.state, sandbox.destination()]) {
    const inside = names.filter((name) => name.startsWith(`${nameOf(place)}/`));
    assert.deepEqual(inside, []);
  }
  assert.equal((await sandbox.backUp()).snapshots[0]?.destinations[0]?.status, "unchanged");
});

Deno.test("secrets that stand where they should not are never repeated", async () => {
  using sandbox = await Sandbox.make(encrypted, { "a.txt": "one" });
  const { identity, recipient, file } = sandbox;
  const misspelt = `${recipient.slice(0, -1)}${recipient.endsWith("q") ? "p" : "q"}`;
  const secrets = [identity, identity.toLowerCase(), "hunter2 is my passphrase", misspelt];
  const text = await Deno.readTextFile(file);
  for (const secret of secrets) {
    await Deno.writeTextFile(file, text.replace(recipient, secret));
    const error = await rejection(loadPipeline(file, { environment: {}, home: sandbox.folder }));
    const { code, stdout, stderr } = await sandbox.keepsake(["run"]);
    assert.equal(code, 3, stderr);
    for (const said of [error.message, error.hint ?? "", stdout, stderr]) {
      assert.ok(!said.includes(secret), said);
    }
  }
  await Deno.writeTextFile(file, text);
  await sandbox.backUp();
  await Deno.writeTextFile(sandbox.identityFile, `${identity.slice(0, -1)}\n`);
  const { code, stdout, stderr } = await sandbox.keepsake(["verify"]);
  assert.equal(code, 3, stderr);
  assert.ok(!`${stdout}${stderr}`.includes(identity.slice(0, 30)), stderr);
});

Deno.test("a source of which nearly everything is gone makes a suspect, and nothing is pruned", async () => {
  using sandbox = await Sandbox.make(encrypted, treeOf(12));
  await sandbox.backUp();
  await Deno.rename(sandbox.tree, `${sandbox.tree}.unmounted`);
  await Deno.mkdir(sandbox.tree); // What is left of a disk that is not connected.
  const { stdout, stderr } = await sandbox.keepsake(["run"]);
  assert.match(stdout + stderr, /SUSPECT m: .*\n +14 of 14 files are gone\n +How it was before: /);
  const prune = await sandbox.keepsake(["prune", "--dry-run"]);
  assert.doesNotMatch(prune.stdout, /would be removed/);

  await Deno.remove(sandbox.tree);
  await Deno.rename(`${sandbox.tree}.unmounted`, sandbox.tree);
  const again = await sandbox.backUp();
  assert.equal(again.snapshots[0]?.suspect, undefined);
});

Deno.test("what a prepare stage could not read ends a run with 2, and the rest is stored", async () => {
  const copy = (sandbox: Sandbox) => join(sandbox.folder, "copy");
  using sandbox = await Sandbox.make(
    (sandbox) =>
      sandbox.stage("preserve", { from: sandbox.tree, to: copy(sandbox) }) + encrypted(sandbox),
    { "a.txt": "a", ".keepsake": "whose name the copy has for itself" },
  );
  const { status, stages: [preserve], snapshots } = await sandbox.run();
  assert.deepEqual([status, preserve!.status], [2, "failed"]);
  assert.match(preserve!.message, /^Cannot read ".*\.keepsake": keepsake needs that name/);
  assert.equal(snapshots[0]!.destinations[0]!.status, "ok");
});
