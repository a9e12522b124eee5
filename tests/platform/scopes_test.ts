/** How far the scopes of a worker's `read` and `write` reach. Findings C1 to C4 and C18. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Folder, NOTHING, probe } from "./probe.ts";

const onLinux = Deno.build.os === "linux";

/** `inside` may be used by the worker, `outside` may not; `inside` holds links that lead out. */
class Scene extends Folder {
  readonly inside = join(this.path, "inside");
  readonly outside = join(this.path, "outside");
  readonly permissions = { ...NOTHING, read: [this.inside], write: [this.inside] };

  constructor() {
    super();
    Deno.mkdirSync(this.inside);
    Deno.mkdirSync(this.outside);
    Deno.writeTextFileSync(join(this.inside, "own"), "own");
    Deno.writeTextFileSync(join(this.outside, "secret"), "secret");
    Deno.symlinkSync(join(this.outside, "secret"), join(this.inside, "file_link"));
    Deno.symlinkSync(this.outside, join(this.inside, "folder_link"));
  }
}

Deno.test("a scope keeps a worker out of what is named outside of it", async () => {
  using scene = new Scene();
  const read = (path: string) => Deno.readTextFileSync(path);
  for (const path of [`${scene.outside}/secret`, `${scene.inside}/../outside/secret`]) {
    const outcome = await probe(scene.permissions, read, path);
    assert.ok("error" in outcome);
    assert.equal(outcome.error, "NotCapable");
  }
});

Deno.test("a scope is compared as text: links lead a worker's reads and writes out of it (C1)", async () => {
  using scene = new Scene();
  const read = (path: string) => Deno.readTextFileSync(path);
  const write = (path: string) => Deno.writeTextFileSync(path, "overwritten");
  for (const name of ["file_link", "folder_link/secret"]) {
    const path = join(scene.inside, name);
    assert.deepEqual(await probe(scene.permissions, read, path), { answer: "secret" });
  }
  await probe(scene.permissions, write, join(scene.inside, "file_link"));
  await probe(scene.permissions, write, join(scene.inside, "folder_link/new"));
  assert.equal(await Deno.readTextFile(join(scene.outside, "secret")), "overwritten");
  assert.equal(await Deno.readTextFile(join(scene.outside, "new")), "overwritten");
});

Deno.test("O_NOFOLLOW is honoured with all permissions alone (C2)", async () => {
  using scene = new Scene();
  const open = async (path: string) => {
    const { constants, openSync, readFileSync } = await import("node:fs");
    return readFileSync(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW), "utf8");
  };
  const link = join(scene.inside, "file_link");
  assert.deepEqual(await probe(scene.permissions, open, link), { answer: "secret" });
  assert.deepEqual(await probe({ ...NOTHING, read: true }, open, link), { answer: "secret" });
  const free = await probe("inherit", open, link);
  assert.ok("error" in free);
  assert.match(free.says, /^ELOOP/);
});

Deno.test("an open file's stat() is checked again under its true name, fstat is not (C3)", async () => {
  using scene = new Scene();
  const stat = (path: string) => Deno.openSync(path).statSync().isFile;
  const fstat = async (path: string) => {
    const { fstatSync, openSync } = await import("node:fs");
    return fstatSync(openSync(path, "r")).isFile();
  };
  for (const name of ["file_link", "folder_link/secret"]) {
    const path = join(scene.inside, name);
    const outcome = await probe(scene.permissions, stat, path);
    assert.ok("error" in outcome);
    assert.equal(outcome.error, "NotCapable");
    assert.match(outcome.says, new RegExp(`"${scene.outside}/secret"`));
    assert.deepEqual(await probe(scene.permissions, fstat, path), { answer: true });
  }
  assert.deepEqual(await probe(scene.permissions, stat, join(scene.inside, "own")), {
    answer: true,
  });
});

Deno.test("lstat and an open file agree on device and inode (C3)", async () => {
  using scene = new Scene();
  const compare = (path: string) => {
    const [named, opened] = [Deno.lstatSync(path), Deno.openSync(path).statSync()];
    return named.isFile && named.dev === opened.dev && named.ino === opened.ino;
  };
  const path = join(scene.inside, "own");
  assert.deepEqual(await probe(scene.permissions, compare, path), { answer: true });
});

Deno.test({
  name: "only all permissions together open a name below an open directory (C4)",
  ignore: !onLinux,
  async fn() {
    using scene = new Scene();
    const openAt = async (folder: string, name: string) => {
      const { constants, openSync, readFileSync } = await import("node:fs");
      const directory = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
      const path = `/proc/self/fd/${directory}/${name}`;
      return readFileSync(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW), "utf8");
    };
    assert.deepEqual(await probe("inherit", openAt, scene.inside, "own"), { answer: "own" });
    for (const permissions of [scene.permissions, { ...NOTHING, read: true }] as const) {
      assert.ok("error" in await probe(permissions, openAt, scene.inside, "own"));
    }
  },
});

Deno.test({
  name: "a worker that lacks any permission is kept out of /proc, /sys and /dev (C4)",
  ignore: !onLinux,
  async fn() {
    const permissions = { ...NOTHING, read: true, write: true };
    const read = (path: string) => Deno.readTextFileSync(path).length >= 0;
    const list = (path: string) => Array.from(Deno.readDirSync(path)).length >= 0;
    const makeFile = (path: string) => Deno.makeTempFileSync({ dir: path });
    for (
      const outcome of [
        await probe(permissions, read, "/proc/self/environ"),
        await probe(permissions, list, "/proc/self/fd"),
        await probe(permissions, list, "/sys"),
        await probe(permissions, makeFile, "/dev/shm"),
      ]
    ) {
      assert.ok("error" in outcome);
      assert.equal(outcome.error, "NotCapable");
    }
  },
});

Deno.test("a scoped worker makes no symbolic links (C18)", async () => {
  using scene = new Scene();
  const link = (path: string) => Deno.symlinkSync("own", path);
  const outcome = await probe(scene.permissions, link, join(scene.inside, "new_link"));
  assert.ok("error" in outcome);
  assert.equal(outcome.error, "NotCapable");
  assert.match(outcome.says, /unscoped/);
});

Deno.test("a scoped worker makes directories up to its own scope and flushes none above it", async () => {
  using folder = new Folder();
  const own = join(folder.path, "new", "own");
  const permissions = { ...NOTHING, read: [own], write: [own] };
  const make = (path: string) => Deno.mkdirSync(path, { recursive: true });
  const flush = (path: string) => Deno.openSync(path).syncSync();
  assert.ok("answer" in await probe(permissions, make, own));
  assert.ok("answer" in await probe(permissions, flush, own));
  assert.ok("error" in await probe(permissions, flush, join(folder.path, "new")));
});
