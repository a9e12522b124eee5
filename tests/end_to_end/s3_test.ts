/** A pipeline with an S3 destination, from the command line: kept, lost for a while, brought back. */
import assert from "node:assert/strict";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { compareTrees, readTree } from "../../tools/demo/trees.ts";
import { Home, type Outcome } from "../commands/harness.ts";
import { type S3Server, startS3, unlessS3 } from "../servers/s3.ts";

Deno.test({
  name:
    `a bucket gets each snapshot once, catches up after an outage, and gives it back${unlessS3}`,
  ignore: unlessS3 !== "",
  async fn() {
    await using server = await startS3();
    await using site = await Site.make(server);
    const { home } = site;

    for (const status of ["ok", "unchanged", "unchanged"]) {
      const report = await site.run();
      assert.equal(report.status, 0, report.stderr);
      assert.equal(site.statusAt(report, "s3"), status);
    }
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
    assert.equal(site.statusAt(failed, "local"), "ok");
    const told = await home.keepsake(["list", "--from", "s3"], site.surroundings);
    assert.equal(told.status, 2);
    assert.match(told.stderr, /Cannot list "s3:\/\/.*": nothing listens at 127\.0\.0\.1:\d+/);
    assert.match(told.stderr, /Start the server, or correct endpoint/);

    // The next run brings it up to date, although nothing has changed, and only what it lacks.
    await server.resume();
    const caught = await site.run();
    assert.equal(caught.status, 0, caught.stderr);
    assert.equal(site.statusAt(caught, "s3"), "ok");
    assert.equal(site.statusAt(caught, "local"), "unchanged");
    const second = await site.objects();
    assert.deepEqual(second.filter((key) => first.includes(key)), first);
    const added = second.filter((key) => !first.includes(key));
    assert.deepEqual(added.map(kindOf), ["claude json", "claude tar"]);

    // Elsewhere, with nothing but an address and the identity.
    await Deno.remove(home.at(".config/keepsake/pipeline.toml"));
    await Deno.remove(home.at(".local"), { recursive: true });
    const identity = home.at(".config/keepsake/identity.txt");
    const from = ["--from", site.address, "--identity", identity];
    const listed = await home.keepsake(["list", ...from, "--json"], site.surroundings);
    assert.equal(JSON.parse(listed.stdout).length, 3, listed.stderr);
    const verified = await home.keepsake(["verify", "--all", ...from], site.surroundings);
    assert.equal(verified.status, 0, verified.stderr);
    for (const [snapshot, source] of [["claude", ".claude"], ["claude-work", "work"]] as const) {
      const to = home.at(`back-${snapshot}`);
      const words = ["restore", snapshot, ...from, "--to", to];
      const restored = await home.keepsake(words, site.surroundings);
      assert.equal(restored.status, 0, restored.stderr);
      const { missing, extra, changed } = compareTrees(
        readTree(home.at(source)),
        readTree(`${to}/${source}`),
      );
      assert.deepEqual([missing, extra, changed], [[], [], []]);
    }

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

/** A home with two snapshots, kept in a directory and in a bucket. */
class Site implements AsyncDisposable {
  readonly home: Home;
  readonly outcomes: Outcome[] = [];
  readonly surroundings: { readonly env: Readonly<Record<string, string>> };
  readonly address: string;
  readonly #server: S3Server;
  readonly #bucket: string;

  private constructor(server: S3Server, home: Home, bucket: string) {
    this.#server = server;
    this.home = home;
    this.#bucket = bucket;
    this.address = `s3://${bucket}/some/where`;
    this.surroundings = {
      env: {
        AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
        AWS_ENDPOINT_URL: server.endpoint,
      },
    };
  }

  static async make(server: S3Server): Promise<Site> {
    const home = await Home.make();
    const site = new Site(server, home, await server.makeBucket());
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
