import assert from "node:assert/strict";
import { join } from "node:path";
import { acquireLock } from "../../pipeline/lock.ts";
import { makeStateDirectory } from "../../pipeline/state_directory.ts";

Deno.test("a lock that is held says who holds it, and is free again after release", async () => {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "lock");
  const lock = await acquireLock(path);
  await assert.rejects(acquireLock(path), {
    code: "run-in-progress",
    message: new RegExp(`another run of this pipeline is under way \\(process ${Deno.pid}\\)`),
  });
  lock[Symbol.dispose]();
  (await acquireLock(path))[Symbol.dispose]();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a lock that is held keeps others out even when its file is deleted", async () => {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "lock");
  const lock = await acquireLock(path);
  await Deno.remove(path);
  await assert.rejects(acquireLock(path), { code: "run-in-progress" });
  lock[Symbol.dispose]();
  (await acquireLock(path))[Symbol.dispose]();
  await Deno.remove(directory, { recursive: true });
});

Deno.test({
  name: "a link in the place of a lock is refused, and what it leads to stays",
  ignore: Deno.build.os === "windows",
  async fn() {
    const directory = await Deno.makeTempDir();
    const [path, other] = [join(directory, "lock"), join(directory, "other")];
    await Deno.writeTextFile(other, "of worth");
    await Deno.symlink(other, path);
    await assert.rejects(acquireLock(path), { message: /it is a link/ });
    assert.equal(await Deno.readTextFile(other), "of worth");
    await Deno.remove(path);
    (await acquireLock(path))[Symbol.dispose]();
    await Deno.remove(directory, { recursive: true });
  },
});

Deno.test({
  name: "a state directory that others may write to is closed to them",
  ignore: Deno.build.os === "windows",
  async fn() {
    const directory = await Deno.makeTempDir();
    await Deno.chmod(directory, 0o777);
    await makeStateDirectory(directory);
    assert.equal((await Deno.stat(directory)).mode! & 0o777, 0o755);
    await Deno.remove(directory, { recursive: true });
  },
});
