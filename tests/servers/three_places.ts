/**
 * A home whose pipeline keeps things in a directory, a repository and a bucket, all of them real.
 *
 * @module
 */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { compareTrees, readTree } from "../../tools/demo/trees.ts";
import { Home, type Outcome } from "../commands/harness.ts";
import { git } from "../stages/git_harness.ts";
import { type GitServer, unlessSshGit } from "./git.ts";
import { type S3Server, unlessS3 } from "./s3.ts";

/** Why there can be none here: the end of a test's name; empty where there can. */
export const unlessThreePlaces: string = unlessS3 || unlessSshGit;

/** Ids of the destinations. */
export const PLACES = ["local", "git", "s3"] as const;

/** What the pipeline file has to say of the places. */
export interface Addresses {
  /** Options of the repository, as its stage takes them. */
  readonly git: Readonly<Record<string, string>>;
  readonly bucket: string;
  readonly endpoint: string;
}

/** A home, and where its pipeline keeps things. */
export class Site implements AsyncDisposable {
  readonly home: Home;
  readonly outcomes: Outcome[] = [];
  readonly surroundings: { readonly env: Readonly<Record<string, string>> };
  readonly #server: S3Server;
  readonly bucket: string;
  readonly #bare: string;

  private constructor(server: S3Server, home: Home, bucket: string, bare: string) {
    this.#server = server;
    this.home = home;
    this.bucket = bucket;
    this.#bare = bare;
    this.surroundings = {
      env: {
        AWS_ACCESS_KEY_ID: server.keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.keys.secretAccessKey,
        AWS_ENDPOINT_URL: server.endpoint,
      },
    };
  }

  /** @param write Answers the text of the pipeline file. */
  static async make(
    server: S3Server,
    gitServer: GitServer,
    write: (addresses: Addresses, home: Home) => string | Promise<string>,
  ): Promise<Site> {
    const home = await Home.make();
    const bare = gitServer.makeRepository();
    const site = new Site(server, home, await server.makeBucket(), bare);
    await home.furnish();
    const { endpoint } = server;
    const addresses = { git: gitServer.optionsFor(bare), bucket: site.bucket, endpoint };
    await Deno.writeTextFile(site.file, await write(addresses, home));
    return site;
  }

  /** The pipeline file. */
  get file(): string {
    return this.home.at(".config/keepsake/pipeline.toml");
  }

  /** Makes a backup. */
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

  /**
   * Restores a snapshot to a new place, and asserts that these directories of the home are there
   * as they are here.
   *
   * @returns Where it is.
   */
  async assertRestores(
    snapshot: string,
    sources: readonly string[],
    from: readonly string[],
    name: string,
  ): Promise<string> {
    const to = this.home.at(`back-${name}-${snapshot}`);
    const words = ["restore", snapshot, ...from, "--to", to];
    const { status, stderr } = await this.home.keepsake(words, this.surroundings);
    assert.equal(status, 0, stderr);
    for (const source of sources) {
      const { missing, extra, changed } = compareTrees(
        readTree(this.home.at(source)),
        readTree(`${to}/${basename(source)}`),
      );
      assert.deepEqual([missing, extra, changed], [[], [], []], `${source} from ${name}`);
    }
    return to;
  }

  /** How many commits the repository has. */
  commits(): number {
    return Number(git("--git-dir", this.#bare, "rev-list", "--count", "main"));
  }

  /** Keys of all that the bucket holds, sorted. */
  async objects(): Promise<string[]> {
    const command = new ListObjectsV2Command({ Bucket: this.bucket });
    const { Contents = [] } = await this.#server.client().send(command);
    return Contents.map(({ Key }) => Key!).toSorted((a, b) => kindOf(a) < kindOf(b) ? -1 : 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]();
  }
}

/** What an object is, without its name: `<snapshot> <json|tar>`. */
export function kindOf(key: string): string {
  const [, snapshot, kind] = /([^/]+)\/[^/.]+\.(\w+)\./.exec(key) ?? [key];
  return `${snapshot} ${kind}`;
}
