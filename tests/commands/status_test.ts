import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { works } from "../platform/probe.ts";
import { Home } from "./harness.ts";

/** Root reads everything, unless it gives that up. */
const AS_MORTAL = Deno.uid() === 0 ? "setpriv --bounding-set=-all " : "";

Deno.test("status, log and plan --at tell of a home that has been backed up", async () => {
  await using home = await Home.make();
  await home.furnish();
  const before = await home.keepsake(["status"]);
  equal(before.status, 0, before.stderr);
  match(before.stdout, /^Last run: none is known$/m);
  match(before.stdout, /^ {2}Make the first backup: keepsake run$/m);
  equal((await home.keepsake(["status", "--max-age", "36h", "--quiet"])).status, 5);

  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const { status, stdout, stderr } = await home.keepsake(["status", "--max-age", "36h", "--json"]);
  deepEqual([status, stderr], [0, ""]);
  const told = JSON.parse(stdout);
  deepEqual(Object.keys(told), [
    ...["pipeline", "file", "time", "last_run", "open_run", "next_run", "no_run_since"],
    "destinations",
    ...["sessions_at_risk", "sessions_unseen", "suspicions", "troubles"],
  ]);
  deepEqual(told.last_run.status, 0);
  const [local] = told.destinations;
  deepEqual([local.id, local.snapshot, local.snapshots, local.proven, local.too_old], [
    ...["local", "claude", 1, null, false],
  ]);
  equal((await home.keepsake(["verify", "--json"])).status, 0);
  match(
    (await home.keepsake(["status"])).stdout,
    /^local +claude +just now +just now +1 .* just now$/m,
  );
  for (const [age, state] of [["soon", "it is no duration"], ["0s", "everything is older"]]) {
    const { status, stderr } = await home.keepsake(["status", "--max-age", age!]);
    deepEqual([status, stderr.includes(`as an age: ${state}`)], [3, true], stderr);
  }

  // Without a log, its summary.
  match((await home.keepsake(["log"])).stdout, /^Run 1, [-0-9: ]+\nclaude: 2 files/);
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(
    file,
    `${text.replace("[pipeline]", '[pipeline]\nlog = "~/log"')}keep_last = 1\n`,
  );
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const log = await home.keepsake(["log", "--json"]);
  const lines = JSON.parse(log.stdout);
  deepEqual([lines[0].message, lines.at(-1).message], ["The run began", "The run ended well"]);
  deepEqual(new Set(lines.map(({ run }: { run: number }) => run)), new Set([2]));

  const drills = (await Deno.readTextFile(file)).replace(
    "[pipeline]",
    '[pipeline]\ndrill_every = "7d"',
  );
  await Deno.writeTextFile(file, drills);
  const day = new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 10);
  const ahead = await home.keepsake(["plan", "--at", day]);
  equal(ahead.status, 0, ahead.stderr);
  match(ahead.stdout, /^stays +claude +\S+ +last verified one$/m);
  match(
    ahead.stdout,
    /^It is supposed that one run is made a day, as none is scheduled, that each/m,
  );
  match(ahead.stdout, /^Of 1 snapshot now, 1 would stay; and 1 that is to come$/m);
  match(ahead.stdout, /^claude will be drilled 6 times, first by the run of [-0-9: ]+$/m);
  match(ahead.stdout, /^Claude Code will have deleted 1 session:\n.*1\.jsonl: in local$/m);
  for (const wrong of ["2001-01-01", "2026-02-30", "tomorrow"]) {
    equal((await home.keepsake(["plan", "--at", wrong])).status, 3, wrong);
  }
});

Deno.test("status ends with 4 after verify found a copy damaged, until a run stores a good one", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const directory = home.at(".local/share/keepsake/backups/claude");
  const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  const archive = names.find((name) => name.includes(".tar"));
  const path = `${directory}/${archive}`;
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.map((byte, at) => at === 300 ? byte ^ 1 : byte));
  equal((await home.keepsake(["verify", "--quiet"])).status, 4);
  const told = await home.keepsake(["status"]);
  equal(told.status, 4, told.stdout);
  match(told.stdout, / DAMAGED just now$/m);
  const name = archive!.split(".")[0]!;
  match(
    told.stdout.replaceAll(/\s+/g, " "),
    new RegExp(`claude/${name} in local was found damaged just now: have a good copy made`),
  );
  const json = JSON.parse((await home.keepsake(["status", "--json"])).stdout);
  deepEqual([json.destinations[0].damaged.name, json.destinations[0].proven], [name, null]);
  match((await home.keepsake(["run"])).stderr, /found damaged/);
  equal((await home.keepsake(["status"])).status, 0);
  equal((await home.keepsake(["verify", "--quiet"])).status, 0);
});

Deno.test({
  name:
    "status says where it cannot look for sessions at risk, and does not end as if all were well",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using home = await Home.make();
    await home.furnish();
    equal((await home.keepsake(["run", "--quiet"])).status, 0);
    for (const closed of [".claude", ".claude/projects", ".claude/projects/-tmp-a"]) {
      await Deno.chmod(home.at(closed), 0o000);
      const mortal = (words: string) => home.bash(`${AS_MORTAL}keepsake ${words}`);
      const { status, stdout } = await mortal("status");
      equal(status, 2, stdout);
      const line = `Cannot look at sessions in "~/${closed}": permission denied`;
      equal(stdout.includes(line), true, stdout);
      const json = JSON.parse((await mortal("status --json")).stdout);
      const unseen = { path: home.at(closed), reason: "permission denied" };
      deepEqual([json.sessions_at_risk, json.sessions_unseen], [[], [unseen]]);
      equal((await mortal("status --quiet")).stdout.includes(line), true);
      match((await mortal("plan")).stdout, /^Cannot look at sessions in /m);
      await Deno.chmod(home.at(closed), 0o700);
      equal((await mortal("status")).status, 0);
    }
  },
});

Deno.test("a run that ended without a report is what log and status tell, and not an older one", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const secret = "AGE-SECRET-KEY-1QQQQQQQQ";
  const broken = text.replace("claude = true", `paths = ["~/${secret}"]`);
  notEqual(broken, text);
  for (const number of [1, 3]) {
    await Deno.writeTextFile(file, broken);
    const run = await home.keepsake(["run", "--quiet"]);
    equal(run.status, 3);
    const sentence = /^Error: (.*)$/m.exec(run.stderr)![1]!;
    const log = await home.keepsake(["log"]);
    equal(log.status, 0, log.stderr);
    const lines = log.stdout.split("\n");
    match(lines[0]!, new RegExp(`^Run ${number}, [-0-9: ]+$`));
    equal(lines[1], `Error: ${sentence}`);
    match(log.stdout, /^ {2}\w.*\nEnded with status 3 after \S+ s$/m);
    const { ok, run: told, status, error } = JSON.parse(
      (await home.keepsake(["log", "--json"])).stdout,
    );
    deepEqual([ok, told, status, error.code], [false, number, 3, "source-missing"]);
    equal(error.message, sentence);
    const shown = await home.keepsake(["status"]);
    equal(shown.status, 0);
    const words = shown.stdout.replaceAll(/\s+/g, " ");
    equal(words.includes(`The last run ended: ${sentence}. ${error.hint}`), true, shown.stdout);
    const { last_run } = JSON.parse((await home.keepsake(["status", "--json"])).stdout);
    deepEqual([last_run.run, last_run.status, last_run.error], [number, 3, error]);
    for (const { stdout } of [log, shown]) equal(stdout.includes(secret), false, stdout);
    await Deno.writeTextFile(file, text);
    equal((await home.keepsake(["run", "--quiet"])).status, 0);
    match((await home.keepsake(["log"])).stdout, new RegExp(`^Run ${number + 1}, .*\nclaude: `));
    const { last_run: next } = JSON.parse((await home.keepsake(["status", "--json"])).stdout);
    deepEqual(Object.keys(next), ["run", "started", "finished", "status"]);
  }
  match((await home.keepsake(["log", "--run", "3"])).stdout, /^Run 3, .*\nError: /);
  match((await home.keepsake(["log", "--run", "2"])).stdout, /^Run 2, .*\nclaude: /);
  const unknown = await home.keepsake(["log", "--run", "9"]);
  deepEqual([unknown.status, /Cannot show run 9: /.test(unknown.stderr)], [3, true]);
});

Deno.test("verify does not say that all is well where the catalog cannot tell what is gone", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const catalog = home.at(".local/state/keepsake/claude/catalog.db");
  await Deno.writeFile(catalog, crypto.getRandomValues(new Uint8Array(5000)));
  const known = `Cannot use the catalog "${catalog}": it is damaged`;
  const { status, stdout, stderr } = await home.keepsake(["verify"]);
  deepEqual([status, /^ok /m.test(stdout)], [2, true], stderr);
  match(stderr, /^Warning: .*it is damaged: what was stored before is not known here$/m);
  const { ok, catalog_failure } = JSON.parse((await home.keepsake(["verify", "--json"])).stdout);
  deepEqual([ok, catalog_failure.message], [false, known]);
  const forgetting = await home.keepsake(["verify", "--forget-missing"]);
  deepEqual([forgetting.status, forgetting.stderr.includes(`Error: ${known}\n`)], [2, true]);
  match((await home.keepsake(["list"])).stderr, /^Warning: .*not known here$/m);
});

Deno.test("a catalog that is damaged is no fresh start: what rests on it says so, and what to do", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const catalog = home.at(".local/state/keepsake/claude/catalog.db");
  await Deno.writeFile(catalog, crypto.getRandomValues(new Uint8Array(5000)));
  const day = new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 10);
  const asking = [["status"], ["accept", "--dry-run"], ["accept"], ["log"]];
  for (const words of [...asking, ["plan", "--at", day]]) {
    const { status, stdout, stderr } = await home.keepsake(words);
    deepEqual([status, stdout], [2, ""], words.join(" "));
    equal(
      stderr,
      `Error: Cannot use the catalog "${catalog}": it is damaged\n` +
        "  Begin a new one with keepsake run: it puts this one aside, and asks the destinations what they hold\n",
    );
  }
  const told = await home.keepsake(["status", "--json"]);
  deepEqual([told.status, JSON.parse(told.stdout).ok], [2, false]);
  equal((await home.keepsake(["list"])).status, 0);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["status"])).status, 0);
});

/** Becomes a user that the system has no record of, in a namespace. */
const AS_UNKNOWN = "unshare --user --map-user=12345 --map-group=12345";
const becomes = await works("sh", "-c", `${AS_UNKNOWN} true`);

Deno.test({
  name: `status gets along without a record of the user, and schedule says that it cannot${
    becomes ? "" : " (without namespaces)"
  }`,
  ignore: !becomes,
  async fn() {
    await using home = await Home.make();
    await home.furnish();
    equal((await home.keepsake(["run", "--quiet"])).status, 0);
    const status = await home.bash(`${AS_UNKNOWN} keepsake status`);
    deepEqual([status.status, status.stderr], [0, ""]);
    match(status.stdout, /^Next run: none is scheduled$/m);
    for (const action of ["show", "install", "remove"]) {
      const { status, stderr } = await home.bash(`${AS_UNKNOWN} keepsake schedule ${action}`);
      equal(status, 3, stderr);
      equal(
        stderr,
        "Error: Cannot schedule: the system has no record of this user\n" +
          "  Schedule as a user that the system knows\n",
      );
    }
  },
});

Deno.test("status ends with 5 while a session is about to be deleted and is in no destination", async () => {
  await using home = await Home.make();
  await home.furnish();
  const old = home.at(".claude/projects/-tmp-a/1.jsonl");
  const time = new Date(Date.now() - 29 * 86_400_000);
  await Deno.utime(old, time, time);
  const line = /^ {2}1 session that Claude Code deletes soon is in no destination/m;
  for (const words of [["status"], ["status", "--quiet"]]) {
    const { status, stdout } = await home.keepsake(words);
    equal(status, 5, stdout);
    match(stdout, line);
    match(stdout, /^ {2}Make the first backup: keepsake run$/m);
  }
  const json = await home.keepsake(["status", "--json"]);
  deepEqual([json.status, JSON.parse(json.stdout).sessions_at_risk.length], [5, 1]);

  // Where the destination should be stands a file: the run fails, and nothing is safer than before.
  const blocker = await home.write(".local/share/keepsake/backups", "");
  equal((await home.keepsake(["run", "--quiet"])).status, 2);
  const failed = await home.keepsake(["status"]);
  equal(failed.status, 5, failed.stdout);
  match(failed.stdout, line);

  await Deno.remove(blocker);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["status"])).status, 0);
});
