/**
 * A pipeline with a directory, a repository and a bucket, from the command line: kept, one of them
 * lost for a while, brought back from each.
 */
import assert from "node:assert/strict";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { compareTrees, readTree } from "../../tools/demo/trees.ts";
import { Home, type Outcome } from "../commands/harness.ts";
import { type GitServer, startSshGit, unlessSshGit } from "./git.ts";
import { type S3Server, startS3, unlessS3 } from "./s3.ts";
import { git } from "../stages/git_harness.ts";

const unlessServers = unlessS3 || unlessSshGit;

Deno.test({
  name:
    `three places get each snapshot once, one catches up after an outage, and each gives it back${unlessServers}`,
  ignore: unlessServers !== "",
  async fn() {
    await using server = await startS3();
    await using gitServer = await startSshGit();
    await using site = await Site.make(server, gitServer);
    const { home } = site;

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
      await site.assertRestores(["--from", place, "--identity", identity], place);
    }
    await Deno.remove(home.at(".config/keepsake/pipeline.toml"));
    await Deno.remove(home.at(".local/state"), { recursive: true });
    const from = ["--from", site.address, "--identity", identity];
    const listed = await home.keepsake(["list", ...from, "--json"], site.surroundings);
    assert.equal(JSON.parse(listed.stdout).length, 3, listed.stderr);
    const verified = await home.keepsake(["verify", "--all", ...from], site.surroundings);
    assert.equal(verified.status, 0, verified.stderr);
    await site.assertRestores(from, "address");
    const directory = home.at(".local/share/keepsake/backups");
    await site.assertRestores(["--from", directory, "--identity", identity], "directory");

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

/** Ids of the destinations. */
const PLACES = ["local", "git", "s3"] as const;

/** A home with two snapshots, whose names begin alike, kept in three places. */
class Site implements AsyncDisposable {
  readonly home: Home;
  readonly outcomes: Outcome[] = [];
  readonly surroundings: { readonly env: Readonly<Record<string, string>> };
  readonly address: string;
  readonly #server: S3Server;
  readonly #bucket: string;
  readonly #bare: string;

  private constructor(server: S3Server, home: Home, bucket: string, bare: string) {
    this.#server = server;
    this.home = home;
    this.#bucket = bucket;
    this.#bare = bare;
    this.address = `s3://${bucket}/some/where`;
    this.surroundings = {
      env: {
        AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
        AWS_ENDPOINT_URL: server.endpoint,
      },
    };
  }

  static async make(server: S3Server, gitServer: GitServer): Promise<Site> {
    const home = await Home.make();
    const bare = gitServer.makeRepository();
    const site = new Site(server, home, await server.makeBucket(), bare);
    const gitOptions = Object.entries(gitServer.optionsFor(bare))
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    await home.furnish();
    await home.write("work/notes.md", "Begin.\n");
    const file = home.at(".config/keepsake/pipeline.toml");
    const text = await Deno.readTextFile(file);
    const [, recipients] = /^to = (.*)$/m.exec(text)!;
    await Deno.writeTextFile(
      file,
      `[[stage]]
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
to = ${recipients}
[[stage]]
use = "local"
path = "~/.local/share/keepsake/backups"
[[stage]]
use = "git"
${gitOptions.join("\n")}
[[stage]]
use = "s3"
bucket = "${site.#bucket}"
prefix = "some/where"
endpoint = "${server.endpoint}"
`,
    );
    return site;
  }

  async run(): Promise<Outcome> {
    const outcome = await this.home.keepsake(["run", "--json"], this.surroundings);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** What became of the snapshot "claude" at a destination. */
  statusAt({ stdout, stderr }: Outcome, destination: string): string {
    const { snapshots } = JSON.parse(stdout) as {
      readonly snapshots: readonly {
        readonly id: string;
        readonly destinations: readonly { readonly id: string; readonly status: string }[];
      }[];
    };
    const found = snapshots.find(({ id }) => id === "claude")?.destinations
      .find(({ id }) => id === destination);
    assert.ok(found, stderr);
    return found.status;
  }

  /** Asserts that both snapshots come back whole. */
  async assertRestores(from: readonly string[], name: string): Promise<void> {
    for (const [snapshot, source] of [["claude", ".claude"], ["claude-work", "work"]] as const) {
      const to = this.home.at(`back-${name}-${snapshot}`);
      const words = ["restore", snapshot, ...from, "--to", to];
      const { status, stderr } = await this.home.keepsake(words, this.surroundings);
      assert.equal(status, 0, stderr);
      const { missing, extra, changed } = compareTrees(
        readTree(this.home.at(source)),
        readTree(`${to}/${source}`),
      );
      assert.deepEqual([missing, extra, changed], [[], [], []], name);
    }
  }

  /** How many commits the repository has. */
  commits(): number {
    return Number(git("--git-dir", this.#bare, "rev-list", "--count", "main"));
  }

  /** Keys of all that the bucket holds, sorted. */
  async objects(): Promise<string[]> {
    const command = new ListObjectsV2Command({ Bucket: this.#bucket });
    const { Contents = [] } = await this.#server.client().send(command);
    return Contents.map(({ Key }) => Key!).toSorted((a, b) => kindOf(a) < kindOf(b) ? -1 : 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
  }
}

/** `<snapshot> <json|tar>` */
function kindOf(key: string): string {
  const [, snapshot, kind] = /^some\/where\/([^/]+)\/[^.]+\.(\w+)\./.exec(key) ?? [key];
  return `${snapshot} ${kind}`;
}
