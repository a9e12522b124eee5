import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Entry, FileEntry } from "../../../../stages/contract.ts";
import { contentHash } from "../../../../stages/formats/snapshot/entries.ts";
import { unpack } from "../../../../stages/formats/snapshot/unpack.ts";
import { MemorySink, sourceOf } from "../byte_streams.ts";
import { type Archived, archiveOf, selectionOf, SourceTree } from "./source_tree.ts";

const onPosix = Deno.build.os !== "windows";
const MIB = 2 ** 20;

/** Passes when keepsake's own reader finds in the archive what the entries say, to the byte. */
async function assertWellFormed({ archive, entries }: Archived): Promise<void> {
  for (const entry of entries) if (entry.kind === "file") assert.ok(entry.xxh64, entry.path);
  for (const quickly of [false, true]) {
    await unpack({
      entries,
      input: sourceOf(archive),
      into: undefined,
      wanted: undefined,
      quickly,
      signal: new AbortController().signal,
      log: () => {},
      progress: () => {},
    });
  }
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function fileIn(entries: readonly Entry[], path: string): FileEntry {
  const entry = entries.find((entry) => entry.path === path);
  assert.equal(entry?.kind, "file", path);
  return entry;
}

/** Content of which no part is like another. */
function content(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(size / 4));
  let word = seed;
  for (let at = 0; at < words.length; at++) {
    word = Math.imul(word, 1664525) + 1013904223;
    words[at] = word;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** Does something at the moment when bytes are asked for or handed over. */
class WatchedSink extends MemorySink {
  onSpace = () => {};
  onCommit = () => {};

  override space(): Uint8Array {
    this.onSpace();
    return super.space();
  }

  override commit(count: number): Promise<void> | undefined {
    this.onCommit();
    return super.commit(count);
  }
}

Deno.test("an archive holds every kind of entry, as its entries say", async () => {
  using tree = new SourceTree();
  tree.write("root/empty", "", 0o600);
  tree.write("root/text", "hello", 0o4755);
  tree.write("root/sub/", "");
  if (onPosix) {
    await Deno.link(tree.at("root/text"), tree.at("root/sub/again"));
    tree.link("root/way", "sub/again");
  }
  await Deno.chmod(tree.at("root/sub"), 0o1700);
  const archived = await archiveOf(selectionOf([tree.at("root")]));
  await assertWellFormed(archived);
  assert.deepEqual(archived.roots, [{ name: "root", path: tree.at("root") }]);
  if (!onPosix) return;
  const entries = archived.entries.map(({ mtime: _, ...entry }) => entry);
  // The quick hashes are what xxhsum -H1 says.
  assert.deepEqual(entries, [
    { path: "root", kind: "directory", mode: 0o755 },
    {
      ...{ path: "root/empty", kind: "file", mode: 0o600, size: 0 },
      ...{ sha256: sha256(""), xxh64: "ef46db3751d8e999" },
    },
    { path: "root/sub", kind: "directory", mode: 0o1700 },
    {
      ...{ path: "root/sub/again", kind: "file", mode: 0o4755, size: 5 },
      ...{ sha256: sha256("hello"), xxh64: "26c7827d889f6da3" },
    },
    { path: "root/text", kind: "hardlink", mode: 0o4755, link: "root/sub/again" },
    { path: "root/way", kind: "symlink", mode: 0o777, link: "sub/again" },
  ]);
  assert.equal(
    fileIn(archived.entries, "root/empty").mtime,
    Date.parse("2026-01-02T03:04:05.678Z"),
  );
  assert.deepEqual([archived.unreadable, archived.skipped, archived.notes], [[], [], []]);
});

Deno.test("an archive is the same for files of every size and blocks of every size", async () => {
  using tree = new SourceTree();
  for (const size of [0, 1, 511, 512, 513, 1023, 65_024, 65_536, MIB, 4 * MIB, 4 * MIB + 1, 5e6]) {
    tree.write(`root/${size}`, content(size, size + 1));
  }
  const archives: Archived[] = [];
  for (const blockSize of [512, 1000, 65_536, MIB, 32 * MIB]) {
    const output = new MemorySink(blockSize);
    archives.push(await archiveOf(selectionOf([tree.at("root")]), { output }));
  }
  const [first] = archives;
  await assertWellFormed(first!);
  for (const { archive, entries } of archives) {
    assert.equal(sha256(archive), sha256(first!.archive));
    assert.deepEqual(entries, first!.entries);
  }
  for (const entry of first!.entries.slice(1)) {
    const size = Number(entry.path.slice("root/".length));
    assert.equal(fileIn(first!.entries, entry.path).size, size);
    assert.equal(fileIn(first!.entries, entry.path).sha256, sha256(content(size, size + 1)));
  }
});

Deno.test("the same tree at another place and time gives the same archive and content hash", async () => {
  using one = new SourceTree();
  using two = new SourceTree();
  const names = ["b", "a/x", "a.b", "\u{1f511}/ü", "a/y", "Z"];
  for (const name of names) one.write(`.claude/${name}`, name, 0o640);
  for (const name of names.toReversed()) two.write(`elsewhere/.claude/${name}`, name, 0o640);
  for (const name of names) await Deno.utime(two.at(`elsewhere/.claude/${name}`), 1, 2);
  const a = await archiveOf(selectionOf([one.at(".claude")]));
  const b = await archiveOf(selectionOf([two.at("elsewhere/.claude")]));
  assert.equal(sha256(a.archive), sha256(b.archive));
  assert.equal(await contentHash(a.entries), await contentHash(b.entries));
  assert.notEqual(a.signature, b.signature); // Times are in it.
});

Deno.test({
  name: "a second name of a file that could not be read is tried as a file",
  ignore: !onPosix,
  async fn() {
    using tree = new SourceTree({ "root/0": "", "root/a": "a" });
    Deno.linkSync(tree.at("root/a"), tree.at("root/b"));
    const output = new WatchedSink();
    // The walk has met all three when the second header goes out.
    let commits = 0;
    output.onCommit = () => {
      if (++commits !== 2) return;
      Deno.removeSync(tree.at("root/a"));
      Deno.symlinkSync("/etc/passwd", tree.at("root/a"));
    };
    const archived = await archiveOf(selectionOf([tree.at("root")]), { output });
    await assertWellFormed(archived);
    assert.deepEqual(archived.entries.map(({ path, kind }) => `${kind} ${path}`), [
      "directory root",
      "file root/0",
      "file root/b",
    ]);
    assert.deepEqual(archived.unreadable, [
      { path: tree.at("root/a"), reason: "something else was put in its place" },
    ]);
  },
});

Deno.test("a file that is removed meanwhile is noted, and nothing fails for it", async () => {
  using tree = new SourceTree({ "root/a": "a", "root/b": "b" });
  const output = new WatchedSink();
  let commits = 0;
  output.onCommit = () => {
    if (++commits === 2) Deno.removeSync(tree.at("root/b"));
  };
  const archived = await archiveOf(selectionOf([tree.at("root")]), { output });
  await assertWellFormed(archived);
  assert.deepEqual(archived.entries.map(({ path }) => path), ["root", "root/a"]);
  assert.deepEqual(archived.unreadable, []);
  assert.deepEqual(archived.notes, [
    { path: tree.at("root/b"), reason: "removed while it was being backed up" },
  ]);
});

/** A small file that something is done to each time it has been opened and is about to be read. */
async function archiveWhile(
  change: (path: string, time: number) => void,
  size = 1000,
): Promise<Archived & { readonly pauses: readonly number[]; readonly path: string }> {
  using tree = new SourceTree();
  const path = tree.write("root", content(size));
  const output = new WatchedSink();
  const pauses: number[] = [];
  let times = 0;
  output.onSpace = () => change(path, ++times);
  const archived = await archiveOf(selectionOf([path]), {
    output,
    surroundings: {
      pause: (tries) => {
        pauses.push(tries);
        return Promise.resolve();
      },
    },
  });
  await assertWellFormed(archived);
  return { ...archived, pauses, path };
}

Deno.test("a small file that shrinks while it is read is read again", async () => {
  const { entries, unreadable, pauses } = await archiveWhile((path, time) => {
    if (time === 1) Deno.truncateSync(path, 10);
  });
  assert.equal(fileIn(entries, "root").sha256, sha256(content(1000).subarray(0, 10)));
  assert.deepEqual(unreadable, []);
  assert.deepEqual(pauses, [1]);
});

Deno.test("a file of credentials that keeps changing is flagged, and one that is too large left out", async () => {
  using tree = new SourceTree();
  const path = tree.write("home/.claude.json", JSON.stringify({ a: 0 }));
  let times = 0;
  const now = () => {
    tree.write("home/.claude.json", JSON.stringify({ a: ++times }));
    return 0;
  };
  const changing = await archiveOf(selectionOf([tree.at("home")]), { surroundings: { now } });
  assert.deepEqual(changing.unreadable, [{ path, reason: "it changed while it was read" }]);
  assert.equal(times, 5);
  tree.write("home/other");
  await Deno.truncate(path, (64 << 20) + 1);
  const { entries, unreadable } = await archiveOf(selectionOf([tree.at("home")]));
  assert.deepEqual(entries.map(({ path }) => path), ["home", "home/other"]);
  const reason = "it is too large to cut its credentials out";
  assert.deepEqual(unreadable, [{ path, reason }]);
});

Deno.test("a file that keeps shrinking is flagged after five tries, and well formed", async () => {
  const { entries, unreadable, pauses, path } = await archiveWhile((path, time) => {
    if (time <= 5) Deno.truncateSync(path, 1000 - time);
  });
  assert.equal(fileIn(entries, "root").size, 995);
  assert.equal(fileIn(entries, "root").sha256, sha256(content(1000).subarray(0, 995)));
  assert.deepEqual(unreadable, [{ path, reason: "it changed while it was read" }]);
  assert.deepEqual(pauses, [1, 2, 3, 4]);
});

Deno.test("a log that grows while it is read is cut where it was, and not flagged", async () => {
  for (const size of [1000, 6 * MIB]) {
    const { entries, unreadable, pauses } = await archiveWhile((path) => {
      Deno.writeTextFileSync(path, "another line\n", { append: true });
    }, size);
    assert.equal(fileIn(entries, "root").size, size);
    assert.equal(fileIn(entries, "root").sha256, sha256(content(size)));
    assert.deepEqual(unreadable, []);
    assert.deepEqual(pauses, []);
  }
});

Deno.test("a further name of a file keeps its content when another file comes in the place of the first", async () => {
  for (const size of [1000, 6 * MIB]) {
    using tree = new SourceTree();
    tree.write("root/a", "is read first");
    await Deno.link(tree.write("root/b", content(size)), tree.at("root/c"));
    const output = new WatchedSink();
    let times = 0;
    output.onSpace = () => {
      if (++times === 2) Deno.renameSync(tree.write("new", content(size, 2)), tree.at("root/b"));
    };
    const archived = await archiveOf(selectionOf([tree.at("root")]), { output });
    await assertWellFormed(archived);
    assert.equal(fileIn(archived.entries, "root/b").sha256, sha256(content(size, 2)));
    assert.equal(fileIn(archived.entries, "root/c").sha256, sha256(content(size)));
  }
});

Deno.test("a file that is touched while it is read is not flagged", async () => {
  for (const size of [1000, 6 * MIB]) {
    const { unreadable, pauses } = await archiveWhile((path, time) => {
      if (time === 1) Deno.utimeSync(path, 1, 2);
    }, size);
    assert.deepEqual(unreadable, []);
    assert.deepEqual(pauses, []);
  }
});

/** A large file that something is done to when its first block is out. */
async function archiveLargeWhile(change: (path: string) => void, size = 6 * MIB) {
  using tree = new SourceTree();
  const path = tree.write("root", content(size));
  const output = new WatchedSink();
  let commits = 0;
  output.onCommit = () => {
    if (++commits === 3) change(path);
  };
  const archived = await archiveOf(selectionOf([path]), { output });
  await assertWellFormed(archived);
  return { ...archived, path };
}

Deno.test("a large file that shrinks while it is read is filled up with zeros and flagged", async () => {
  const { entries, unreadable, path } = await archiveLargeWhile((path) => {
    Deno.truncateSync(path, 4 * MIB + 3);
  });
  const held = content(6 * MIB).fill(0, 4 * MIB + 3);
  assert.equal(fileIn(entries, "root").size, 6 * MIB);
  assert.equal(fileIn(entries, "root").sha256, sha256(held));
  assert.deepEqual(unreadable, [{ path, reason: "it shrank while it was read" }]);
});

Deno.test("a large file that is rewritten while it is read is flagged, and well formed", async () => {
  const { entries, unreadable, path } = await archiveLargeWhile((path) => {
    Deno.writeFileSync(path, content(6 * MIB, 2));
  });
  assert.notEqual(fileIn(entries, "root").sha256, sha256(content(6 * MIB)));
  assert.deepEqual(unreadable, [{ path, reason: "it changed while it was read" }]);
});

Deno.test("a file that was changed just now is read twice: its time may hide another change", async () => {
  using tree = new SourceTree();
  const path = tree.write("root", content(6 * MIB));
  const { mtime } = await Deno.stat(path);
  const output = new WatchedSink();
  let commits = 0;
  output.onCommit = () => {
    if (++commits !== 3) return;
    Deno.writeFileSync(path, content(6 * MIB, 2));
    Deno.utimeSync(path, mtime!, mtime!); // As if within the same tick.
  };
  const { unreadable } = await archiveOf(selectionOf([path]), {
    output,
    surroundings: { now: () => mtime!.getTime() + 1500 },
  });
  assert.deepEqual(unreadable, [{ path, reason: "it changed while it was read" }]);
});

Deno.test("what goes wrong with the output ends everything", async () => {
  using tree = new SourceTree({ "root/a": "a" });
  const output = new MemorySink(512);
  output.commit = () => Promise.reject(new Error("nobody takes it"));
  await assert.rejects(archiveOf(selectionOf([tree.at("root")]), { output }), /nobody takes it/);
});

Deno.test("an archive tells how far it has come", async () => {
  using tree = new SourceTree();
  for (let index = 0; index < 20; index++) tree.write(`root/${index}`, content(2 * MIB));
  const seen: number[] = [];
  await archiveOf(selectionOf([tree.at("root")]), { progress: (done) => void seen.push(done) });
  assert.deepEqual(seen, [16 * MIB, 32 * MIB]);
});

Deno.test("an empty directory is backed up, and so is a file by itself", async () => {
  using tree = new SourceTree({ "notes.txt": "text" });
  tree.write("empty/");
  const archived = await archiveOf(selectionOf([tree.at("notes.txt"), tree.at("empty")]));
  await assertWellFormed(archived);
  assert.deepEqual(archived.entries.map(({ path, kind }) => `${kind} ${path}`), [
    "directory empty",
    "file notes.txt",
  ]);
});
