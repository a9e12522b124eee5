/** Disks that are full, read-only or take less than they say. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createPrivately } from "../../commands/private_file.ts";
import { runJson } from "../../commands/run_json.ts";
import { renderRun } from "../../commands/ui/run_summary.ts";
import type { Listener } from "../../pipeline/events.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { statusOf } from "../../pipeline/status.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { takeTurn } from "../../stages/formats/pace.ts";
import { Folder, works } from "../platform/probe.ts";
import { archiveOf, selectionOf, SourceTree } from "../stages/formats/snapshot/source_tree.ts";
import { git, hasGit } from "../stages/git_harness.ts";
import { childFor, runStage, type StageJob } from "../stages/harness.ts";
import {
  assertTidy,
  complaints,
  encrypted,
  exists,
  filesIn,
  namesIn,
  noise,
  rejection,
  Sandbox,
  SLOW,
} from "./harness.ts";

const FEW = { "a.txt": "one", "folder/b.txt": "two" };

const mounts = await canMount();
const unlessMounts = mounts ? "" : " (ignored: no disk in memory can be mounted here)";

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

Deno.test({
  name: `a full disk under the spool is named with its bytes, and nothing is lost${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    using _ = new Disk(join(sandbox.folder, "state"), "1m");
    await sandbox.backUp();
    const stored = filesIn(sandbox.destination());
    sandbox.write("bulk", noise(3 << 20));
    const report = await sandbox.run();
    assert.equal(report.status, 2);
    const failure = report.stages.find(({ status }) => status === "failed")?.failure;
    assert.equal(failure?.code, "storage-full");
    const [snapshot] = report.snapshots;
    assert.deepEqual([snapshot?.id, snapshot?.name], ["m", null]);
    const [delivery] = snapshot!.destinations;
    assert.deepEqual([delivery?.id, delivery?.status, delivery?.location], [
      "backups",
      "failed",
      null,
    ]);
    assert.equal(delivery?.message, failure.message);
    const spool = join(sandbox.state, "spool", "0");
    const words = `Cannot spool the archive in "${spool}": the disk is full after \\d+ bytes`;
    assert.match(failure.message, new RegExp(`^${words}$`));
    assert.match(failure.hint ?? "", /Free some space/);
    assert.deepEqual(filesIn(sandbox.destination()), stored);
    assert.ok(!exists(join(sandbox.state, "spool")));
    await Deno.remove(join(sandbox.tree, "bulk"));
    sandbox.change();
    await sandbox.backUp();
    assert.equal(await sandbox.verifyAll(), 2);
  },
});

Deno.test({
  name: `a full disk under one destination is named with its bytes, and the other is served` +
    unlessMounts,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(twoDestinations, FEW);
    using _ = new Disk(sandbox.destination("small"), "1m");
    await sandbox.backUp();
    const stored = filesIn(sandbox.destination("small"));
    sandbox.write("bulk", noise(3 << 20));
    const report = await sandbox.run();
    assert.equal(report.status, 2);
    const [small, large] = report.snapshots[0]!.destinations;
    assert.equal(large?.status, "ok");
    assert.equal(small?.failure?.code, "storage-full");
    const path = join(
      sandbox.destination("small"),
      "m",
      `${report.snapshots[0]!.name}.tar.zst.age`,
    );
    const [, file, written, all] =
      /^Cannot store "(.*)": the disk is full, (\d+) of (\d+) bytes were written$/
        .exec(small.message) ?? [];
    assert.equal(file, path, small.message);
    assert.ok(Number(written) > 500_000 && Number(written) < 1 << 20, written);
    assert.ok(Number(all) > 2 << 20, all);
    assert.deepEqual(filesIn(sandbox.destination("small")), stored);
    assertTidy({ state: sandbox.state, destination: sandbox.destination("small") });
    await Deno.remove(join(sandbox.tree, "bulk"));
    sandbox.change();
    await sandbox.backUp();
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `a destination with any number of free pages or names keeps what it has${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    using disk = new Disk(sandbox.destination(), "256k,nr_inodes=14");
    sandbox.write("bulk", noise(30_000));
    await sandbox.backUp();
    let known = 1;
    const failures = new Set<string>();
    for (let free = 0; free < 14; free += SLOW ? 1 : 4) {
      for (const names of SLOW ? [1, 2, 3, 9] : [free === 4 ? 1 : 9]) {
        disk.leave(free, names);
        sandbox.write("bulk", noise(30_000));
        const { status, snapshots } = await sandbox.run();
        const [delivery] = snapshots[0]!.destinations;
        if (status === 0) known++;
        else {
          assert.equal(status, 2);
          assert.equal(delivery?.failure?.code, "storage-full", delivery?.message);
          assert.match(delivery.message, new RegExp(`"${sandbox.destination()}/m/.*disk is full`));
        }
        failures.add(delivery!.status);
        disk.leave(undefined, undefined);
        assertTidy({ state: sandbox.state, destination: sandbox.destination() });
        assert.equal((await sandbox.list()).length, known);
      }
    }
    assert.deepEqual([...failures].toSorted(), ["failed", "ok"]);
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `a state directory with any number of free pages fails a run in words or not at all` +
    unlessMounts,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    using disk = new Disk(join(sandbox.folder, "state"), "1m,nr_inodes=24");
    await sandbox.backUp();
    const outcomes = new Set<string>();
    for (let free = 0; free < 40; free += SLOW ? 1 : free < 9 ? 3 : 27) {
      disk.leave(free, free % 4 === 3 ? 1 : 9);
      sandbox.change();
      const outcome = await sandbox.run().then(
        ({ status, stages }) => ({
          status,
          failure: stages.find(({ status }) => status === "failed")?.failure,
        }),
        (error) => ({ status: 2, failure: error }),
      );
      const { status, failure } = outcome;
      outcomes.add(`${status}`);
      const where = `${free} pages: ${failure?.stack ?? failure?.message}`;
      if (status !== 0) {
        assert.equal(failure?.code, "storage-full", where);
        assert.ok(failure.message.includes(sandbox.state), where);
        assert.match(failure.message, /^Cannot .*disk is full/, where);
      }
      disk.leave(undefined, undefined);
      assertTidy({ state: sandbox.state, destination: sandbox.destination() });
    }
    assert.deepEqual([...outcomes].toSorted(), ["0", "2"]);
    sandbox.change();
    await sandbox.backUp();
    await sandbox.verifyAll();
    assert.deepEqual(await sandbox.restore(), sandbox.contents());
  },
});

Deno.test({
  name: `a catalog that takes no more loses nothing of what is told of a run${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    using disk = new Disk(join(sandbox.folder, "state"), "1m");
    await sandbox.backUp();
    // Before the delivery is noted, and after: when only the run's end is.
    for (const moment of ["stage-progress", "stage-finished"] as const) {
      sandbox.change();
      const report = await sandbox.run({
        listener(event) {
          const stage = "stage" in event ? event.stage : "report" in event ? event.report.id : "";
          if (event.type === moment && stage === "backups") disk.leave(0, undefined);
        },
      });
      disk.leave(undefined, undefined);
      assert.deepEqual([report.status, report.ok], [2, false], moment);
      const [delivery] = report.snapshots[0]!.destinations;
      assert.deepEqual([delivery?.status, delivery?.location], ["ok", sandbox.destination()]);
      assert.equal(report.failure?.code, "storage-full");
      assert.match(report.failure.message, /^Cannot use the catalog ".*": the disk is full$/);
      const json = runJson(report) as { failure: unknown; snapshots: { name: string }[] };
      assert.deepEqual(json.failure, report.failure);
      assert.equal((await sandbox.names()).at(-1), `m/${json.snapshots[0]!.name}`);
      const text = renderRun(report, undefined).join("\n");
      assert.match(text, /FAILED to note what was done: Cannot use the catalog/);
      assert.equal((await sandbox.run()).status, 0, moment);
    }
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `nothing is pruned by a run that could not note what it stored${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    const stages = (sandbox: Sandbox) => `${encrypted(sandbox)}\nkeep_last = 1\n`;
    using sandbox = await Sandbox.make(stages, FEW);
    using disk = new Disk(join(sandbox.folder, "state"), "1m");
    await sandbox.backUp();
    sandbox.change();
    const { status, pruned } = await sandbox.run({
      listener(event) {
        const stage = "stage" in event ? event.stage : "report" in event ? event.report.id : "";
        if (stage !== "backups") return;
        if (event.type === "stage-progress") disk.leave(0, undefined);
        if (event.type === "stage-finished") disk.leave(undefined, undefined);
      },
    });
    assert.deepEqual([status, pruned, (await sandbox.names()).length], [2, undefined, 2]);
  },
});

Deno.test({
  name: `a full disk under a restore is named with its bytes, and nothing is published` +
    unlessMounts,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { ...FEW, bulk: noise(3 << 20) });
    await sandbox.backUp();
    const directory = join(sandbox.folder, "target");
    using disk = new Disk(directory, "1m,nr_inodes=8");
    const restoring = () =>
      restoreSnapshot({ pipeline: sandbox.pipeline, snapshot: "latest", target: { directory } });
    const error = await rejection(restoring());
    assert.equal(error.code, "storage-full");
    assert.match(error.message, new RegExp(`^Cannot write "${directory}/.*": the disk is full`));
    assert.match(error.message, /\d+ (of \d+ )?bytes/);
    assert.deepEqual(namesIn(directory), []);
    disk.leave(undefined, 2);
    const other = await rejection(restoring());
    assert.equal(other.code, "storage-full");
    disk.leave(undefined, undefined);
    assert.deepEqual(namesIn(directory), []);
  },
});

Deno.test({
  name: `a restore takes no room for what it keeps${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { ...FEW, bulk: noise(3 << 20) });
    await Deno.link(join(sandbox.tree, "a.txt"), join(sandbox.tree, "name"));
    await sandbox.backUp();
    const directory = join(sandbox.folder, "target");
    using _ = new Disk(directory, "4m");
    const of = { pipeline: sandbox.pipeline, snapshot: "latest", target: { directory } };
    await restoreSnapshot(of);
    const lost = ["a.txt", "folder/b.txt"].map((name) => join(directory, "tree", name));
    for (const overwrite of ["never", "changed"] as const) {
      for (const path of lost) await Deno.remove(path);
      await restoreSnapshot({ ...of, overwrite });
      assert.deepEqual(lost.map((path) => Deno.readTextFileSync(path)), ["one", "two"]);
    }
  },
});

for (const target of ["in place", "elsewhere"] as const) {
  Deno.test({
    name:
      `a restore ${target} goes to all the disks that are mounted there, or to none${unlessMounts}`,
    ignore: !mounts,
    async fn() {
      const files = { ...FEW, "folder/deep/c.txt": "three", "other/d.txt": "four" };
      using sandbox = await Sandbox.make(encrypted, files);
      await Deno.link(join(sandbox.tree, "a.txt"), join(sandbox.tree, "folder", "name"));
      await Deno.symlink("b.txt", join(sandbox.tree, "folder", "link"));
      await sandbox.backUp();
      const before = filesIn(sandbox.tree);
      const directory = join(sandbox.folder, "target");
      const root = target === "in place" ? sandbox.tree : join(directory, "tree");
      await Deno.remove(sandbox.tree, { recursive: true });
      using _root = new Disk(root, "1m");
      using _folder = new Disk(join(root, "folder"), "1m");
      using _deep = new Disk(join(root, "folder", "deep"), "1m,ro");
      using _other = new Disk(join(root, "other"), "1m");
      const restoring = () =>
        restoreSnapshot({
          ...{ pipeline: sandbox.pipeline, snapshot: "latest" },
          target: target === "in place" ? "in-place" : { directory },
        });
      const error = await rejection(restoring());
      assert.match(error.message, /^Cannot restore to ".*deep": the file system is read-only$/);
      assert.deepEqual(namesIn(join(root, "other")), []);
      run("mount", "-o", "remount,rw", join(root, "folder", "deep"));
      const { targets, files: count } = await restoring();
      assert.deepEqual([targets, count], [[root], 4]);
      assert.deepEqual(filesIn(root), before);
      assert.equal(await Deno.readLink(join(root, "folder", "link")), "b.txt");
      assert.ok(![...filesIn(sandbox.folder).keys()].some((path) => path.includes(".keepsake-")));
    },
  });
}

Deno.test({
  name: `a destination or state that turns read-only is refused in words${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    using backups = new Disk(sandbox.destination(), "1m");
    using state = new Disk(join(sandbox.folder, "state"), "1m");
    await sandbox.backUp();
    const stored = filesIn(sandbox.destination());
    sandbox.change();
    await backups.remount("ro");
    const { status, snapshots } = await sandbox.run();
    assert.equal(status, 2);
    const [delivery] = snapshots[0]!.destinations;
    assert.equal(delivery?.failure?.code, "destination-refused");
    assert.match(delivery.message, /^Cannot .*: the file system is read-only/);
    await backups.remount("rw");
    await state.remount("ro");
    const error = await rejection(sandbox.run());
    assert.match(error.message, new RegExp(`^Cannot .*"${sandbox.state}.*read-only`));
    assert.deepEqual(filesIn(sandbox.destination()), stored);
    assert.equal((await sandbox.list()).length, 1);
    // What is remembered can still be read, and what cannot be noted is said.
    const { pipeline } = sandbox;
    assert.equal(statusOf(pipeline, new Date()).places.length, 1);
    const told: string[] = [];
    const listener: Listener = (event) => void (event.type === "log" && told.push(event.message));
    assert.ok((await verifySnapshots({ pipeline, listener })).ok);
    assert.match(told.join("\n"), /^Cannot .*read-only: what is found is not noted[^\n]*$/);
    const manifest = [...stored.keys()].find((name) => name.includes(".json."))!;
    await Deno.remove(join(sandbox.destination(), manifest));
    assert.equal((await verifySnapshots({ pipeline })).status, 4);
    await state.remount("rw");
    await sandbox.backUp();
  },
});

Deno.test({
  name: `what a repository holds comes back where the state has become read-only${unlessMounts}`,
  ignore: !mounts || !hasGit,
  async fn() {
    using sandbox = await Sandbox.make((sandbox) => {
      const remote = join(sandbox.folder, "backup.git");
      git("init", "--quiet", "--bare", remote);
      return sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }) +
        sandbox.stage("git", { remote, plaintext: true });
    }, FEW);
    using state = new Disk(join(sandbox.folder, "state"), "4m");
    await sandbox.backUp();
    await state.remount("ro");
    const target = { directory: join(sandbox.folder, "back") };
    const { pipeline } = sandbox;
    const { files } = await restoreSnapshot({ pipeline, snapshot: "latest", target });
    assert.equal(files, 2);
    await state.remount("rw");
  },
});

Deno.test({
  name: `bytes that a disk took and did not keep are noticed before anything is published` +
    unlessTraces,
  ignore: !traces,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, { ...FEW, bulk: noise(200_000) });
    await sandbox.backUp();
    const stored = filesIn(sandbox.destination());
    for (const file of ["0", "1"]) {
      sandbox.change();
      const path = join(sandbox.state, "spool", file);
      const { code, stderr } = await sandbox.keepsake(
        ["run"],
        trace("write", "write:retval=100:when=1", "-P", path),
      );
      assert.equal(code, 2, stderr);
      assert.match(stderr, /reads back differently, \d+ bytes with hash [0-9a-f]{16} for /);
      assert.deepEqual(filesIn(sandbox.destination()), stored);
    }
    await sandbox.backUp();
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `a folder that cannot be flushed takes back what it was flushed for${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    await sandbox.backUp();
    // Always, or from some time on: when the archive has its name, when the manifest has.
    for (const when of ["1+", "2+", "2"]) {
      const stored = filesIn(sandbox.destination());
      sandbox.change();
      const folder = join(sandbox.destination(), "m");
      const fault = trace("fsync", `fsync:error=EIO:when=${when}`, "-P", folder);
      const { code, stderr } = await sandbox.keepsake(["run"], fault);
      assert.ok(code === 2 || (code === 0 && when !== "1+"), `${when}: ${stderr}`);
      if (code === 2) assert.deepEqual(filesIn(sandbox.destination()), stored, when);
    }
    await sandbox.backUp();
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `whatever the system refuses, a run fails in words and loses nothing${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    await sandbox.backUp();
    const calls = ["fsync", "fdatasync", "rename", "link", "mkdir", "pwrite64", "ftruncate"];
    const errors = ["EIO", "EDQUOT", "EROFS", "EACCES"];
    const times = SLOW ? ["1", "2", "3", "1+"] : ["1+"];
    const cases = calls.flatMap((call) =>
      errors.flatMap((error) => times.map((when) => [call, error, when] as const))
    );
    const failing = new Set<string>();
    for (const [call, error, when] of cases.filter((_, index) => SLOW || index % 7 === 0)) {
      const stored = filesIn(sandbox.destination());
      sandbox.change();
      const fault = trace(call, `${call}:error=${error}:when=${when}`);
      const { code, stderr } = await sandbox.keepsake(["run"], fault);
      const what = `${call} ${error} ${when}: ${code} ${stderr}`;
      assert.ok([0, 2, 3].includes(code), what);
      if (code !== 0) {
        assert.match(stderr, /Cannot /, what);
        failing.add(call);
      }
      const now = filesIn(sandbox.destination());
      for (const [file, hash] of stored) assert.equal(now.get(file), hash, what);
      const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline });
      assert.deepEqual(verifications.map(({ status }) => status), ["ok"], what);
    }
    // Without these the disk was well all the time, and nothing was tried.
    for (const call of ["fsync", "pwrite64"]) assert.ok(failing.has(call), call);
    sandbox.change();
    const report = await sandbox.run();
    assert.deepEqual(complaints(report), []);
    assertTidy({ state: sandbox.state, destination: sandbox.destination() });
    await sandbox.verifyAll();
  },
});

Deno.test({
  name: `an identity that a full disk does not take is not left there in part${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using folder = new Folder();
    const path = join(folder.path, "disk", "identity.txt");
    using _ = new Disk(join(folder.path, "disk"), "4k");
    const error = await rejection(createPrivately(path, "key\n".repeat(9000), "another"));
    assert.equal(error.code, "storage-full");
    assert.ok(!exists(path));
  },
});

Deno.test({
  name: `a restore goes to a directory where another disk is mounted${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using sandbox = await Sandbox.make(encrypted, FEW);
    await sandbox.backUp();
    const directory = join(sandbox.folder, "target");
    using _ = new Disk(directory, "1m");
    const { pipeline } = sandbox;
    const { files } = await restoreSnapshot({
      pipeline,
      snapshot: "latest",
      target: { directory },
    });
    assert.equal(files, 2);
    assert.deepEqual([...filesIn(directory).keys()].length, 2);
  },
});

Deno.test({
  name: `a full disk under the copy of a database is named, and is no fault of that${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using tree = new SourceTree({ "root/a.txt": "a" });
    const database = tree.at("root/app.db");
    {
      using made = new DatabaseSync(database);
      made.exec("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(1000000))");
    }
    using _ = new Disk(tree.at("copies"), "256k");
    const selection = selectionOf([tree.at("root")], { databases: [database] });
    const error = await rejection(archiveOf(selection, { directory: tree.at("copies") }));
    assert.equal(error.code, "storage-full");
    assert.match(error.message, /^Cannot copy a database to ".*\/copies\/.*": the disk is full$/);
  },
});

Deno.test({
  name:
    `a full disk under what preserve keeps ends it, and leaves nothing unfinished${unlessMounts}`,
  ignore: !mounts,
  async fn() {
    using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "from/p/2.jsonl": noise(1 << 20) });
    using _ = new Disk(tree.at("to"), "256k");
    const error = await rejection(runStage(preserving(tree)));
    assert.equal(error.code, "storage-full");
    assert.match(error.message, /^Cannot keep copies in ".*\/to": the disk is full$/);
    assert.deepEqual(keptIn(tree), ["p/1.jsonl"]);
  },
});

Deno.test({
  name: `preserve names a file that breaks while it is read, and keeps the rest${unlessTraces}`,
  ignore: !traces,
  fn() {
    using tree = new SourceTree({ "from/p/1.jsonl": "one\n", "from/p/2.jsonl": "two\n" });
    const path = tree.at("from/p/2.jsonl");
    const fault = trace("read", "read:error=EIO", "-P", path);
    const { result } = JSON.parse(run(...fault, ...childFor(preserving(tree))));
    assert.deepEqual(result.unreadable, [{ path, reason: "input/output error" }]);
    assert.deepEqual(keptIn(tree), ["p/1.jsonl"]);
  },
});

Deno.test({
  name:
    `preserve flushes what it keeps before that gets its name, and names at last${unlessTraces}`,
  ignore: !traces,
  fn() {
    using tree = new SourceTree({ "from/p/1.jsonl": "one\n" });
    const keep = () => {
      const log = tree.at("log");
      const words = ["-f", "-y", "-qq", "-o", log, "-e", "trace=fsync,rename"];
      run("strace", ...words, ...childFor(preserving(tree)));
      return Deno.readTextFileSync(log).split("\n").flatMap((line) => {
        const [, call, ...names] =
          /^\d+ +(fsync|rename)\(.*?\/to(\/[^"<>]*)?[">](?:.*\/to(\/[^"<>]*)")?/.exec(line) ?? [];
        return call === undefined ? [] : [`${call} ${names.at(-1) ?? names[0] ?? "/"}`];
      }).map((line) => line.replace(/\/unfinished\/\w{8}/, "/unfinished"));
    };
    assert.deepEqual(keep(), [
      "fsync /.keepsake/unfinished/p/1.jsonl",
      "rename /p/1.jsonl",
      "fsync /",
      "fsync /.keepsake",
      "fsync /p",
    ]);
    tree.write("from/p/1.jsonl", "another\n");
    assert.deepEqual(keep(), [
      "fsync /.keepsake/versions/p/1.jsonl",
      "fsync /.keepsake/versions/p",
      "fsync /.keepsake/versions",
      "fsync /.keepsake",
      "fsync /.keepsake/unfinished/p/1.jsonl",
      "rename /p/1.jsonl",
      "fsync /.keepsake",
      "fsync /p",
    ]);
  },
});

/** `strace` with a fault in one call. */
function trace(call: string, fault: string, ...more: readonly string[]): string[] {
  const options = ["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${call}`];
  return ["strace", ...options, "-e", `inject=${fault}`, ...more];
}

/** Keeps a copy of `from` in `to`. */
function preserving(tree: SourceTree): StageJob {
  const options = { from: tree.at("from"), to: tree.at("to") };
  return { use: "preserve", operation: "run", options };
}

function keptIn(tree: SourceTree): string[] {
  return [...filesIn(tree.at("to")).keys()].filter((path) => path !== ".keepsake/lock").toSorted();
}

/** Two destinations, of which `small` comes first. */
function twoDestinations(sandbox: Sandbox): string {
  return encrypted(sandbox).replace(
    sandbox.stage("local", { id: "backups", path: sandbox.destination() }),
    [
      sandbox.stage("local", { id: "small", path: sandbox.destination("small") }),
      sandbox.stage("local", { id: "large", path: sandbox.destination("large") }),
    ].join(""),
  );
}

const PAGE = 4096;

/** How long files may take to be closed. */
const PATIENCE_MS = 10_000;

/** A small disk in memory, mounted on a directory. */
class Disk implements Disposable {
  readonly #path: string;

  constructor(path: string, options: string) {
    this.#path = path;
    Deno.mkdirSync(path, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", `size=${options}`, "none", path);
  }

  /** Fills it up so that this many pages and names are left; `undefined`: all that there were. */
  leave(pages: number | undefined, names: number | undefined): void {
    const filler = join(this.#path, ".filler");
    if (exists(filler)) Deno.removeSync(filler, { recursive: true });
    if (names !== undefined) {
      Deno.mkdirSync(filler);
      const left = this.#free("%d") - names - (pages === undefined ? 0 : 1);
      for (let name = 0; name < left; name++) Deno.writeTextFileSync(join(filler, `${name}`), "");
    }
    if (pages !== undefined) {
      Deno.mkdirSync(filler, { recursive: true });
      const size = (this.#free("%a") - pages) * PAGE;
      Deno.writeFileSync(join(filler, "bytes"), new Uint8Array(Math.max(size, 0)));
    }
  }

  /** A worker that was ended closes its files a moment later: until then, the disk is busy. */
  async remount(mode: "ro" | "rw"): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (opensBelow(this.#path) && performance.now() < end) await takeTurn();
    run("mount", "-o", `remount,${mode}`, this.#path);
  }

  [Symbol.dispose](): void {
    // Lazily: whoever has a file open there, a test that failed, is in nobody's way.
    run("umount", "-l", this.#path);
  }

  /** Free pages (`%a`) or names (`%d`). */
  #free(what: string): number {
    return Number(run("stat", "-f", "-c", what, this.#path));
  }
}

function run(program = "", ...args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Whether this process has a file open below a directory. */
function opensBelow(directory: string): boolean {
  return Array.from(Deno.readDirSync("/proc/self/fd")).some(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${directory}/`);
    } catch {
      return false; // Closed since.
    }
  });
}

async function canMount(): Promise<boolean> {
  const path = await Deno.makeTempDir();
  try {
    if (!await works("mount", "-t", "tmpfs", "-o", "size=64k", "none", path)) return false;
    return await works("umount", path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}
