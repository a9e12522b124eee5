/** The `git` stage in its own worker, with a bare repository on this machine as its remote. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathsFor } from "../../stages/formats/git/content.ts";
import { parseAddress } from "../../stages/formats/git/remote.ts";
import { rejection } from "../faults/harness.ts";
import { git, GitPlace, hasGit, works } from "../stages/git_harness.ts";
import { childFor } from "../stages/harness.ts";

const NAME = "claude/20260102T030405Z-0123456789ab";
const ARCHIVE = `${NAME}.tar.zst.age`;
const MANIFEST = `${NAME}.json.zst.age`;
const LATER = "claude/20260103T030405Z-0123456789ab";

const traces = works("strace", "-V");
const unlessTraced = traces ? "" : " (ignored: strace is not installed)";
const unlessGit = hasGit ? "" : " (ignored: there is no git)";

/** A test that needs git. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${unlessGit}`, ignore: !hasGit, fn });
}

Deno.test("no more parts are made than there are numbers for", () => {
  assert.equal(pathsFor("m/a.tar", 9999, 1).length, 9999);
  const refusal = { code: "destination-refused", message: /more than 9999 parts of max_file$/ };
  assert.throws(() => pathsFor("m/a.tar", 10_000, 1), refusal);
});

function pair(place: GitPlace, name = NAME, content = "archive") {
  return [
    place.file(`${name}.tar.zst.age`, content),
    place.file(`${name}.json.zst.age`, "manifest"),
  ];
}

test("git stores archive and manifest as one commit of its own identity", async () => {
  using place = new GitPlace();
  const { location, bytes, placeBytes } = await place.store(pair(place), { message: "A word" });
  assert.equal(location, `${place.bare}#main`);
  assert.equal(bytes, 15);
  assert.ok(placeBytes! > 0);
  assert.equal(place.commits(), 1);
  assert.equal(place.git("show", `main:${ARCHIVE}`), "archive");
  const [author, committer, subject, body] = place.git("log", "-1", "--format=%an%n%cn%n%s%n%b")
    .split("\n");
  assert.deepEqual([author, committer], ["Keepsake", "Keepsake"]);
  assert.deepEqual([subject, body], ["A word", NAME]);
});

test("git lists and fetches what a stock git pushed and what it pushed itself", async () => {
  using place = new GitPlace();
  assert.deepEqual(await place.list(), []);
  await place.store(pair(place));
  assert.deepEqual(await place.list(), [`${MANIFEST} 8`, `${ARCHIVE} 7`]);
  assert.equal(text(await place.fetch(ARCHIVE)), "archive");
  place.pushAsOther("README.md", "mine");
  assert.deepEqual(await place.list(), [`${MANIFEST} 8`, `${ARCHIVE} 7`]);
});

test("git makes no commit when nothing is new", async () => {
  using place = new GitPlace();
  for (let run = 0; run < 3; run++) await place.store(pair(place));
  assert.equal(place.commits(), 1);
});

test("git puts its commit on top of what somebody else pushed, and forces nothing", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  place.pushAsOther("README.md", "mine");
  await place.store(pair(place, LATER));
  assert.equal(place.commits(), 3);
  assert.equal(place.git("show", "main:README.md"), "mine");
  assert.equal((await place.list()).length, 4);
});

test("git divides files that are too long, and puts them together again", async () => {
  using place = new GitPlace({ max_file: "3B" });
  const parts = ["0001", "0002", "0003"].map((number) => `${ARCHIVE}.part-${number}`);
  await place.store(pair(place));
  const names = place.git("ls-tree", "-r", "--name-only", "main").split("\n");
  assert.deepEqual(names.filter((name) => name.startsWith(ARCHIVE)), parts);
  assert.deepEqual(await place.list(), [`${MANIFEST} 8`, `${ARCHIVE} 7`]);
  assert.equal(text(await place.fetch(ARCHIVE)), "archive");
  const clone = join(place.path, "stock");
  git("clone", "--quiet", place.bare, clone);
  const joined = parts.map((name) => git("-C", clone, "show", `HEAD:${name}`)).join("");
  assert.equal(joined, "archive");
});

test("git says that a branch is not there where there must be one", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  const error = await rejection(place.fetch(ARCHIVE, { options: { branch: "other" } }));
  assert.equal(error.code, "snapshot-missing");
});

test("git takes files off the tip, says that history keeps them, and touches no other", async () => {
  using place = new GitPlace();
  const work = "claude-work/20260102T030405Z-0123456789ab";
  for (const name of [NAME, LATER, work]) await place.store(pair(place, name));
  const logs: string[] = [];
  const onLog = (_: string, message: string) => void logs.push(message);
  await place.remove([ARCHIVE, MANIFEST], { call: { onLog } });
  assert.deepEqual((await place.list()).map((line) => line.split(" ")[0]), [
    `${work}.json.zst.age`,
    `${work}.tar.zst.age`,
    `${LATER}.json.zst.age`,
    `${LATER}.tar.zst.age`,
  ]);
  assert.match(logs.join(), /history of .* keeps what was removed/);
  assert.equal(place.git("show", `main~1:${ARCHIVE}`), "archive");
});

test("git refuses to put a file in the place of another", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  const error = await rejection(place.store(pair(place, NAME, "another")));
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /another file has that name/);
  assert.equal(place.git("show", `main:${ARCHIVE}`), "archive");
});

test("git warns when the repository is past its budget", async () => {
  using place = new GitPlace({ budget: "1B" });
  const logs: string[] = [];
  const onLog = (level: string, message: string) => void (level === "warn" && logs.push(message));
  await place.store(pair(place), { call: { onLog } });
  assert.match(logs.join(), /has \d+ bytes, more than 1$/);
});

test("git counts what it puts into a repository one by one", async () => {
  using place = new GitPlace();
  const noise = new Uint8Array(50_000);
  crypto.getRandomValues(noise);
  const { placeBytes } = await place.store([place.file(ARCHIVE, noise)]);
  assert.ok(placeBytes! > noise.length, `${placeBytes} bytes`);
});

test("git names what is in the way of a branch, and not the advice that follows it", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  await Deno.writeTextFile(join(place.bare, "refs", "heads", "main.lock"), "");
  const error = await rejection(place.store(pair(place, LATER)));
  assert.match(
    error.message,
    /^Cannot push to ".*": it answers "\[remote rejected\] .*main\.lock': File exists/,
  );
  assert.doesNotMatch(error.message, /remove the file|failed to push some refs/);
});

test("git keeps what it had brought to read no longer than until the next look", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  await place.fetch(ARCHIVE);
  const fresh = join(place.folder, "fresh");
  assert.equal((await Array.fromAsync(Deno.readDir(fresh))).length, 1);
  await place.list();
  assert.deepEqual(await Array.fromAsync(Deno.readDir(fresh)), []);
});

test("git reads its own address back where a # is in the path", async () => {
  using place = new GitPlace();
  const remote = join(place.path, "disk #1", "repo.git");
  git("init", "--quiet", "--bare", "--initial-branch=main", remote);
  const { location } = await place.store(pair(place), { options: { remote } });
  assert.deepEqual(parseAddress(location), { remote, branch: "main" });
});

Deno.test({
  name: `git has a repository on this machine flush what it confirms${unlessTraced}`,
  ignore: !hasGit || !traces,
  async fn() {
    using place = new GitPlace();
    const log = join(place.path, "calls");
    const [program, ...args] = childFor({
      ...{ use: "git", operation: "run", options: place.options, folder: place.folder },
      context: { files: pair(place), owner: "test" },
      grants: { read: [place.spool], write: [place.spool] },
    });
    const traced = ["-f", "-y", "-e", "trace=fsync,fdatasync", "-o", log, program, ...args];
    assert.ok(works("strace", ...traced));
    const flushed = await Deno.readTextFile(log);
    for (const name of ["refs/heads/main.lock", `objects/.*/tmp_obj_`]) {
      assert.match(flushed, new RegExp(`sync\\(\\d+<${place.bare}/(\\./)?${name}`));
    }
  },
});

test("git says nothing of its own in what a remote has against a push", async () => {
  using place = new GitPlace();
  const other = join(place.path, "other.git");
  git("init", "--quiet", "--bare", other);
  await Deno.mkdir(join(place.bare, "objects", "info"), { recursive: true });
  const alternates = join(place.bare, "objects", "info", "alternates");
  await Deno.writeTextFile(alternates, join(other, "objects") + "\n");
  place.git("config", "receive.hideRefs", "refs/heads");
  const error = await rejection(place.store(pair(place)));
  assert.match(error.message, /Cannot push to ".*": .*hidden ref/);
  assert.doesNotMatch(error.message, /cannot run/);
});

test("git says that an empty repository does not name its objects by SHA-1", async () => {
  using place = new GitPlace();
  await Deno.remove(place.bare, { recursive: true });
  git("init", "--quiet", "--bare", "--object-format=sha256", place.bare);
  const error = await rejection(place.store(pair(place)));
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /Cannot reach ".*": it does not name its objects by SHA-1$/);
});

test("git stores in a repository that has lost its past", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  await place.store(pair(place, LATER));
  await Deno.rename(place.bare, `${place.bare}.whole`);
  git("clone", "--quiet", "--bare", "--depth=1", `file://${place.bare}.whole`, place.bare);
  const next = LATER.replace("0103", "0104");
  await Deno.remove(place.folder, { recursive: true });
  assert.equal((await place.list()).length, 4);
  await place.store(pair(place, next));
  assert.equal((await place.list()).length, 6);
  assert.equal(text(await place.fetch(ARCHIVE)), "archive");
  await Deno.remove(place.folder, { recursive: true });
  await place.store(pair(place, next.replace("0104", "0105")));
  assert.equal((await place.list()).length, 8);
  assert.equal(place.git("fsck", "--full", "--strict"), "");
});

test("git tells what a remote has against a push, and leaves it as it is", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  // Hooks of a remote on this machine do not run; its settings hold.
  place.git("config", "receive.denyNonFastForwards", "true");
  place.git("config", "receive.maxInputSize", "10");
  const error = await rejection(place.store(pair(place, LATER)));
  assert.match(error.message, /Cannot (push to|reach) ".*": .*(exceeds|unpack)/);
  assert.equal(place.commits(), 1);
});

test("git says so when there is no repository", async () => {
  using place = new GitPlace({ remote: "/nowhere/at/all.git" });
  const error = await rejection(place.list());
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /there is no such repository/);
});

for (
  const [fault, harm] of Object.entries<(clone: string) => void>({
    "is gone": (clone) => Deno.removeSync(clone, { recursive: true }),
    "is half made": (clone) => Deno.removeSync(join(clone, "HEAD")),
    "is empty": (clone) => {
      Deno.removeSync(clone, { recursive: true });
      Deno.mkdirSync(clone);
    },
    "is a file": (clone) => {
      Deno.removeSync(clone, { recursive: true });
      Deno.writeTextFileSync(clone, "");
    },
    "has a file for its refs": (clone) => {
      Deno.removeSync(join(clone, "refs", "keepsake"), { recursive: true });
      Deno.writeTextFileSync(join(clone, "refs", "keepsake"), "");
    },
    "has a file for its packs": (clone) => {
      Deno.removeSync(join(clone, "objects", "pack"), { recursive: true });
      Deno.writeTextFileSync(join(clone, "objects", "pack"), "");
    },
    "has stale locks": (clone) => {
      const locks = ["index.lock", "packed-refs.lock", "config.lock", "HEAD.lock", "shallow.lock"];
      for (const name of locks) Deno.writeTextFileSync(join(clone, name), "");
    },
    "has lost its objects": (clone) => {
      Deno.removeSync(join(clone, "objects"), { recursive: true });
      Deno.mkdirSync(join(clone, "objects"));
    },
    "has damaged packs": (clone) => {
      for (const { name } of Deno.readDirSync(join(clone, "objects", "pack"))) {
        const path = join(clone, "objects", "pack", name);
        Deno.chmodSync(path, 0o600);
        Deno.writeFileSync(path, Deno.readFileSync(path).map((byte, at) => at < 20 ? byte : ~byte));
      }
    },
    "has another configuration": (clone) =>
      Deno.writeTextFileSync(
        join(clone, "config"),
        "[core]\n\tbare = true\n\tsshCommand = false\n",
      ),
    "has refs that lead nowhere": (clone) =>
      Deno.writeTextFileSync(join(clone, "packed-refs"), `${"1".repeat(40)} refs/keepsake/gone\n`),
  })
) {
  test(`git mends its clone when that ${fault}`, async () => {
    using place = new GitPlace();
    await place.store(pair(place));
    harm(join(place.folder, "clone.git"));
    await place.store(pair(place, LATER));
    assert.equal(place.commits(), 2);
    assert.equal(place.git("fsck", "--full", "--strict"), "");
    assert.equal((await place.list()).length, 4);
  });
}

for (const [size, most] of [[300, Infinity], [300, 20], [3_000_000, 20]] as const) {
  test(`git mends its clone when of ${size} bytes that it could not push ${most === Infinity ? "all" : most} are damaged`, async () => {
    using place = new GitPlace();
    await place.store(pair(place));
    const content = Array.from({ length: size }, (_, at) => "abcdefghij"[(at * at) % 7]).join("");
    place.git("config", "receive.maxInputSize", "10");
    await rejection(place.store(pair(place, LATER, content)));
    place.git("config", "receive.maxInputSize", "0");
    const packs = join(place.folder, "clone.git", "objects", "pack");
    for await (const { name } of Deno.readDir(packs)) {
      if (!name.endsWith(".pack")) continue;
      const path = join(packs, name);
      if (!git("verify-pack", "-v", path).includes(" blob ")) continue;
      const bytes = await Deno.readFile(path);
      if (bytes.length < size) continue; // The one that the remote has.
      await Deno.chmod(path, 0o600);
      const end = bytes.length - 20;
      await Deno.writeFile(
        path,
        bytes.map((byte, at) => at > 30 && at < Math.min(end, 31 + most) ? ~byte : byte),
      );
    }
    await place.store(pair(place, LATER, content));
    assert.equal(place.commits(), 2);
    assert.equal(place.git("fsck", "--full", "--strict"), "");
    assert.equal(text(await place.fetch(`${LATER}.tar.zst.age`)), content);
  });
}

for (const name of ["home", "lock", "fresh", "."]) {
  test(`git says what is in the way of "${name}" in its folder`, async () => {
    using place = new GitPlace();
    await place.store(pair(place));
    const path = join(place.folder, name);
    if (name !== "fresh") await Deno.remove(path, { recursive: true });
    if (name === "lock") await Deno.mkdir(path);
    else await Deno.writeTextFile(path, "");
    const work = name === "fresh" ? place.fetch(ARCHIVE) : place.store(pair(place, LATER));
    const error = await rejection(work);
    assert.equal(error.code, "stage-failed");
    assert.equal(
      error.message,
      name === "lock"
        ? `Cannot use "${path}" as a file: it is a directory`
        : `Cannot use "${path}" as a directory: something else is there`,
    );
    assert.equal(error.hint, "Move it away, and run again");
  });
}

test("git goes on from a remote that was rewritten", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  const empty = place.git("commit-tree", "-m", "Anew", EMPTY_TREE);
  place.git("update-ref", "refs/heads/main", empty);
  await place.store(pair(place, LATER));
  assert.equal(place.commits(), 2);
  assert.deepEqual(await place.list(), [`${LATER}.json.zst.age 8`, `${LATER}.tar.zst.age 7`]);
});

test("git fetches what the remote has, not what its clone remembers", async () => {
  using place = new GitPlace();
  await place.store(pair(place));
  assert.equal(text(await place.fetch(ARCHIVE)), "archive");
  const id = place.git("rev-parse", `main:${ARCHIVE}`);
  const loose = join(place.bare, "objects", id.slice(0, 2), id.slice(2));
  await Deno.chmod(loose, 0o600);
  await Deno.writeTextFile(loose, "damage");
  const error = await rejection(place.fetch(ARCHIVE));
  assert.equal(error.code, "destination-unreachable");
  assert.match(error.message, new RegExp(`loose object ${id} .* is corrupt`));
});

const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
