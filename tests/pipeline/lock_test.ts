import assert from "node:assert/strict";
import { join } from "node:path";
import { acquireLock } from "../../pipeline/lock.ts";

Deno.test("a lock that is held says who holds it, and is free again after release", async () => {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "lock");
  const lock = await acquireLock(path);
  await assert.rejects(acquireLock(path), {
    code: "run-in-progress",
    message: new RegExp(`another run of this pipeline is under way \\(process ${Deno.pid}\\)`),
  });
  lock.release();
  (await acquireLock(path)).release();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a lock that is held keeps others out even when its file is deleted", async () => {
  const directory = await Deno.makeTempDir();
  const path = join(directory, "lock");
  const lock = await acquireLock(path);
  await Deno.remove(path);
  await assert.rejects(acquireLock(path), { code: "run-in-progress" });
  lock.release();
  (await acquireLock(path)).release();
  await Deno.remove(directory, { recursive: true });
});
