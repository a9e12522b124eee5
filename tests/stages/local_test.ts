/**
 * The `local` stage in its own worker, on full and failing disks, and killed. Long because half of
 * it is the ways in which a disk lets one down.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { SpoolFile, StoredFile, StoreResult } from "../../stages/contract.ts";
import type { BackupError, FailureRecord } from "../../stages/errors.ts";
import { childFor, runStage, type StageJob, type StageOutcome } from "./harness.ts";

const OWNER = "machine-claude";
const ARCHIVE = "claude/20260102T030405Z-0123456789ab.tar.zst.age";
const MANIFEST = "claude/20260102T030405Z-0123456789ab.json.zst.age";

Deno.test("local stores files under their names, for their owner alone", async () => {
  using place = new Place();
  const files = [place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")];
  const { result } = await place.store(files);
  assert.deepEqual(result, { location: place.root });
  assert.deepEqual(place.tree(), [MANIFEST, ARCHIVE]);
  assert.equal(place.read(ARCHIVE), "archive");
  assert.equal(place.read(MANIFEST), "manifest");
  if (Deno.build.os !== "windows") {
    assert.equal(modeOf(place.root), 0o700);
    assert.equal(modeOf(join(place.root, "claude")), 0o700);
    assert.equal(modeOf(join(place.root, ARCHIVE)), 0o600);
  }
});

Deno.test("local makes the directories above its own", async () => {
  using place = new Place("not/there/yet");
  await place.store([place.spool(ARCHIVE, "archive")]);
  assert.equal(place.read(ARCHIVE), "archive");
});

Deno.test("local says that it made its directory, once", async () => {
  using place = new Place();
  const logs: string[] = [];
  const onLog = (_level: string, message: string) => void logs.push(message);
  await place.store([place.spool(ARCHIVE, "archive")], { call: { onLog } });
  await place.store([place.spool(MANIFEST, "manifest")], { call: { onLog } });
  assert.deepEqual(logs, [`Made the directory "${place.root}"`]);
});

Deno.test("local reports bytes as they are confirmed", async () => {
  using place = new Place();
  const seen: string[] = [];
  const onProgress = (done: number, total?: number) => void seen.push(`${done}/${total}`);
  const files = [place.spool(ARCHIVE, "x".repeat(20 << 20)), place.spool(MANIFEST, "manifest")];
  await place.store(files, { call: { onProgress } });
  assert.deepEqual(seen, [
    "16777216/20971528",
    "20971520/20971528",
    "20971528/20971528",
  ]);
});

const mounts = await works("unshare", "-rm", "true");
const unlessMounted = mounts ? "" : " (ignored: no mount of its own is allowed here)";

Deno.test({
  name: `local copies when the spool is on another file system${unlessMounted}`,
  ignore: !mounts,
  async fn() {
    using place = new Place();
    const file = place.spool(ARCHIVE, "0123456789abcdef".repeat(3 << 16) + "odd end");
    const { failure, files } = await place.onDisk("8m", {
      operation: "run",
      context: { files: [file], owner: OWNER },
    });
    assert.equal(failure, undefined);
    assert.deepEqual(files, [`600 ${file.sha256} ${ARCHIVE}`]);
    assert.equal((await Deno.lstat(file.path)).size, file.size);
  },
});

Deno.test({
  name:
    `local names the place and the bytes when the disk is full, and leaves nothing${unlessMounted}`,
  ignore: !mounts,
  async fn() {
    using place = new Place();
    const archive = place.spool(ARCHIVE, "small");
    // Its last block is the one of which the disk takes a part.
    const manifest = place.spool(MANIFEST, "x".repeat(3 << 20));
    const { failure, files } = await place.onDisk("3m", {
      operation: "run",
      context: { files: [archive, manifest], owner: OWNER },
    });
    assert.equal(failure?.code, "storage-full");
    const [, path, written, needed] =
      /^Cannot store "(.+)": the disk is full, (\d+) of (\d+) bytes were written$/
        .exec(failure.message) ?? assert.fail(failure.message);
    assert.equal(path, join(place.root, MANIFEST));
    assert.ok(Number(written) > 2 << 20 && Number(written) < 3 << 20, written);
    assert.equal(Number(needed), manifest.size);
    assert.deepEqual(files, []);
  },
});

for (
  const [what, change] of [
    ["hash", { sha256: "0".repeat(64) }],
    ["quick hash", { xxh64: "0".repeat(16) }],
    ["size", { size: 6 }],
  ] as const
) {
  Deno.test(`local publishes nothing when what it wrote has another ${what}`, async () => {
    using place = new Place();
    const files = [
      place.spool(ARCHIVE, "archive"),
      { ...place.spool(MANIFEST, "manifest"), ...change },
    ];
    const error = await rejection(place.store(files));
    assert.equal(error.code, "destination-refused");
    const action = `Cannot store "${join(place.root, MANIFEST)}": `;
    assert.ok(
      error.message.startsWith(`${action}what was written reads back differently, 8 bytes`),
    );
    assert.deepEqual(place.tree(), []);
  });
}

Deno.test("local takes a file of the same bytes for its own", async () => {
  using place = new Place();
  const file = place.spool(ARCHIVE, "archive");
  await place.store([file]);
  // As a second attempt does, after the first one failed at a later file.
  await place.store([place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")]);
  assert.deepEqual(place.tree(), [MANIFEST, ARCHIVE]);
});

Deno.test("local reads back by the quick hash, and takes no file for its own by that", async () => {
  using place = new Place();
  const xxh64 = "80e6854525d81ded"; // xxhsum -H1 of "archive".
  // Were it SHA-256, this would not be stored.
  await place.store([{ ...place.spool(ARCHIVE, "archive"), xxh64, sha256: "0".repeat(64) }]);
  const other = { ...place.spool(ARCHIVE, "archive"), xxh64, sha256: "1".repeat(64) };
  const error = await rejection(place.store([other]));
  assert.match(
    error.message,
    /another file has that name, 7 bytes with hash [0-9a-f]{64} for 7 with 1/,
  );
  await place.store([{ ...place.spool(ARCHIVE, "archive"), xxh64: "0".repeat(16) }]);
});

Deno.test("local never replaces a file of other bytes", async () => {
  using place = new Place();
  await place.store([place.spool(ARCHIVE, "archive")]);
  const error = await rejection(place.store([place.spool(ARCHIVE, "other")]));
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /another file has that name, 7 bytes with hash .* for 5 with /);
  assert.equal(place.read(ARCHIVE), "archive");
});

const BECOMING: Readonly<Record<string, (path: string) => void>> = {
  "is another's": (path) => Deno.writeTextFileSync(path, "of another"),
  "has other bytes, as many as before": (path) => Deno.writeTextFileSync(path, "another"),
  "is another file of the same size and time": (path) => {
    const { atime, mtime } = Deno.statSync(path);
    Deno.writeTextFileSync(`${path}.new`, "another");
    Deno.utimeSync(`${path}.new`, atime!, mtime!);
    Deno.renameSync(`${path}.new`, path);
  },
};

for (const [state, change] of Object.entries(BECOMING)) {
  Deno.test(`local confirms no snapshot whose archive ${state} by now, and takes its manifest back`, async () => {
    using place = new Place();
    const files = [place.spool(ARCHIVE, "archive"), place.large(MANIFEST)];
    let isDone = false;
    const onProgress = (done: number) => {
      if (done > 7 && !isDone) change(join(place.root, ARCHIVE));
      isDone = done > 7;
    };
    const error = await rejection(place.store(files, { call: { onProgress } }));
    assert.equal(error.code, "destination-refused");
    assert.match(error.message, /tar\.zst\.age": another file has that name, \d+ bytes with hash/);
    assert.deepEqual(place.tree(), [ARCHIVE]);
  });
}

Deno.test("local takes nothing back that another has put there, nor the archive of a manifest that stays", async () => {
  using place = new Place();
  await place.store([place.spool(ARCHIVE, "archive")]);
  const wrong = { ...place.spool(MANIFEST, "manifest"), sha256: "0".repeat(64) };
  await rejection(place.store([place.spool(ARCHIVE, "archive"), wrong]));
  assert.deepEqual(place.tree(), [ARCHIVE]);

  await place.remove([ARCHIVE]);
  const files = [place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")];
  const onProgress = (done: number) => {
    if (done > 15) place.write(MANIFEST, "of another");
  };
  const large = place.large("claude/20270102T030405Z-0123456789ab.tar.zst.age");
  await rejection(place.store([...files, large], { call: { onProgress } }));
  assert.deepEqual(place.tree(), [MANIFEST, ARCHIVE]);
});

Deno.test("local takes an archive that was touched, and is the same, for its own", async () => {
  using place = new Place();
  const files = [place.spool(ARCHIVE, "archive"), place.large(MANIFEST)];
  const onProgress = (done: number) => {
    if (done > 7) Deno.utimeSync(join(place.root, ARCHIVE), 1, 1);
  };
  await place.store(files, { call: { onProgress } });
  assert.deepEqual(place.tree(), [MANIFEST, ARCHIVE]);
});

Deno.test("local removes what its own crashed run left, and nothing of others", async () => {
  using place = new Place();
  place.write("old/.20250101T000000Z-a.tar.machine-claude.part");
  place.write("old/.20250101T000000Z-a.tar.other-machine-claude.part");
  place.write("old/.20250101T000000Z-a.tar.machine-claude.part.txt");
  place.write("old/20250101T000000Z-a.tar");
  await place.store([place.spool(ARCHIVE, "archive")]);
  assert.deepEqual(place.tree(), [
    ARCHIVE,
    "old/.20250101T000000Z-a.tar.machine-claude.part.txt",
    "old/.20250101T000000Z-a.tar.other-machine-claude.part",
    "old/20250101T000000Z-a.tar",
  ]);
});

Deno.test("local does not take another's dotted name for its own", async () => {
  using place = new Place();
  place.write("old/.a.tar.machine_b.part");
  place.write("old/.a.tar.machine.b.part");
  await place.store([place.spool(ARCHIVE, "archive")], {}, "b");
  assert.deepEqual(place.tree(), [ARCHIVE, "old/.a.tar.machine_b.part"]);
});

Deno.test("local refuses a file in place of its directory", async () => {
  using place = new Place();
  await Deno.writeTextFile(place.root, "");
  const error = await rejection(place.store([place.spool(ARCHIVE, "archive")]));
  assert.equal(error.code, "destination-refused");
  assert.equal(error.message, `Cannot store snapshots in "${place.root}": it is a file`);
  assert.ok(error.hint);
});

Deno.test("local refuses a directory below a file", async () => {
  using place = new Place("file/backups");
  await Deno.writeTextFile(join(place.folder, "file"), "");
  const error = await rejection(place.store([place.spool(ARCHIVE, "archive")]));
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /: it, or a directory above it, is a file$/);
});

Deno.test("local refuses a link to nothing in place of its directory", async () => {
  using place = new Place();
  await Deno.symlink(join(place.folder, "unplugged"), place.root);
  const error = await rejection(place.store([place.spool(ARCHIVE, "archive")]));
  assert.match(error.message, /^Cannot store snapshots in ".*": /);
  assert.match((await rejection(place.list())).message, /^Cannot list ".*": /);
});

Deno.test("local stores through a link that stands for its directory", async () => {
  using place = new Place();
  await Deno.mkdir(join(place.folder, "disk"));
  await Deno.symlink(join(place.folder, "disk"), place.root);
  await place.store([place.spool(ARCHIVE, "archive")]);
  assert.equal(await Deno.readTextFile(join(place.folder, "disk", ARCHIVE)), "archive");
  assert.deepEqual(await place.list(), [{ key: ARCHIVE, size: 7 }]);
  assert.equal(await place.fetch(ARCHIVE), "archive");
});

Deno.test("local follows no link inside its directory", async () => {
  using place = new Place();
  const outside = join(place.folder, "outside");
  await Deno.mkdir(outside);
  await Deno.writeTextFile(join(outside, "x.tar"), "outside");
  await Deno.mkdir(place.root);
  await Deno.symlink(outside, join(place.root, "claude"));
  const error = await rejection(place.store([place.spool("claude/y.tar", "archive")]));
  assert.equal(error.code, "destination-refused");
  assert.match(error.message, /: it is a link$/);
  assert.deepEqual(await place.list(), []);
  assert.equal((await rejection(place.fetch("claude/x.tar"))).code, "snapshot-missing");
  await place.remove(["claude/x.tar"]);
  assert.equal(await Deno.readTextFile(join(outside, "x.tar")), "outside");
});

Deno.test("local stores over no link that has the name of a file", async () => {
  using place = new Place();
  const outside = join(place.folder, "outside");
  await Deno.writeTextFile(outside, "archive");
  await Deno.mkdir(join(place.root, "claude"), { recursive: true });
  await Deno.symlink(outside, join(place.root, ARCHIVE));
  const error = await rejection(place.store([place.spool(ARCHIVE, "archive")]));
  assert.equal(error.message, `Cannot store "${join(place.root, ARCHIVE)}": it is a link`);
});

const HOSTILE_KEYS = [
  "../x.tar",
  "claude/../../x.tar",
  "/etc/x.tar",
  "x.tar",
  "claude/a/x.tar",
  "claude/",
  "claude/.x.tar",
  "claude\\..\\x.tar",
  "C:/x.tar",
  "claude/x\0.tar",
];

for (const operation of ["store", "fetch", "remove"] as const) {
  Deno.test(`local refuses to ${operation} a file whose name leads elsewhere`, async () => {
    using place = new Place();
    for (const key of HOSTILE_KEYS) {
      const error = await rejection(
        operation === "store"
          ? place.store([
            place.spool(ARCHIVE, "archive"),
            { ...place.spool(MANIFEST, "manifest"), key },
          ])
          : operation === "fetch"
          ? place.fetch(key)
          : place.remove([key]),
      );
      assert.equal(error.code, "stage-failed", key);
      assert.equal(error.message, `Cannot use "${key}" as the name of a stored file`);
    }
    assert.throws(() => place.tree(), Deno.errors.NotFound);
  });
}

Deno.test("local removes its temporary file when it is told to stop", async () => {
  using place = new Place();
  // Holes only: it takes half a second to read and no room.
  const file = { ...place.spool(ARCHIVE, ""), size: 2 ** 30 };
  await Deno.truncate(file.path, file.size);
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("Enough"));
  const stored = place.store([file], { call: { signal: stop.signal, onProgress } });
  await assert.rejects(stored, /Enough/);
  assert.deepEqual(place.tree(), []);
});

Deno.test("local lists complete files two levels down", async () => {
  using place = new Place();
  for (
    const name of [
      ARCHIVE,
      MANIFEST,
      "claude/.x.tar.machine.part",
      "claude/deeper/x.tar",
      "stray.txt",
      ".Trashes/x.tar",
      "other/y.tar",
    ]
  ) place.write(name, "12345");
  const byKey = (a: StoredFile, b: StoredFile) => a.key < b.key ? -1 : 1;
  assert.deepEqual((await place.list()).toSorted(byKey), [
    { key: MANIFEST, size: 5 },
    { key: ARCHIVE, size: 5 },
    { key: "other/y.tar", size: 5 },
  ]);
});

Deno.test("local lists nothing when its directory is not there yet", async () => {
  using place = new Place();
  assert.deepEqual(await place.list(), []);
});

Deno.test("local cannot list when a file stands in place of its directory", async () => {
  using place = new Place();
  await Deno.writeTextFile(place.root, "");
  const error = await rejection(place.list());
  assert.equal(error.code, "destination-unreachable");
  assert.equal(
    error.message,
    `Cannot list "${place.root}": it, or a directory above it, is a file`,
  );
});

Deno.test("local fetches what it stored, over many blocks", async () => {
  using place = new Place();
  const bytes = "0123456789abcdef".repeat(3 << 16) + "odd end";
  await place.store([place.spool(ARCHIVE, bytes), place.spool(MANIFEST, "")]);
  assert.equal(await place.fetch(ARCHIVE), bytes);
  assert.equal(await place.fetch(MANIFEST), "");
});

Deno.test("local says where it looked for a file that is missing", async () => {
  using place = new Place();
  const error = await rejection(place.fetch(ARCHIVE));
  assert.equal(error.code, "snapshot-missing");
  assert.equal(
    error.message,
    `Cannot fetch "${join(place.root, ARCHIVE)}": there is no such file`,
  );
});

Deno.test("local removes what it is told to and minds nothing that is gone", async () => {
  using place = new Place();
  for (const name of [ARCHIVE, MANIFEST, "claude/kept.tar"]) place.write(name);
  await place.remove([ARCHIVE, MANIFEST, "claude/gone.tar", "gone/gone.tar"]);
  assert.deepEqual(place.tree(), ["claude/kept.tar"]);
});

const traces = await works("strace", "-V");
const unlessTraced = traces ? "" : " (ignored: strace is not installed)";

Deno.test({
  name: `local lists all the others when one goes while it looks${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    for (const name of [ARCHIVE, MANIFEST]) place.write(name);
    const path = join(place.root, ARCHIVE);
    const gone = ["-e", "trace=statx", "-e", "inject=statx:error=ENOENT", "-P", path];
    const { result } = await place.trace({ operation: "list" }, gone);
    assert.deepEqual(result, [{ key: MANIFEST, size: 0 }]);
  },
});

Deno.test({
  name: `local flushes before it names, and names the manifest last${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    const files = [place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")];
    const { calls } = await place.trace({ operation: "run", context: { files, owner: OWNER } });
    assert.deepEqual(calls, [
      "mkdir backups",
      "mkdir claude",
      "fsync backups",
      "rename tar > .tar",
      "fsync .tar",
      "linkat .tar > tar",
      "unlink .tar",
      "fsync claude",
      "rename json > .json",
      "fsync .json",
      "linkat .json > json",
      "unlink .json",
      "fsync claude",
    ]);
  },
});

Deno.test({
  name: `local removes the manifest for good before the archive${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    for (const name of [ARCHIVE, MANIFEST]) place.write(name);
    const context = { keys: [ARCHIVE, MANIFEST] };
    const { calls } = await place.trace({ operation: "remove", context });
    assert.deepEqual(calls, ["unlink json", "fsync claude", "unlink tar", "fsync claude"]);
  },
});

Deno.test({
  name: `local publishes nothing that the disk did not flush${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    const files = [place.spool(ARCHIVE, "archive")];
    await Deno.mkdir(join(place.root, "claude"), { recursive: true });
    const { failure } = await place.trace(
      { operation: "run", context: { files, owner: OWNER } },
      ["-e", "inject=fsync:error=EIO"],
    );
    // Not to be tried again: the system takes the bytes for written now, and would say so.
    assert.equal(failure?.code, "destination-refused");
    assert.match(failure.message, /^Cannot flush ".*\.age": its disk or device reports/);
    assert.deepEqual(place.tree(), []);
  },
});

/** A first look at these finds nothing, as if they had come right after it. */
function unseen(...paths: readonly string[]): string[] {
  const faults = ["-e", "trace=statx,linkat,mkdir", "-e", "inject=statx:error=ENOENT:when=1"];
  return [...faults, ...paths.flatMap((path) => ["-P", path])];
}

Deno.test({
  name: `local never replaces what somebody stored while it wrote${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    place.write(ARCHIVE, "of another");
    const files = [place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")];
    const job = { operation: "run", context: { files, owner: OWNER } } as const;
    const { failure } = await place.trace(job, unseen(join(place.root, ARCHIVE)));
    assert.equal(failure?.code, "destination-refused");
    assert.match(failure.message, /another file has that name, 10 bytes with hash/);
    assert.deepEqual(place.tree(), [ARCHIVE]);
    assert.equal(place.read(ARCHIVE), "of another");
  },
});

Deno.test({
  name: `local does not mind that another makes the same folder${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    place.write("claude/other.tar");
    const files = [place.spool(ARCHIVE, "archive")];
    const job = { operation: "run", context: { files, owner: OWNER } } as const;
    const { failure } = await place.trace(job, unseen(join(place.root, "claude")));
    assert.equal(failure, undefined);
    assert.deepEqual(place.tree(), [ARCHIVE, "claude/other.tar"]);
  },
});

Deno.test({
  name: `local renames where there are no links${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    const files = [place.spool(ARCHIVE, "archive")];
    const job = { operation: "run", context: { files, owner: OWNER } } as const;
    const { calls, failure } = await place.trace(job, ["-e", "inject=linkat:error=EPERM"]);
    assert.equal(failure, undefined);
    assert.ok(calls.includes("rename .tar > tar"), `${calls}`);
    assert.deepEqual(place.tree(), [ARCHIVE]);
  },
});

for (const mebibytes of [200, 100]) {
  Deno.test({
    name:
      `local flushes a copy of ${mebibytes} MiB on its way, and believes what that says${unlessTraced}`,
    ignore: !traces,
    async fn() {
      using place = new Place();
      const files = [place.large(ARCHIVE, mebibytes << 20)];
      await Deno.mkdir(join(place.root, "claude"), { recursive: true });
      const { failure } = await place.trace(
        { operation: "run", context: { files, owner: OWNER } },
        ["-e", "inject=rename:error=EXDEV:when=1", "-e", "inject=fsync:error=EIO:when=1"],
      );
      assert.equal(failure?.code, "destination-refused");
      assert.match(failure.message, /^Cannot flush ".*\.age": its disk or device reports/);
      assert.deepEqual(place.tree(), []);
    },
  });
}

Deno.test({
  name: `local makes a folder anew when its name was not flushed${unlessTraced}`,
  ignore: !traces,
  async fn() {
    using place = new Place();
    await Deno.mkdir(place.root);
    const files = [place.spool(ARCHIVE, "archive")];
    const job = { operation: "run", context: { files, owner: OWNER } } as const;
    const failed = await place.trace(job, ["-e", "inject=fsync:error=EIO", "-P", place.root]);
    assert.equal(failed.failure?.code, "destination-refused");
    const { calls, failure } = await place.trace(job);
    assert.equal(failure, undefined);
    assert.deepEqual(calls.slice(0, 2), ["mkdir claude", "fsync backups"]);
  },
});

Deno.test({
  name: `local says in words what a disk or share answers, whatever it is${unlessTraced}`,
  ignore: !traces,
  async fn() {
    const answers = [
      ["rename", "EDQUOT", "storage-full", /: the quota there is used up, 0 of \d+ bytes were/],
      ["mkdir", "EDQUOT", "storage-full", /^Cannot store snapshots in .*: the quota there is used/],
      ["rename", "ESTALE", "destination-unreachable", /: the share that held it was changed or/],
      ["rename", "EHOSTDOWN", "destination-unreachable", /: the machine that holds it cannot be/],
      ["rename", "EREMOTEIO", "destination-unreachable", /: the device at the other end reports/],
      ["mkdir", "ENODEV", "destination-unreachable", /: its disk is not there any more$/],
      ["rename", "EFBIG", "destination-refused", /: the file system does not take files of that/],
    ] as const;
    for (const [call, error, code, words] of answers) {
      using place = new Place();
      const files = [place.spool(ARCHIVE, "archive")];
      const { failure } = await place.trace(
        { operation: "run", context: { files, owner: OWNER } },
        ["-e", `inject=${call === "rename" ? "linkat,rename" : call}:error=${error}`],
      );
      assert.equal(failure?.code, code, `${call} ${error}: ${failure?.message}`);
      assert.match(failure.message, words);
      assert.doesNotMatch(failure.message, /os error/);
    }
  },
});

Deno.test({
  name: `local killed at any step leaves no torn file, and the next run succeeds${unlessTraced}`,
  ignore: !traces,
  async fn() {
    const steps = { mkdir: 2, fsync: 5, rename: 2, linkat: 2, unlink: 2 };
    const points = Object.entries(steps).flatMap(([call, count]) =>
      Array.from({ length: count }, (_, index) => `inject=${call}:signal=SIGKILL:when=${index + 1}`)
    );
    const killed = await Promise.all(points.map(async (point) => {
      using place = new Place();
      const files = [place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")];
      const job = { operation: "run", context: { files, owner: OWNER } } as const;
      const { signal } = await place.trace(job, ["-e", point]);
      const listed = (await place.list()).map(({ key }) => key);
      if (listed.includes(ARCHIVE)) assert.equal(place.read(ARCHIVE), "archive", point);
      if (listed.includes(MANIFEST)) {
        assert.equal(place.read(MANIFEST), "manifest", point);
        assert.ok(listed.includes(ARCHIVE), point);
      }
      await place.store([place.spool(ARCHIVE, "archive"), place.spool(MANIFEST, "manifest")]);
      assert.deepEqual(place.tree(), [MANIFEST, ARCHIVE], point);
      return signal === "SIGKILL";
    }));
    // Calls are counted in each thread on its own, so that a late one may never come.
    assert.ok(killed.filter(Boolean).length >= 6, `${killed}`);
  },
});

/** A folder with a spool directory and a destination that need not be there yet. */
class Place {
  readonly folder: string;
  readonly root: string;
  readonly #spool: string;

  constructor(name = "backups") {
    this.folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-local-" }));
    this.root = join(this.folder, name);
    this.#spool = Deno.makeTempDirSync({ dir: this.folder, prefix: "spool-" });
  }

  spool(key: string, content: string): SpoolFile {
    const path = this.spoolOf(key);
    Deno.writeTextFileSync(path, content, { mode: 0o600 });
    const sha256 = createHash("sha256").update(content).digest("hex");
    return { key, path, size: content.length, sha256 };
  }

  /** Holes only: it takes a while to read, and no room. */
  large(key: string, size = 200 << 20): SpoolFile {
    const file = { ...this.spool(key, ""), size };
    Deno.truncateSync(file.path, file.size);
    const hash = createHash("sha256");
    for (let at = 0; at < file.size; at += 1 << 20) hash.update(new Uint8Array(1 << 20));
    return { ...file, sha256: hash.digest("hex") };
  }

  write(name: string, content = ""): void {
    const path = join(this.root, name);
    Deno.mkdirSync(join(path, ".."), { recursive: true });
    Deno.writeTextFileSync(path, content);
  }

  read(key: string): string {
    return Deno.readTextFileSync(join(this.root, key));
  }

  spoolOf(key: string): string {
    return join(this.#spool, key.replaceAll("/", "-"));
  }

  /** All files, sorted. */
  tree(): string[] {
    const walk = (folder: string): string[] =>
      Array.from(Deno.readDirSync(join(this.root, folder))).flatMap(({ name, isDirectory }) =>
        isDirectory ? walk(`${folder}${name}/`) : [`${folder}${name}`]
      );
    return walk("").toSorted();
  }

  job(job: Omit<StageJob, "use">): StageJob {
    return {
      use: "local",
      options: { path: this.root },
      grants: { read: [this.#spool], write: [this.#spool] },
      ...job,
    };
  }

  store(
    files: readonly SpoolFile[],
    more: Partial<StageJob> = {},
    owner = OWNER,
  ): Promise<StageOutcome<StoreResult>> {
    return runStage(this.job({ operation: "run", context: { files, owner }, ...more }));
  }

  async list(): Promise<readonly StoredFile[]> {
    return (await runStage<readonly StoredFile[]>(this.job({ operation: "list" }))).result;
  }

  async fetch(key: string): Promise<string> {
    const job = this.job({ operation: "fetch", context: { key }, output: true });
    return new TextDecoder().decode((await runStage(job)).output);
  }

  remove(keys: readonly string[]): Promise<unknown> {
    return runStage(this.job({ operation: "remove", context: { keys } }));
  }

  /** Runs the job in a process of its own under `strace`; answers the calls that change the disk. */
  async trace(job: Omit<StageJob, "use">, options: readonly string[] = []): Promise<{
    readonly calls: readonly string[];
    readonly result: unknown;
    readonly failure: FailureRecord | undefined;
    readonly signal: Deno.Signal | null;
  }> {
    const log = join(this.folder, "trace");
    const { stdout, signal } = await run([
      "strace",
      ...["-f", "-y", "-qq", "-s", "4096", "-o", log],
      ...["-e", "trace=mkdir,linkat,rename,unlink,fsync"],
      ...options,
      ...this.#child(job),
    ]);
    const calls = Deno.readTextFileSync(log).split("\n").flatMap((line) => {
      const [, call, rest] = /^\d+ +(mkdir|linkat|rename|unlink|fsync)\((.*)/.exec(line) ?? [];
      if (!rest?.includes(this.folder)) return [];
      const names = rest.replaceAll(/AT_FDCWD<[^<>]+>/g, "").match(/"[^"]+"|<[^<>]+>/g) ?? [];
      return [`${call} ${names.map((name) => shortName(name.slice(1, -1))).join(" > ")}`];
    });
    const { result, failure } = stdout === "" ? {} : JSON.parse(stdout);
    return { calls, result, failure, signal };
  }

  /**
   * Runs the job in a process of its own where the destination is a disk in memory; answers mode,
   * hash and name of every file there afterwards.
   */
  async onDisk(size: string, job: Omit<StageJob, "use">): Promise<{
    readonly failure: FailureRecord | undefined;
    readonly files: readonly string[];
  }> {
    await Deno.mkdir(this.root, { mode: 0o700 });
    const script = 'mount -t tmpfs -o "size=$1" none "$0" && shift && "$@" && cd "$0" && echo && ' +
      `find * -type f -exec sh -c 'for f; do stat -c "%a" "$f"; sha256sum "$f"; done' sh {} +`;
    const command = ["unshare", "-rm", "sh", "-c", script, this.root, size];
    const { stdout } = await run([...command, ...this.#child(job)]);
    const [json = "", ...lines] = stdout.trim().split("\n");
    const files = lines.join(" ").match(/\d+ \w{64} {2}\S+/g) ?? [];
    return { failure: JSON.parse(json).failure, files: files.map((f) => f.replace("  ", " ")) };
  }

  #child(job: Omit<StageJob, "use">): string[] {
    return childFor(this.job(job));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** `.tar` for an archive under its temporary name. */
function shortName(path: string): string {
  const [, dot, ending] = /\/(\.?)(?:claude-)?2026[^/]*?\.(tar|json)[^/]*$/.exec(path) ?? [];
  return ending === undefined ? path.split("/").at(-1)! : `${dot}${ending}`;
}

async function run([program, ...args]: readonly string[]): Promise<{
  readonly stdout: string;
  readonly signal: Deno.Signal | null;
}> {
  const { stdout, signal } = await new Deno.Command(program!, { args, stderr: "inherit" }).output();
  return { stdout: new TextDecoder().decode(stdout), signal };
}

async function works(program: string, ...args: string[]): Promise<boolean> {
  const command = new Deno.Command(program, { args, stdout: "null", stderr: "null" });
  return await command.output().then(({ success }) => success, () => false);
}

async function rejection(promise: Promise<unknown>): Promise<BackupError> {
  return await promise.then(
    () => assert.fail("It did not fail"),
    (error: BackupError) => error,
  );
}

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o777;
}
