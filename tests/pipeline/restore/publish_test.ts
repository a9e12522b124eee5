import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type Overwrite, planEntries } from "../../../pipeline/restore/plan.ts";
import { makeStaging, publish } from "../../../pipeline/restore/publish.ts";
import type { Entry } from "../../../stages/contract.ts";
import { Folder } from "../../platform/probe.ts";

const BASE = { mode: 0o755, mtime: 0 };
const directory = (path: string): Entry => ({ ...BASE, kind: "directory", path });
const file = (path: string): Entry => ({ ...BASE, kind: "file", path, sha256: "", size: 3 });
const ENTRIES: readonly Entry[] = [
  { ...directory("a"), mode: 0o3755 },
  file("a/history"),
  { ...BASE, kind: "symlink", path: "a/link", link: "history" },
  { ...BASE, kind: "hardlink", path: "a/name", link: "a/history" },
  file("z"),
];

/** Restores to a folder, and has something else written there once all is planned. */
async function restore(
  folder: Folder,
  meanwhile: () => void,
  overwrite: Overwrite = "never",
): Promise<Error | undefined> {
  const placements = ["a", "z"].map((root) => (
    { root, base: folder.path, target: join(folder.path, root) }
  ));
  const chosen = ENTRIES.map((entry) => ({ entry }));
  const entries = await planEntries(chosen, placements, overwrite, new Date());
  const staging = await makeStaging(placements, () => {});
  try {
    const into = staging.into(placements);
    await Deno.mkdir(into["a"]!);
    for (const path of [join(into["a"]!, "history"), into["z"]!]) {
      await Deno.writeTextFile(path, "old");
    }
    meanwhile();
    return await publish({ placements, entries }, staging, false, () => {})
      .then(() => undefined, (error) => error);
  } finally {
    await staging.remove();
  }
}

function write(path: string, text: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

/** Texts of files, and of links. */
function read(folder: Folder): Record<string, string> {
  const walk = (path: string): [string, string][] =>
    Array.from(Deno.readDirSync(join(folder.path, path))).flatMap(({ name, ...is }) => {
      const way = join(path, name);
      if (is.isDirectory) return walk(way);
      const at = join(folder.path, way);
      return [[way, is.isSymlink ? Deno.readLinkSync(at) : Deno.readTextFileSync(at)]];
    });
  return Object.fromEntries(walk("").sort());
}

for (const path of ["a/history", "a/link", "a/name", "z"]) {
  for (const overwrite of ["never", "always"] as const) {
    Deno.test(`publish() with "${overwrite}" leaves "${path}" that somebody wrote meanwhile`, async () => {
      using folder = new Folder();
      const at = join(folder.path, path);
      const error = await restore(folder, () => write(at, "new"), overwrite);
      assert.deepEqual(read(folder), { [path]: "new" });
      assert.match(
        error!.message,
        /: something was written meanwhile at ".*"; it stays, and everything there is as it was$/,
      );
      assert.ok(error!.message.includes(`"${at}"`));
    });
  }
}

Deno.test("publish() puts a root beside what somebody else wrote into it meanwhile", async () => {
  using folder = new Folder();
  const mine = join(folder.path, "a", "mine");
  const error = await restore(folder, () => {
    write(mine, "new");
    Deno.chmodSync(dirname(mine), 0o700);
  });
  assert.equal(error, undefined);
  const all = { "a/history": "old", "a/link": "history", "a/mine": "new", "a/name": "old" };
  assert.deepEqual(read(folder), { ...all, z: "old" });
  assert.equal((await Deno.stat(dirname(mine))).mode! & 0o777, 0o700);
});

Deno.test("publish() makes what is restored no further name of a file that is kept", async () => {
  using folder = new Folder();
  write(join(folder.path, "a", "history"), "mine");
  assert.equal(await restore(folder, () => {}), undefined);
  assert.deepEqual(read(folder), {
    ...{ "a/history": "mine", "a/link": "history", "a/name": "old" },
    z: "old",
  });
});

Deno.test("a directory where a file has to be is in the way, whatever may be overwritten", async () => {
  for (const overwrite of ["never", "changed", "always"] as const) {
    using folder = new Folder();
    await Deno.mkdir(join(folder.path, "a", "history"), { recursive: true });
    await assert.rejects(restore(folder, () => {}, overwrite), { code: "target-refused" });
  }
});

Deno.test("publish() leaves a directory that was there its bits", async () => {
  using folder = new Folder();
  await Deno.mkdir(join(folder.path, "a"), { mode: 0o700 });
  assert.equal(await restore(folder, () => {}), undefined);
  assert.equal((await Deno.stat(join(folder.path, "a"))).mode! & 0o7777, 0o700);
});

Deno.test("publish() gives a directory no special bits", async () => {
  using folder = new Folder();
  assert.equal(await restore(folder, () => {}), undefined);
  assert.equal((await Deno.stat(join(folder.path, "a"))).mode! & 0o7777, 0o755);
});

Deno.test("publish() does not go by a link that was made meanwhile", async () => {
  using folder = new Folder();
  const error = await restore(folder, () => {
    Deno.mkdirSync(join(folder.path, "b"));
    Deno.symlinkSync("b", join(folder.path, "a"));
  });
  assert.match(error!.message, /something was written meanwhile at ".*a"/);
  assert.deepEqual(read(folder), { a: "b" });
});

for (
  const [what, meanwhile] of Object.entries({
    "is another": (path: string) => write(path, "other"),
    "has more in it, at the same time": (path: string) => {
      const { atime, mtime } = Deno.statSync(path);
      write(path, "mine and more");
      Deno.utimeSync(path, atime!, mtime!);
    },
    "has other bytes, as many as before": (path: string) => {
      write(path, "ours");
      Deno.utimeSync(path, new Date(), new Date(Date.now() + 1000));
    },
    "became a directory": (path: string) => {
      Deno.removeSync(path);
      write(join(path, "mine"), "mine");
    },
  })
) {
  Deno.test(`publish() replaces nothing that ${what} since it was planned`, async () => {
    using folder = new Folder();
    const path = join(folder.path, "a", "history");
    write(path, "mine");
    let before = {};
    const error = await restore(folder, () => {
      meanwhile(path);
      before = read(folder);
    }, "always");
    assert.match(error!.message, /something was written meanwhile at ".*history"; it stays/);
    assert.deepEqual(read(folder), before);
  });
}

Deno.test("publish() replaces what it was to replace, also where that is gone", async () => {
  for (const isGone of [false, true]) {
    using folder = new Folder();
    const path = join(folder.path, "a", "history");
    write(path, "mine");
    const error = await restore(folder, () => isGone && Deno.removeSync(path), "always");
    assert.equal(error, undefined);
    assert.deepEqual(read(folder), {
      ...{ "a/history": "old", "a/link": "history", "a/name": "old" },
      z: "old",
    });
  }
});
