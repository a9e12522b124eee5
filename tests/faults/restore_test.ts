/** Restores that fail or are killed while they put things into place. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { works } from "../platform/probe.ts";
import { contentsOf, exists, filesIn, namesIn, rejection, Sandbox, SLOW } from "./harness.ts";

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

const FILES = { "a.txt": "one", "folder/b.txt": "two", "folder/c.txt": "three" };

/** Two directories, of which one has a link in it. */
async function twoRoots(): Promise<Sandbox> {
  const sandbox = await Sandbox.make((sandbox) => {
    const other = join(sandbox.folder, "other");
    return [
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree, other] }),
      sandbox.stage("encrypt", { to: [sandbox.recipient] }),
      sandbox.stage("local", { id: "backups", path: sandbox.destination() }),
    ].join("");
  }, FILES);
  await Deno.mkdir(join(sandbox.folder, "other"));
  await Deno.writeTextFile(join(sandbox.folder, "other", "d.txt"), "four");
  await Deno.symlink("a.txt", join(sandbox.tree, "link"));
  await sandbox.backUp();
  // Deno renames files of its own when it meets a module for the first time: these words are read by
  // the library, and load whatever plain ones do.
  const words = ["--overwrite", "never", "--to", join(sandbox.folder, "target")];
  await sandbox.keepsake(["restore", "--dry-run", ...words]);
  return sandbox;
}

for (const overwrite of ["never", "always"] as const) {
  Deno.test({
    name: `a restore that fails halfway leaves all as it was, with --overwrite ${overwrite}` +
      unlessTraces,
    ignore: !traces,
    async fn() {
      using sandbox = await twoRoots();
      const directory = join(sandbox.folder, "target");
      let whole = false;
      let failures = 0;
      const step = SLOW || overwrite === "never" ? 1 : 2;
      // Directories are renamed; files get a second name, and lose the first.
      for (const call of overwrite === "never" ? ["rename"] : ["rename", "linkat", "unlink"]) {
        whole = false;
        // The first gives the lock its name.
        for (let when = call === "rename" ? 2 : 1; !whole && when < 20; when += step) {
          if (overwrite === "always") {
            await Deno.mkdir(join(directory, "tree", "folder"), { recursive: true });
            await Deno.writeTextFile(join(directory, "tree", "folder", "b.txt"), "older");
            await Deno.writeTextFile(join(directory, "tree", "link"), "no link");
          }
          const before = exists(directory) ? contentsOf(directory) : [];
          const { code, stderr } = await sandbox.keepsake(
            ["restore", "--to", directory, "--overwrite", overwrite],
            trace(call, `${call}:error=EIO:when=${when}`),
          );
          whole = code === 0;
          if (whole) continue;
          failures++;
          assert.equal(code, 2, stderr);
          const words = /Cannot restore to ".*": its disk .* at ".*"; everything there is as/;
          assert.match(stderr, words);
          assert.deepEqual(exists(directory) ? contentsOf(directory) : [], before, `${when}`);
          assert.deepEqual(leftovers(sandbox.folder), []);
        }
      }
      assert.ok(whole && failures > 1, `${failures} failures`);
      assert.deepEqual(contentsOf(join(directory, "tree")), sandbox.contents());
      assert.equal(Deno.readTextFileSync(join(directory, "other", "d.txt")), "four");
    },
  });
}

Deno.test("a restore leaves what a program writes while it unpacks, and says so", async () => {
  using sandbox = await twoRoots();
  await Deno.remove(sandbox.tree, { recursive: true });
  const restoring = () => {
    let isWritten = false;
    return restoreSnapshot({
      ...{ pipeline: sandbox.pipeline, snapshot: "latest", target: "in-place" },
      listener({ type }) {
        if (type !== "stage-progress" || isWritten) return;
        isWritten = true;
        sandbox.write("session", "new");
        sandbox.write("a.txt", "new");
      },
    });
  };
  const { code, message } = await rejection(restoring());
  assert.equal(code, "target-refused");
  assert.match(
    message,
    /: something was written meanwhile at ".*a\.txt"; it stays, and everything/,
  );
  assert.deepEqual(namesIn(sandbox.tree), ["a.txt", "session"]);
  await restoring();
  assert.deepEqual(namesIn(sandbox.tree), ["a.txt", "folder", "link", "session"]);
  for (const name of ["a.txt", "session"]) {
    assert.equal(await Deno.readTextFile(join(sandbox.tree, name)), "new");
  }
});

Deno.test({
  name: `a restore to a file system without links brings all but those, and names them` +
    unlessTraces,
  ignore: !traces,
  async fn() {
    using sandbox = await twoRoots();
    await Deno.link(join(sandbox.tree, "a.txt"), join(sandbox.tree, "name"));
    await sandbox.backUp();
    const directory = join(sandbox.folder, "target");
    await Deno.mkdir(join(directory, "tree"), { recursive: true });
    for (const name of ["a.txt", "link"]) {
      await Deno.writeTextFile(join(directory, "tree", name), "mine");
    }
    const words = ["restore", "--overwrite", "always", "--to", directory];
    const calls = "link,linkat,symlink,symlinkat";
    const { code, stderr } = await sandbox.keepsake(words, trace(calls, `${calls}:error=EPERM`));
    assert.equal(code, 2, stderr);
    assert.match(stderr, /left out 1 link: the file system there knows no such\n {4}tree\/link\n/);
    assert.match(stderr, /Made a file of its own of what was another name of one, at ".*\/name"\n/);
    const texts = ["a.txt", "name", "link"].map((name) =>
      Deno.readTextFileSync(join(directory, "tree", name))
    );
    assert.deepEqual(texts, ["one", "one", "mine"]);
    const there = filesIn(join(directory, "tree"));
    assert.deepEqual([...there.keys()].sort(), [
      ...["a.txt", "folder/b.txt", "folder/c.txt", "link", "name"],
    ]);
    assert.deepEqual(leftovers(sandbox.folder), []);
  },
});

Deno.test("a restore of a part brings a name of a file back, and not the others that it had", async () => {
  using sandbox = await twoRoots();
  const other = join(sandbox.folder, "other");
  await Deno.link(join(sandbox.tree, "a.txt"), join(other, "second"));
  await Deno.link(join(sandbox.tree, "a.txt"), join(other, "third"));
  await sandbox.backUp();
  const of = { pipeline: sandbox.pipeline, snapshot: "latest" };
  const target = { directory: join(sandbox.folder, "target") };
  const { targets, files } = await restoreSnapshot({ ...of, target, path: "other/*d" });
  assert.deepEqual(targets, [join(target.directory, "other")]);
  assert.equal(files, 1);
  assert.deepEqual(namesIn(target.directory), ["other"]);
  assert.deepEqual(namesIn(targets[0]!), ["second", "third"]);
  const [second, third] = ["second", "third"].map((name) => join(targets[0]!, name));
  assert.equal(await Deno.readTextFile(second!), "one");
  assert.equal((await Deno.stat(second!)).ino, (await Deno.stat(third!)).ino);
  // In its place as well, where the first name is another file by now.
  await Deno.remove(join(sandbox.tree, "a.txt"));
  await Deno.writeTextFile(join(sandbox.tree, "a.txt"), "mine");
  await Deno.writeTextFile(join(other, "second"), "worse");
  for (const overwrite of ["changed", "always"] as const) {
    await restoreSnapshot({ ...of, target: "in-place", path: "other/second", overwrite });
    assert.equal(await Deno.readTextFile(join(sandbox.tree, "a.txt")), "mine");
    assert.equal(await Deno.readTextFile(join(other, "second")), "one");
  }
  assert.deepEqual(leftovers(sandbox.folder), []);
});

Deno.test("a restore of a part brings names of files in other roots, and roots that are files", async () => {
  using sandbox = await Sandbox.make((sandbox) => {
    const roots = ["A", "B", "x/one", "y/two"].map((name) => join(sandbox.folder, name));
    return sandbox.stage("snapshot", { id: "m", paths: roots }) +
      sandbox.stage("local", { path: sandbox.destination(), plaintext: true });
  }, {});
  const at = (...names: string[]) => join(sandbox.folder, ...names);
  for (const folder of ["A", "B", "x", "y"]) await Deno.mkdir(at(folder));
  await Deno.writeTextFile(at("A", "a"), "one");
  for (const name of ["b", "c"]) await Deno.link(at("A", "a"), at("B", name));
  await Deno.writeTextFile(at("x", "one"), "two");
  await Deno.link(at("x", "one"), at("y", "two"));
  await sandbox.backUp();
  const of = { pipeline: sandbox.pipeline, snapshot: "latest" };
  const cases = [["B/b", ["B/b"]], ["B/*", ["B/b", "B/c"]], ["B", ["B/b", "B/c"]], ["two", [
    "two",
  ]]];
  for (const [index, [path, wanted]] of cases.entries()) {
    const directory = at(`target-${index}`);
    await restoreSnapshot({ ...of, path: path as string, target: { directory } });
    assert.deepEqual([...filesIn(directory).keys()].sort(), wanted, path as string);
  }
  await Deno.remove(at("B"), { recursive: true });
  await Deno.remove(at("y", "two"));
  for (const path of ["B/*", "two"]) await restoreSnapshot({ ...of, path, target: "in-place" });
  assert.equal(await Deno.readTextFile(at("B", "c")), "one");
  assert.equal(await Deno.readTextFile(at("y", "two")), "two");
});

Deno.test({
  name: `a restore that can go neither on nor back says what stands where${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await twoRoots();
    const directory = join(sandbox.folder, "target");
    const { code, stderr } = await sandbox.keepsake(
      ["restore", "--to", directory],
      trace("rename", "rename:error=EIO:when=3+"),
    );
    assert.equal(code, 2, stderr);
    const [, stuck, aside] = /could not be taken back: "(.*?)"; the rest.*, is in "(.*?)"\n/
      .exec(stderr) ?? [];
    assert.deepEqual(namesIn(directory).map((name) => join(directory, name)), [stuck], stderr);
    assert.deepEqual(namesIn(aside!), ["1"]);
  },
});

Deno.test({
  name: `a restore removes what one that was killed had left, and nothing of one that lives` +
    unlessTraces,
  ignore: !traces,
  async fn() {
    using sandbox = await twoRoots();
    const directory = join(sandbox.folder, "target");
    await sandbox.keepsake(
      ["restore", "--to", directory],
      trace("rename", "rename:signal=KILL:when=2"),
    );
    assert.equal(leftovers(sandbox.folder).length, 1);
    const strange = join(sandbox.folder, ".keepsake-restore-strange");
    await Deno.mkdir(strange);
    const target = { directory };
    const { pipeline } = sandbox;
    const messages: string[] = [];
    // The second begins while the first is at work, and must leave it in peace.
    let second: Promise<unknown> | undefined;
    await restoreSnapshot({
      pipeline,
      snapshot: "latest",
      target,
      listener(event) {
        if (event.type === "log") messages.push(event.message);
        const other = { directory: join(sandbox.folder, "second") };
        second ??= event.type === "stage-started"
          ? restoreSnapshot({ pipeline, snapshot: "latest", target: other })
          : undefined;
      },
    });
    await second;
    assert.match(messages.join("\n"), /^Removed ".*": a restore that was killed had left it$/);
    assert.deepEqual(leftovers(sandbox.folder), [".keepsake-restore-strange"]);
    for (const name of ["target", "second"]) {
      const restored = contentsOf(join(sandbox.folder, name, "tree"));
      assert.deepEqual(restored, sandbox.contents());
    }
  },
});

Deno.test({
  name:
    `a restore leaves what one that was killed halfway had replaced, and says where${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await twoRoots();
    const directory = join(sandbox.folder, "target");
    const mine = join(directory, "tree", "a.txt");
    await Deno.mkdir(join(directory, "tree"), { recursive: true });
    await Deno.writeTextFile(mine, "newer than the snapshot");
    const words = ["restore", "--to", directory, "--overwrite", "always"];
    // After the file was taken away.
    await sandbox.keepsake(words, trace("linkat", "linkat:signal=KILL:when=1"));
    const [left, ...others] = leftovers(sandbox.folder);
    assert.deepEqual(others, []);
    for (let again = 0; again < 2; again++) {
      const { code, stderr } = await sandbox.keepsake(words);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Kept ".*": a restore that was killed halfway had put there what it/);
      const list = await Deno.readTextFile(join(sandbox.folder, left!, "replaced.jsonl"));
      const [{ name, was }] = list.trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(was, mine);
      const kept = await Deno.readTextFile(join(sandbox.folder, left!, name));
      assert.equal(kept, "newer than the snapshot");
    }
    assert.deepEqual(leftovers(sandbox.folder), [left]);
  },
});

/** Root may do everything, unless it gives that up. */
const AS_MORTAL = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-all"] : [];

Deno.test({
  name: "a restore says which path may not be read or written to, and leaves all as it was" +
    (Deno.uid() === 0 ? "" : " (ignored: only root can back up what nobody may read)"),
  ignore: Deno.uid() !== 0,
  async fn() {
    using sandbox = await twoRoots();
    await Deno.chmod(join(sandbox.tree, "folder", "c.txt"), 0);
    await sandbox.backUp();
    const directory = join(sandbox.folder, "target");
    const words = (overwrite: string) => ["restore", "--to", directory, "--overwrite", overwrite];
    assert.equal((await sandbox.keepsake(words("changed"))).code, 0);
    const folder = join(directory, "tree", "folder");
    const cases = [["changed", "c.txt", 0o755], ["always", "b.txt", 0o555]] as const;
    for (const [overwrite, name, mode] of cases) {
      await Deno.chmod(folder, mode);
      const { code, stderr } = await sandbox.keepsake(words(overwrite), AS_MORTAL);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /permission denied/);
      assert.ok(stderr.includes(`"${join(folder, name)}"`), stderr);
      assert.deepEqual(namesIn(folder), ["b.txt", "c.txt"]);
    }
  },
});

Deno.test({
  name: `a file system without permissions is told of in a sentence, not for each directory` +
    unlessTraces,
  ignore: !traces,
  async fn() {
    using sandbox = await twoRoots();
    const calls = "chmod,fchmodat";
    const { code, stderr } = await sandbox.keepsake(
      ["restore", "--to", join(sandbox.folder, "target")],
      trace(calls, `${calls}:error=EPERM`),
    );
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/Cannot give/g)?.length, 1, stderr);
    assert.match(stderr, /^Warning: Cannot give ".*", and 2 more, their time and permissions: /m);
  },
});

Deno.test("what is there is restored in place where nobody may write beside it", async () => {
  const inside = (sandbox: Sandbox) => join(sandbox.folder, "all", "homes", "mine");
  using sandbox = await Sandbox.make((sandbox) => {
    const paths = [inside(sandbox), join(inside(sandbox), "..", "file")];
    return sandbox.stage("snapshot", { id: "m", paths }) +
      sandbox.stage("local", { path: sandbox.destination(), plaintext: true });
  });
  const home = inside(sandbox);
  await Deno.mkdir(join(home, "folder"), { recursive: true });
  await Deno.writeTextFile(join(home, "..", "file"), "one");
  await Deno.writeTextFile(join(home, "folder", "a.txt"), "two");
  await sandbox.backUp();
  await Deno.remove(join(home, "folder"), { recursive: true });
  const above = [join(home, "..", ".."), join(home, "..")];
  for (const path of above) await Deno.chmod(path, 0o555);
  const { code, stderr } = await sandbox.keepsake(["restore", "--in-place"], AS_MORTAL);
  for (const path of above) await Deno.chmod(path, 0o755);
  assert.equal(code, 0, stderr);
  assert.equal(await Deno.readTextFile(join(home, "folder", "a.txt")), "two");
  assert.deepEqual(namesIn(home), ["folder"]);
});

Deno.test("nothing is restored into a directory that holds backups", async () => {
  using sandbox = await twoRoots();
  const before = filesIn(sandbox.destination());
  const link = join(sandbox.folder, "link");
  await Deno.symlink(sandbox.destination(), link);
  for (const directory of [sandbox.destination(), join(link, "new", "folder")]) {
    for (const more of [[], ["--from", sandbox.destination()], ["--dry-run"]]) {
      const { code, stderr } = await sandbox.keepsake(["restore", "--to", directory, ...more]);
      assert.equal(code, 3, stderr);
      assert.match(stderr, /Cannot restore to ".*": backups are kept in ".*"/);
    }
  }
  // A root may have the name of the directory that holds backups.
  const namesake = join(sandbox.folder, "other", "tree");
  await Deno.rename(sandbox.destination(), namesake);
  const from = ["--from", namesake, "--identity", sandbox.identityFile];
  const parent = ["restore", "--to", join(sandbox.folder, "other"), ...from];
  const { code, stderr } = await sandbox.keepsake(parent);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /Cannot restore to ".*tree": backups are kept in ".*tree"/);
  assert.deepEqual(filesIn(namesake), before);
});

Deno.test("a file that has another mode counts as changed", async () => {
  using sandbox = await twoRoots();
  const directory = join(sandbox.folder, "target");
  const words = ["restore", "--to", directory, "--overwrite", "changed"];
  assert.equal((await sandbox.keepsake(words)).code, 0);
  const file = join(directory, "tree", "a.txt");
  const { mode } = await Deno.stat(file);
  await Deno.chmod(file, 0o666);
  assert.equal((await sandbox.keepsake(words)).code, 0);
  assert.equal((await Deno.stat(file)).mode, mode);
});

Deno.test("a restore to what cannot be written to is refused in words", async () => {
  using sandbox = await twoRoots();
  const target = { directory: "/proc/keepsake" };
  const restoring = restoreSnapshot({ pipeline: sandbox.pipeline, snapshot: "latest", target });
  assert.doesNotMatch((await rejection(restoring)).message, /os error/);
});

function leftovers(folder: string): string[] {
  return namesIn(folder).filter((name) => name.startsWith(".keepsake-restore-"));
}

function trace(call: string, fault: string): string[] {
  const options = ["-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`];
  return ["strace", ...options, "-e", `inject=${fault}`];
}
