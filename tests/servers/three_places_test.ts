/**
 * A pipeline with a directory, a repository and a bucket, from the command line: kept, one of them
 * lost for a while, brought back from each.
 */
import assert from "node:assert/strict";
import type { Home } from "../commands/harness.ts";
import { startSshGit } from "./git.ts";
import { startS3 } from "./s3.ts";
import { type Addresses, kindOf, PLACES, Site, unlessThreePlaces } from "./three_places.ts";

Deno.test({
  name:
    `three places get each snapshot once, one catches up after an outage, and each gives it back${unlessThreePlaces}`,
  ignore: unlessThreePlaces !== "",
  async fn() {
    await using server = await startS3();
    await using gitServer = await startSshGit();
    await using site = await Site.make(server, gitServer, twoSnapshots);
    const { home } = site;
    const assertBoth = async (from: readonly string[], name: string) => {
      await site.assertRestores("claude", [".claude"], from, name);
      await site.assertRestores("claude-work", ["work"], from, name);
    };

    for (const status of ["ok", "unchanged", "unchanged"]) {
      const report = await site.run();
      assert.equal(report.status, 0, report.stderr);
      for (const place of PLACES) assert.equal(site.statusAt(report, place), status, place);
    }
    assert.equal(site.commits(), 2, "one for each snapshot");
    const first = await site.objects();
    assert.deepEqual(first.map(kindOf), [
      "claude json",
      "claude tar",
      "claude-work json",
      "claude-work tar",
    ]);

    // The server is gone: the others get theirs, and it is told which did not, and why.
    await home.write(".claude/projects/-tmp-a/2.jsonl", '{"type":"user"}\n');
    await server.pause();
    const failed = await site.run();
    assert.equal(failed.status, 2);
    assert.equal(site.statusAt(failed, "s3"), "failed");
    for (const place of ["local", "git"]) assert.equal(site.statusAt(failed, place), "ok");
    const told = await home.keepsake(["list", "--from", "s3"], site.surroundings);
    assert.equal(told.status, 2);
    assert.match(told.stderr, /Cannot list "s3:\/\/.*": nothing listens at 127\.0\.0\.1:\d+/);
    assert.match(told.stderr, /Start the server, or correct endpoint/);

    // The next run brings it up to date, although nothing has changed, and only what it lacks.
    await server.resume();
    const caught = await site.run();
    assert.equal(caught.status, 0, caught.stderr);
    assert.equal(site.statusAt(caught, "s3"), "ok");
    for (const place of ["local", "git"]) assert.equal(site.statusAt(caught, place), "unchanged");
    assert.equal(site.commits(), 3);
    const second = await site.objects();
    assert.deepEqual(second.filter((key) => first.includes(key)), first);
    const added = second.filter((key) => !first.includes(key));
    assert.deepEqual(added.map(kindOf), ["claude json", "claude tar"]);

    // What one of two snapshots with names alike holds, the other has not.
    for (const key of second) assert.match(key, /^some\/where\/claude(-work)?\/[^/]+$/);

    // Each gives the same back, by its id, and the bucket by nothing but its address.
    const identity = home.at(".config/keepsake/identity.txt");
    for (const place of PLACES) {
      await assertBoth(["--from", place, "--identity", identity], place);
    }
    await Deno.remove(site.file);
    await Deno.remove(home.at(".local/state"), { recursive: true });
    const from = ["--from", `s3://${site.bucket}/some/where`, "--identity", identity];
    const listed = await home.keepsake(["list", ...from, "--json"], site.surroundings);
    assert.equal(JSON.parse(listed.stdout).length, 3, listed.stderr);
    const verified = await home.keepsake(["verify", "--all", ...from], site.surroundings);
    assert.equal(verified.status, 0, verified.stderr);
    await assertBoth(from, "address");
    const directory = home.at(".local/share/keepsake/backups");
    await assertBoth(["--from", directory, "--identity", identity], "directory");

    const { status, stderr } = await home.keepsake(
      ["restore", ...from.with(1, "s3://nowhere-at-all/"), "--to", home.at("no")],
      site.surroundings,
    );
    assert.equal(status, 2, stderr);
    assert.match(stderr, /there is no bucket "nowhere-at-all"/);
    const secret = server.keys.secretAccessKey;
    for (const { stdout, stderr } of site.outcomes) {
      assert.ok(!`${stdout}${stderr}`.includes(secret));
    }
  },
});

/** Two snapshots whose names begin alike. */
async function twoSnapshots(
  { git, bucket, endpoint }: Addresses,
  home: Home,
): Promise<string> {
  await home.write("work/notes.md", "Begin.\n");
  const lines = Object.entries(git).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return `[[stage]]
use = "snapshot"
id = "claude"
paths = ["~/.claude"]
[[stage]]
use = "snapshot"
id = "claude-work"
paths = ["~/work"]
[[stage]]
use = "hash-gate"
[[stage]]
use = "encrypt"
to = ["~/.config/keepsake/recipients.txt"]
[[stage]]
use = "local"
path = "~/.local/share/keepsake/backups"
[[stage]]
use = "git"
${lines.join("\n")}
[[stage]]
use = "s3"
bucket = "${bucket}"
prefix = "some/where"
endpoint = "${endpoint}"
`;
}
