import { deepEqual as assertEquals, equal, ok, rejects } from "node:assert/strict";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Entry, FileEntry } from "../../../../stages/contract.ts";
import { StageError } from "../../../../stages/errors.ts";
import { runStage } from "../../harness.ts";
import { entriesOf, inPieces, type Member, sha256, tarOf } from "../tar/tar_bytes.ts";
import { inDirectory, SAMPLE, start, treeOf, UNPACKED } from "./unpacking.ts";

Deno.test("unpack makes files and open directories, and leaves links to the caller", () =>
  inDirectory(async (directory) => {
    const answer = await start({ archive: tarOf(SAMPLE), into: { x: join(directory, "x") } });
    assertEquals(answer, { files: 4, bytes: 1014 });
    assertEquals(treeOf(directory), UNPACKED);
  }));

Deno.test("unpack gives the same tree whatever the length of the pieces", () =>
  inDirectory(async (directory) => {
    for (const length of [1, 511, 512, 513, 100_000]) {
      const home = join(directory, String(length));
      await Deno.mkdir(home);
      const archive = inPieces(tarOf(SAMPLE), length);
      await start({ archive, into: { x: join(home, "x") } });
      assertEquals(treeOf(home), UNPACKED);
    }
  }));

Deno.test("unpack makes nothing when it only compares", async () => {
  assertEquals(await start({ archive: tarOf(SAMPLE) }), { files: 4, bytes: 1014 });
});

Deno.test("unpack makes what is wanted and the way to it, and compares the rest", () =>
  inDirectory(async (directory) => {
    const into = { x: join(directory, "x") };
    const wanted = ["x/b/tool", "x/b/way", "no such path"];
    assertEquals(await start({ archive: tarOf(SAMPLE), into, wanted }), { files: 1, bytes: 1000 });
    assertEquals(treeOf(directory), {
      "x": UNPACKED["x"],
      "x/b": UNPACKED["x/b"],
      "x/b/tool": UNPACKED["x/b/tool"],
    });
    const changed = SAMPLE.map((member) =>
      member.path === "x/a" ? { ...member, content: "F1rst" } : member
    );
    await rejects(start({ archive: tarOf(changed), wanted }), /"x\/a" .* content is not/);
  }));

Deno.test("unpack puts each root where it is told, also one of several names and one that is a file", () =>
  inDirectory(async (directory) => {
    const members: Member[] = [
      { path: "one.json", content: "a file" },
      { path: "x", type: "5" },
      { path: "x/conf", type: "5" },
      { path: "x/conf/deep/in/it", content: "first" },
      { path: "y/conf/z", content: "second" },
    ];
    const into = {
      "one.json": join(directory, "0"),
      "x/conf": join(directory, "1"),
      "y/conf": join(directory, "2"),
    };
    await start({ archive: tarOf(members), entries: entriesOf(members), into });
    assertEquals(treeOf(directory), {
      "0": "file 644 a file",
      "1": "directory 700",
      "1/deep": "directory 700",
      "1/deep/in": "directory 700",
      "1/deep/in/it": "file 644 first",
      "2": "directory 700",
      "2/z": "file 644 second",
    });
  }));

Deno.test("unpack needs no more than write access to where each root goes", () =>
  inDirectory(async (directory) => {
    const into = { x: join(directory, "0") };
    const { result } = await runStage({
      use: "snapshot",
      operation: "restore",
      options: { paths: ["/nowhere"] },
      context: { entries: entriesOf(SAMPLE), into, wanted: undefined },
      grants: { write: [into.x] },
      input: inPieces(tarOf(SAMPLE), 1000),
    });
    assertEquals(result, { files: 4, bytes: 1014 });
    const tree = Object.entries(UNPACKED).map(([path, state]) => [path.replace("x", "0"), state]);
    assertEquals(treeOf(directory), Object.fromEntries(tree));
  }));

Deno.test("unpack keeps a long run of zeros as a hole", () =>
  inDirectory(async (directory) => {
    const content = new Uint8Array(3 * 2 ** 20);
    content.fill(1, 2 ** 20 - 3, 2 ** 20 + 3);
    const members = [{ path: "x", content }, { path: "y", content: new Uint8Array(2 ** 20) }];
    for (const length of [2 ** 17, 2 ** 23]) {
      const into = { x: join(directory, `x${length}`), y: join(directory, `y${length}`) };
      const archive = inPieces(tarOf(members), length);
      await start({ archive, entries: entriesOf(members), into });
      equal(sha256(await Deno.readFile(into.x)), sha256(content));
      equal(sha256(await Deno.readFile(into.y)), sha256(members[1]!.content));
      if (Deno.build.os !== "linux") continue;
      // As many holes as there are pieces of zeros alone.
      ok(lstatSync(length > content.length ? into.y : into.x).blocks * 512 < 2 ** 20);
    }
  }));

Deno.test("unpack reports the bytes of content, and stops when it is told to", async () => {
  const reports: (number | undefined)[][] = [];
  const controller = new AbortController();
  const running = start({
    archive: inPieces(tarOf(SAMPLE), 512),
    signal: controller.signal,
    progress(done, total) {
      reports.push([done, total]);
      if (done > 0) controller.abort(new Error("enough"));
    },
  });
  await rejects(running, /^Error: enough$/);
  assertEquals(reports, [[0, 1014], [0, 1014], [5, 1014]]);
});

Deno.test("unpack lets go of the input when the archive is wrong", async () => {
  let isOpen = false;
  async function* endless() {
    isOpen = true;
    try {
      yield tarOf([{ path: "y" }]);
      while (true) yield await Promise.resolve(new Uint8Array(512));
    } finally {
      isOpen = false;
    }
  }
  await rejects(start({ archive: endless() }), StageError);
  equal(isOpen, false);
});

Deno.test("unpack names the entry and what to do when archive and manifest differ", async () => {
  const entries = entriesOf(SAMPLE);
  const cases: readonly [entries: readonly Entry[], says: RegExp][] = [
    [entries.slice(0, -1), /"x\/nnn.* it is in the archive and not in the manifest$/],
    [
      [...entries, { ...entries[1]!, path: "x/z" }],
      /"x\/z" .* in the manifest and not in the archive$/,
    ],
    [entries.toSpliced(1, 1), /"x\/b" .* "x\/a" is in the archive in its place$/],
    [changed({ mode: 0o600 }), /"x\/a" .* its mode is not what the manifest says$/],
    [changed({ size: 6 }), /"x\/a" .* it has 5 bytes in the archive and 6 in the manifest$/],
    [changed({ sha256: "0".repeat(64) }), /"x\/a" .* its content is not what the manifest says$/],
    [changed({ kind: "directory" }), /"x\/a" .* a file in the archive and a directory in/],
    [changed({ link: "x/a" }, 6), /"x\/c" .* its link leads elsewhere than the manifest says$/],
    [changed({ link: "elsewhere" }, 5), /"x\/b\/way" .* its link leads elsewhere/],
  ];
  for (const [entries, says] of cases) {
    await rejects(start({ archive: tarOf(SAMPLE), entries }), (error) => {
      ok(error instanceof StageError);
      equal(error.code, "snapshot-damaged");
      ok(error.hint);
      ok(says.test(error.message), error.message);
      return true;
    });
  }
  function changed(change: Readonly<Record<string, unknown>>, index = 1): Entry[] {
    return entries.with(index, { ...entries[index]!, ...change } as Entry);
  }
});

Deno.test("unpack compares by the quick hash where that will do and there is one, else by SHA-256 and it", async () => {
  // xxhsum -H1 of "first".
  const [right, wrong] = ["cc98257fe4be8f5a", "0".repeat(16)];
  const none = "0".repeat(64);
  const entriesWith = (change: Partial<FileEntry>) =>
    entriesOf(SAMPLE).with(1, { ...entriesOf(SAMPLE)[1] as FileEntry, ...change });
  const archive = tarOf(SAMPLE);
  const says = /"x\/a" .* its content is not what the manifest says$/;
  const refused = async (change: Partial<FileEntry>, quickly: boolean) =>
    await rejects(start({ archive, entries: entriesWith(change), quickly }), says);
  const taken = async (change: Partial<FileEntry>, quickly: boolean) =>
    assertEquals((await start({ archive, entries: entriesWith(change), quickly })).files, 4);
  await taken({ xxh64: right }, true);
  await refused({ xxh64: wrong }, true);
  await taken({ xxh64: right, sha256: none }, true);
  await refused({ sha256: none }, true);
  await taken({ xxh64: right }, false);
  await taken({}, false);
  // What is found well has to come back, by whichever hash that is judged.
  await refused({ xxh64: wrong }, false);
  await refused({ xxh64: right, sha256: none }, false);
});

Deno.test("unpack does not touch what is there already, whether a root is a directory or a file", () =>
  inDirectory(async (directory) => {
    const place = join(directory, "x");
    const other = join(directory, "other");
    await Deno.writeTextFile(other, "other");
    const plants: readonly (() => Promise<void>)[] = [
      () => Deno.writeTextFile(place, "mine"),
      () => Deno.mkdir(place),
      () => Deno.symlink(directory, place),
      () => Deno.symlink(other, place),
      () => Deno.symlink(join(directory, "nothing"), place),
    ];
    for (const members of [SAMPLE, [{ path: "x", content: "theirs" }]]) {
      const job = { archive: tarOf(members), entries: entriesOf(members), into: { x: place } };
      for (const plant of plants) {
        await plant();
        const before = identityOf(place);
        await rejects(start({ ...job, archive: inPieces(job.archive, 700) }), (error) => {
          ok(error instanceof StageError);
          equal(error.code, "target-refused");
          ok(/^Cannot write ".*": it is there already/.test(error.message), error.message);
          return true;
        });
        assertEquals(identityOf(place), before);
        assertEquals(readdirSync(directory).sort(), ["other", "x"]);
        equal(await Deno.readTextFile(other), "other");
        await Deno.remove(place, { recursive: true });
      }
    }
  }));

Deno.test("unpack says so when the place to restore to is missing", () =>
  inDirectory(async (directory) => {
    const into = { x: join(directory, "none", "x") };
    await rejects(start({ archive: tarOf(SAMPLE), into }), {
      code: "target-refused",
      message: `Cannot write ${
        JSON.stringify(into.x)
      }: the directory that is to hold it is not there`,
    });
  }));

Deno.test({
  name: "unpack names the path and the bytes when the disk is full (needs the right to mount)",
  ignore: !await canMount(),
  fn: () =>
    inDirectory(async (directory) => {
      const members: Member[] = [
        { path: "x", type: "5" },
        { path: "x/fits", content: new Uint8Array(300_000).fill(1) },
        { path: "x/large", content: new Uint8Array(2_000_000).fill(2) },
      ];
      const disk = join(directory, "disk");
      await mount(disk, "size=1m");
      try {
        const place = join(disk, "x");
        for (const length of [512, 65_536, 4_000_000]) {
          const archive = inPieces(tarOf(members), length);
          await rejects(
            start({ archive, entries: entriesOf(members), into: { x: place } }),
            (error) => {
              ok(error instanceof StageError);
              equal(error.code, "storage-full");
              const written = lstatSync(join(place, "large")).size;
              ok(written > 0); // How full is full differs: each processor sets pages aside.
              equal(
                error.message,
                `Cannot write "${place}/large": the disk is full, ${written} of 2000000 bytes are written`,
              );
              return true;
            },
          );
          await Deno.remove(place, { recursive: true });
        }
      } finally {
        await unmount(disk);
      }
      await mount(disk, "nr_inodes=3");
      try {
        const archive = tarOf(members);
        const into = { x: join(disk, "x") };
        await rejects(start({ archive, entries: entriesOf(members), into }), {
          code: "storage-full",
          message: `Cannot write "${into.x}/large": the disk is full`,
        });
      } finally {
        await unmount(disk);
      }
    }),
});

function identityOf(place: string): readonly unknown[] {
  const { ino, nlink, mode, size, mtimeMs, ctimeMs } = lstatSync(place);
  return [ino, nlink, mode, size, mtimeMs, ctimeMs];
}

async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const directory = await Deno.makeTempDir();
  try {
    await mount(join(directory, "disk"), "size=64k");
    await unmount(join(directory, "disk"));
    return true;
  } catch {
    return false;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function mount(place: string, options: string): Promise<void> {
  if (!existsSync(place)) await Deno.mkdir(place);
  const args = ["-t", "tmpfs", "-o", options, "keepsake-test", place];
  const { success } = await new Deno.Command("mount", { args, stderr: "null" }).output();
  ok(success, "mount");
}

async function unmount(place: string): Promise<void> {
  const { success } = await new Deno.Command("umount", { args: [place] }).output();
  ok(success, "umount");
}
