import { deepEqual, equal, match } from "node:assert/strict";
import { oldDenoWarning } from "../../commands/deno_version.ts";
import { works } from "../platform/probe.ts";
import { Home } from "./harness.ts";

/** Root may read everything, unless it gives that up. */
const AS_MORTAL = Deno.uid() === 0 ? "setpriv --bounding-set=-all" : "";

Deno.test("plan shows what would run, and runs nothing", async () => {
  await using home = await Home.make();
  await home.furnish();
  const before = await home.list(".");
  const { status, stdout, stderr } = await home.keepsake(["plan"]);
  equal(status, 0, stderr);
  match(stdout, /^claude {2}~\/\.config\/keepsake\/pipeline\.toml$/m);
  match(stdout, /^ {2}claude +reads ~\/\.claude$/m);
  match(stdout, /^ {2}encrypt +nothing$/m);
  match(stdout, /^Promise 2 holds: no stage can both read plaintext and reach the network$/m);
  deepEqual(await home.list("."), before);
});

Deno.test("plan --json shows all eight permission keys of every stage, and the verdict", async () => {
  await using home = await Home.make();
  await home.furnish();
  const { stdout, stderr } = await home.keepsake(["plan", "--json"]);
  equal(stderr, "");
  const plan = JSON.parse(stdout);
  deepEqual(Object.keys(plan), [
    "pipeline",
    "file",
    "state",
    "stages",
    "messengers",
    "second_promise",
    "sources",
    "outlook",
    "horizon",
    "keys",
  ]);
  deepEqual(plan.second_promise, { holds: true, breaches: [] });
  const path = home.at(".local/share/keepsake/backups");
  const reason = "it does not exist";
  const findings = [{ stage: "local", path, state: "new", reason }];
  deepEqual(plan.outlook, { status: 0, findings });
  for (const stage of plan.stages) {
    deepEqual(Object.keys(stage), [
      ...["id", "use", "kind", "location", "inputs", "retention", "secrets"],
      ...["permissions", "sees_plaintext", "reaches_network", "sandboxed"],
    ]);
    deepEqual(Object.keys(stage.permissions).toSorted(), [
      ...["env", "ffi", "import", "net", "read", "run", "sys", "write"],
    ]);
    for (const granted of Object.values(stage.permissions)) {
      equal(granted === false || Array.isArray(granted), true);
    }
  }
});

Deno.test("plan says how a run would end for what is not there, and a run then does", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const outcomes = async () => {
    const planned = await home.keepsake(["plan"]);
    equal(planned.status, 0, planned.stderr);
    return [planned.stdout, (await home.keepsake(["run"])).status] as const;
  };
  const [ready, zero] = await outcomes();
  match(
    ready,
    /^As things are now:\n {2}local {2}~\/\.local\/\S+: it does not exist yet: a run makes it\n$/m,
  );
  equal(zero, 0);
  equal((await home.keepsake(["plan"])).stdout.includes("As things are now"), false);

  await Deno.writeTextFile(
    file,
    text.replace("claude = true", 'claude = true\npaths = ["~/gone"]'),
  );
  const [partly, two] = await outcomes();
  match(
    partly,
    /^ {2}claude {2}~\/gone: it does not exist\nA run would end with status 2: the rest /m,
  );
  equal(two, 2);

  await Deno.writeTextFile(file, text.replace("claude = true", 'paths = ["~/gone"]'));
  const [nothing, three] = await outcomes();
  match(nothing, /^A run would end with status 3: there is nothing to back up$/m);
  equal(three, 3);
});

Deno.test({
  name: "plan foretells that no run begins where the home is read-only, as it does (needs mounts)",
  ignore: !await works("unshare", "-rm", "true"),
  async fn() {
    await using home = await Home.make();
    await home.furnish();
    const closed = (word: string) =>
      home.bash(
        `exec unshare -rm sh -c 'mount --bind . . && mount -o remount,ro,bind . && cd . && keepsake ${word}'`,
      );
    for (const place of ["new", "there"]) {
      const planned = await closed("plan");
      equal(planned.status, 0, planned.stderr);
      match(planned.stdout, /^ {2}state +~\/\.local\/\S+: the file system is read-only$/m, place);
      match(planned.stdout, /^A run would end with status 3: it could not begin$/m);
      equal((await closed("run")).status, 3);
      equal((await home.keepsake(["run", "--quiet"])).status, 0);
    }
  },
});

Deno.test("plan foretells that a destination that held snapshots and is gone fails, as it does", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run"])).status, 0);
  match((await home.keepsake(["plan"])).stdout, /[1-9] of them in a destination as they are now/);
  await Deno.remove(home.at(".local/share/keepsake/backups"), { recursive: true });
  const { stdout } = await home.keepsake(["plan"]);
  match(
    stdout,
    /^ {2}local {2}\S+: it held a snapshot, and is not there: a run would fail there$/m,
  );
  match(stdout, /^A run would end with status 2: the rest would go on$/m);
  match(stdout, /\b0 of them in a destination as they are now/);
  equal((await home.keepsake(["run"])).status, 2);
});

Deno.test({
  name: "plan names what cannot be read, and the run then ends as it says (needs modes)",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using home = await Home.make();
    await home.furnish();
    await home.write(".claude/closed/file", "x");
    await Deno.chmod(home.at(".claude/closed"), 0);
    await Deno.chmod(await home.write(".claude/shut.md", "x"), 0);
    const asMortal = (word: string) => home.bash(`exec ${AS_MORTAL} keepsake ${word}`);
    const planned = await asMortal("plan");
    equal(planned.status, 0, planned.stderr);
    match(planned.stdout, /^ {2}claude {2}~\/\.claude\/closed: /m);
    match(planned.stdout, /^ {2}claude {2}~\/\.claude\/shut\.md: /m);
    match(planned.stdout, /^A run would end with status 2: the rest would go on$/m);
    const run = await asMortal("run");
    equal(run.status, 2);
    match(run.stdout + run.stderr, /could not read 2 paths/);
    await Deno.chmod(home.at(".claude/closed"), 0o700);
  },
});

Deno.test("plan and run name the sessions that Claude Code deletes soon and no destination has", async () => {
  await using home = await Home.make();
  await home.furnish();
  const log = home.at(".claude/projects/-tmp-a/1.jsonl");
  const old = new Date(Date.now() - 29 * 86_400_000);
  await Deno.utime(log, old, old);
  const title = "1 session goes within 48 h and is in no destination:";
  const { stdout } = await home.keepsake(["plan"]);
  equal(stdout.includes(`\n${title}\n`), true, stdout);
  match(stdout, /^Claude Code keeps conversations for 30 days, by its own rule \(~\/\.claude\)$/m);
  const { horizon } = JSON.parse((await home.keepsake(["plan", "--json"])).stdout);
  deepEqual(horizon.endangered, [log]);

  // A destination that fails leaves them in danger; one that works does not.
  const backups = await home.write(".local/share/keepsake/backups", "in the way");
  const failed = await home.keepsake(["run"]);
  equal(failed.status, 2);
  equal(failed.stderr.includes(`\n${title}\n`), true, failed.stderr);
  await Deno.remove(backups);
  const { stdout: json } = await home.keepsake(["run", "--json"]);
  deepEqual(JSON.parse(json).horizon, { within_hours: 48, endangered: [], paused: [], unseen: [] });
  const safe = JSON.parse((await home.keepsake(["plan", "--json"])).stdout).horizon;
  deepEqual(safe.endangered, []);
  deepEqual(safe.conversations.map((one: { destinations: string[] }) => one.destinations), [[
    "local",
  ]]);
});

Deno.test("plan counts what the snapshot would hold and leave out, and names what nobody knows", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write(".claude/cache/1", "");
  await home.write(".claude/statsig/1", "");
  await home.write(".claude/.credentials.json", "{}");
  await home.write(".claude/novelty/deep/1", "");
  await home.write(".claude.json", '{"oauthAccount":{}}');
  const { stdout, stderr } = await home.keepsake(["plan"]);
  match(stdout, /^What the snapshots would hold now:$/m, stderr);
  match(stdout, /^ {10}left out: 2 × a cache or state of this machine, 1 × holds credentials$/m);
  match(stdout, /^ {10}nobody knows what it is, backed up all the same: ~\/\.claude\/novelty$/m);
  const { sources } = JSON.parse((await home.keepsake(["plan", "--json"])).stdout);
  deepEqual(
    sources.map(({ stage, left_out, unknown }: Record<string, unknown>) => {
      return { stage, left_out, unknown };
    }),
    [{
      stage: "claude",
      left_out: [
        { reason: "a cache or state of this machine", count: 2 },
        { reason: "holds credentials", count: 1 },
      ],
      unknown: [home.at(".claude/novelty")],
    }],
  );
  const report = JSON.parse((await home.keepsake(["run", "--json"])).stdout);
  equal(report.ok, true);
});

Deno.test("plan and run tell of what exclude has as a path of the machine, which leaves nothing out", async () => {
  await using home = await Home.make();
  await home.furnish();
  await home.write("src/cache/1", "");
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const patterns = [home.at("src/cache"), "~/src/cache"];
  const keys = `paths = ["~/src"]\nexclude = ${JSON.stringify(patterns)}`;
  await Deno.writeTextFile(file, text.replace("claude = true", `claude = true\n${keys}`));
  const { stdout, stderr } = await home.keepsake(["plan"]);
  const flat = stdout.replaceAll(/\s+/g, " ");
  const why = '" in "exclude" matches nothing: patterns are relative to each path, ';
  equal(flat.includes(`Warning: ~/src: "${patterns[0]}${why}so write "/cache"`), true, stderr);
  equal(
    flat.includes(`Warning: ~/src: "~/src/cache${why}and "~" stands for nothing there: `),
    true,
    flat,
  );
  const { sources: [source] } = JSON.parse((await home.keepsake(["plan", "--json"])).stdout);
  equal(source.idle.length, 2);
  const run = await home.keepsake(["run"]);
  for (const { reason } of source.idle) equal(run.stderr.includes(`~/src: ${reason}\n`), true);
});

Deno.test("a Deno with known ways out of its sandbox is told of", () => {
  equal(oldDenoWarning("2.9.6"), undefined);
  equal(oldDenoWarning("2.10.0"), undefined);
  equal(oldDenoWarning("3.0.0-rc.1"), undefined);
  match(oldDenoWarning("2.9.5") ?? "", /^Deno 2\.9\.5 is older than 2\.9\.6: /);
  match(oldDenoWarning("2.8.2") ?? "", /Backups work all the same$/);
  match(oldDenoWarning("1.46.3") ?? "", /older/);
});

Deno.test("a Deno that does not list names that are not UTF-8 is told of", () => {
  for (const version of ["2.4.2", "2.8.1"]) {
    match(oldDenoWarning(version) ?? "", /, but lack files and folders whose names are not UTF-8/);
  }
});
