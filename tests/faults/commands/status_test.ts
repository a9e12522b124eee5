/** What is told of runs that are at work, and of such as were killed. */
import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "../../commands/harness.ts";

/** Nothing on the disk, and seconds to read. */
const LARGE = ".claude/projects/-tmp-a/large";

/** Starts a run, and waits until it is at work. */
async function startRun(home: Home): Promise<Deno.ChildProcess> {
  await Deno.truncate(await home.write(LARGE, ""), 16 * 2 ** 30);
  const before = await openRunOf(home);
  const running = home.start(["run", "--quiet", "--force"]);
  let hasEnded = false;
  running.status.then(() => hasEnded = true);
  let open: OpenRun | null = null;
  // It has the lock before it notes that it began: until then, another one is open.
  while ((open?.process !== running.pid || open.started === before?.started) && !hasEnded) {
    open = await openRunOf(home);
  }
  deepEqual([open?.process, open?.at_work], [running.pid, true]);
  return running;
}

interface OpenRun {
  readonly started: string;
  readonly process: number;
  readonly at_work: boolean;
}

/** What `status` tells of a run that has not ended. */
async function openRunOf(home: Home): Promise<OpenRun | null> {
  return JSON.parse((await home.keepsake(["status", "--json"])).stdout).open_run;
}

Deno.test({
  name: "a run that is killed is told by the next one, and by status while that is under way",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using home = await Home.make();
    await home.furnish();
    equal((await home.keepsake(["run", "--quiet"])).status, 0);
    /** Has a run killed while it is at work, and looks at `status` before that. */
    const kill = async (look: () => Promise<void>) => {
      const running = await startRun(home);
      running.kill("SIGSTOP");
      await look();
      running.kill("SIGKILL");
      equal((await running.status).code, 137);
    };
    await kill(() => Promise.resolve());
    await kill(async () => {
      const { stdout } = await home.keepsake(["status"]);
      match(stdout, /^Last run: .*: well, and those after it were cut off$/m);
      match(stdout, /The last run was cut off/);
    });
    await Deno.remove(home.at(LARGE));
    match((await home.keepsake(["run"])).stderr, /The last 2 runs were cut off: they began and/);
    equal((await home.keepsake(["status"])).stdout.includes("cut off"), false);
  },
});

Deno.test("status tells of a run that is at work, and of one that was killed, at once", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal(await openRunOf(home), null);
  const running = await startRun(home);
  const atWork = (await home.keepsake(["status"])).stdout;
  match(
    atWork,
    new RegExp(`^At work: {2}a run that began .*, just now, in process ${running.pid}$`, "m"),
  );
  running.kill("SIGKILL");
  await running.status;
  const { status, stdout } = await home.keepsake(["status"]);
  equal(status, 0);
  match(stdout, /^Cut off: {2}a run that began [-0-9: ]+, just now$/m);
  match(stdout, /^ {2}The last run was cut off\. Make its backup: keepsake run$/m);
  equal((await openRunOf(home))?.at_work, false);
  await Deno.remove(home.at(LARGE));
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal(await openRunOf(home), null);
});
