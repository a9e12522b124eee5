import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "../../commands/harness.ts";

/** How a file begins that `age -p` made of an identity: no text. */
const ENCRYPTED_KEY = new Uint8Array([
  ...new TextEncoder().encode("age-encryption.org/v1\n-> scrypt c2FsdA 18\n"),
  ...[0, 0xff, 0, 0xfe],
]);

Deno.test("drill tells what came back, as a table and as JSON, and why something did not", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const good = await home.keepsake(["drill"]);
  equal(good.status, 0, good.stderr);
  match(good.stdout, /^RESULT {2}ID +SNAPSHOT +FILES +SIZE +LINES +DATABASES +TOOK +WHERE\n/);
  match(good.stdout, /^proven {2}claude {2}\S+ +2 +\S+ \w+ +50 +0 .* local$/m);
  deepEqual(await home.keepsake(["drill", "--quiet"]), { status: 0, stdout: "", stderr: "" });
  await home.write(".claude/projects/-tmp-a/2.jsonl", "{}\nno\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const bad = await home.keepsake(["drill", "local", "--json"]);
  equal(bad.status, 4);
  const { ok, drills: [drill] } = JSON.parse(bad.stdout);
  deepEqual([ok, drill.verdict, drill.lines], [false, "failed", 51]);
  deepEqual(drill.flaws, [
    { path: ".claude/projects/-tmp-a/2.jsonl", reason: "line 2 is no JSON" },
  ]);
  const told = await home.keepsake(["drill"]);
  match(told.stderr, /^Error: claude\/\S+ at local: drill failed: Cannot use ".*2\.jsonl" of /m);
  match(told.stderr, /says? otherwise with keepsake accept claude$/m);
});

Deno.test("drill and run tell of snapshots that are proven and incomplete", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, text.replace("[pipeline]\n", '[pipeline]\ndrill_every = "1d"\n'));
  // A name that is no UTF-8: root can read everything else.
  await home.bash(`echo lost > .claude/$'bad\\xff'`);
  const run = await home.keepsake(["run"]);
  equal(run.status, 2, run.stderr);
  match(run.stderr, /^Drilled: 1 snapshot .* from local and found good, 1 of them incomplete$/m);
  const { status, stdout, stderr } = await home.keepsake(["drill"]);
  equal(status, 0, stderr);
  match(stdout, /^proven, incomplete {2}claude {2}/m);
  match(stderr, /^Note: claude\/\S+ is incomplete\n {2}not in this snapshot: 1 path that /m);
  const { drills: [drill] } = JSON.parse((await home.keepsake(["drill", "--json"])).stdout);
  deepEqual([drill.verdict, drill.complete, drill.unreadable.length], ["proven", false, 1]);
  await home.bash("rm .claude/bad*; touch .claude/new");
  await home.keepsake(["run", "--quiet"]);
  const whole = JSON.parse((await home.keepsake(["drill", "--json"])).stdout).drills[0];
  deepEqual([whole.verdict, whole.complete, whole.unreadable], ["proven", true, []]);
});

Deno.test("status tells of a drill that failed until another one proves it", async () => {
  await using home = await Home.make();
  await home.furnish();
  const log = ".claude/projects/-tmp-a/2.jsonl";
  await home.write(log, "{}\nno\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const told = async () => {
    const { status, stdout } = await home.keepsake(["status"]);
    const { destinations: [local], troubles } = JSON.parse(
      (await home.keepsake(["status", "--json"])).stdout,
    );
    return { status, stdout, local, troubles };
  };
  equal((await told()).status, 0);
  equal((await home.keepsake(["drill", "--quiet"])).status, 4);
  const failed = await told();
  equal(failed.status, 4, failed.stdout);
  match(failed.stdout, /^Last run: .*: well, in .*, but a drill failed$/m);
  match(failed.stdout, / FAILED just now$/m);
  match(
    failed.stdout.replaceAll(/\s+/g, " "),
    /the drill of claude at local, failing since .*2\.js/,
  );
  match(
    failed.stdout.replaceAll(/\s+/g, " "),
    /well again when this proves it: keepsake drill local/,
  );
  deepEqual([failed.local.proven, typeof failed.local.drill_failed], [null, "string"]);
  deepEqual(failed.troubles.map(({ what }: { what: string }) => what), ["drill local/claude"]);
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  equal((await home.keepsake(["verify", "--quiet"])).status, 0);
  equal((await told()).status, 4); // What nobody has drilled since is as it was.

  await home.write(log, "{}\n{}\n");
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  match(
    (await told()).stdout.replaceAll(/\s+/g, " "),
    /something seems to be lost since .* accept claude/,
  );
  equal((await home.keepsake(["accept"])).status, 0);
  equal((await told()).stdout.includes("lost"), false);
  equal((await home.keepsake(["drill", "--quiet"])).status, 0);
  const proven = await told();
  deepEqual([proven.status, proven.troubles, proven.local.drill_failed], [0, [], null]);
  match(proven.stdout, / just now$/m);
});

Deno.test("run tells of drills, and of one that is overdue", async () => {
  await using home = await Home.make();
  await home.furnish();
  const file = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(file);
  const keys = text.replace("[pipeline]\n", '[pipeline]\ndrill_every = "1d"\n');
  await Deno.writeTextFile(file, `${keys}max_unproven = "1s"\n`);
  const first = await home.keepsake(["run"]);
  equal(first.status, 0, first.stderr);
  match(first.stderr, /^Drilled: 1 snapshot brought back from local and found good$/m);
  await Deno.writeTextFile(file, `${text}max_unproven = "1s"\n`);
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(home.at(".local/state/keepsake/claude/catalog.db"));
  database.exec("UPDATE proofs SET proven = '2001-01-01T00:00:00.000Z'");
  database.close();
  const late = await home.keepsake(["run", "--quiet"]);
  equal(late.status, 2);
  match(late.stderr, /^FAILED claude at local is overdue for a drill: proven last at 2001-/m);
  const { unproven: [one] } = JSON.parse((await home.keepsake(["run", "--json"])).stdout);
  deepEqual([one.destination, one.id, one.max_unproven_seconds], ["local", "claude", 1]);
});

Deno.test("an identity that is no file of keys is refused, and not shown where it is a key", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const held = await Deno.readTextFile(home.at(".config/keepsake/identity.txt"));
  const key = /^AGE-SECRET-KEY-.*$/m.exec(held)![0];
  for (const words of [["drill"], ["drill", "--json"], ["verify"], ["list", "--json"]]) {
    const { status, stdout, stderr } = await home.keepsake(words, {
      env: { KEEPSAKE_IDENTITY: key },
    });
    equal(status, 3, stderr);
    match(stdout + stderr, /Cannot read the identity \\?"\(hidden\)\\?": there is no such file/);
    equal((stdout + stderr).includes(key), false);
  }
  // Without an end: reading it took all the memory there is.
  const endless = await home.keepsake(["verify"], { env: { KEEPSAKE_IDENTITY: "/dev/zero" } });
  equal(endless.status, 3, endless.stderr);
  match(endless.stderr, /^Error: Cannot read the identity "\/dev\/zero": it is more than 256 KiB/);
  await Deno.writeFile(home.at("key.age"), ENCRYPTED_KEY);
  const encrypted = await home.keepsake(["verify", "--identity", home.at("key.age")]);
  equal(encrypted.status, 3, encrypted.stderr);
  match(
    encrypted.stderr,
    /key\.age": it is encrypted itself\n {2}Have a shell hand it over decrypted/,
  );
  const piped = await home.bash("keepsake verify --identity <(cat .config/keepsake/identity.txt)");
  equal(piped.status, 0, piped.stderr);
});
