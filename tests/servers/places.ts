/**
 * Real places for destinations to keep things in: one line of {@linkcode PLACES} for each
 * destination of the registry, which the suite in `destinations_test.ts` then covers.
 *
 * @module
 */
import { join } from "node:path";
import { ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { commitTo, git } from "../stages/git_harness.ts";
import { startHttpGit, unlessHttpGit } from "./git.ts";
import { type S3Server, startS3, unlessS3 } from "./s3.ts";

/** Options of a destination, as a pipeline file writes them. */
export type Written = Readonly<Record<string, unknown>>;

/** Somewhere that a destination can keep things, with nothing in it. */
export interface Site {
  /** What the destination is configured with. */
  readonly options: Written;
  /**
   * The same place for somebody who may not use it; or a directory that is shut to nobody, as
   * another user of this machine would find it.
   */
  readonly stranger: Written | { readonly shut: string };
  /** The place as the stage's `fromAddress` takes it. */
  readonly address: string;
  /** Options that no address holds, and that it takes to come in. */
  readonly secrets?: Written;
  /** Options that lead to where there is nothing, and nothing can be made. */
  readonly nowhere: Written;
  /** Replaces what is stored under a key, behind the stage's back. */
  damage(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Puts a file there that is not ours, under any name that the place can hold. */
  plant(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Names of all that is there, half-made things too. */
  names(): Promise<readonly string[]>;
}

/** What stands behind all sites of one kind: a server, a folder. */
export interface Ground extends AsyncDisposable {
  /** A new, empty site. */
  site(): Promise<Site>;
}

/** How to make places for one kind of destination. */
export interface PlaceKind {
  /** Why there are none here: the end of a test's name; empty where there are. */
  readonly unless: string;
  /** Bytes at which it begins another part, or another block. */
  readonly part: number;
  open(): Promise<Ground>;
}

/** For every destination of the registry, by name. */
export const PLACES: Readonly<Record<string, PlaceKind>> = {
  "local": { unless: "", part: 2 ** 24, open: openFolders },
  "s3": { unless: unlessS3, part: 2 ** 24, open: openBuckets },
  "git": { unless: unlessHttpGit, part: 2 ** 20, open: openRepositories },
};

async function openRepositories(): Promise<Ground> {
  const server = await startHttpGit();
  return {
    site() {
      const bare = server.makeRepository();
      const options: Written = { ...server.optionsFor(bare), max_file: "1MiB" };
      const put = (name: string, bytes: Uint8Array<ArrayBuffer>) =>
        Promise.resolve(commitTo(bare, name, bytes));
      return Promise.resolve({
        options,
        stranger: server.strangeOptionsFor(bare),
        address: `${options["remote"]}#main`,
        secrets: { credentials: options["credentials"] },
        nowhere: { ...options, remote: `${options["remote"]}/not/there.git` },
        damage: put,
        plant: put,
        names() {
          const tips = git("--git-dir", bare, "for-each-ref");
          const names = tips && git("--git-dir", bare, "ls-tree", "-r", "--name-only", "main");
          return Promise.resolve(names.split("\n").filter((name) => name !== ""));
        },
      });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function openFolders(): Promise<Ground> {
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-places-" }));
  let count = 0;
  return {
    async site() {
      const root = join(base, String(count++), "backups");
      await Deno.mkdir(root, { recursive: true });
      await Deno.writeTextFile(join(base, "file"), "");
      return {
        options: { path: root },
        stranger: { shut: root },
        address: root,
        nowhere: { path: join(base, "file", "backups") },
        damage: (key, bytes) => Deno.writeFile(join(root, key), bytes),
        async plant(name, bytes) {
          const path = join(root, name);
          await Deno.mkdir(join(path, ".."), { recursive: true });
          await Deno.writeFile(path, bytes);
        },
        names: () => filesBelow(root),
      };
    },
    [Symbol.asyncDispose]: () => Deno.remove(base, { recursive: true }),
  };
}

async function filesBelow(root: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, prefix))) {
    if (isDirectory) found.push(...await filesBelow(root, `${prefix}${name}/`));
    else found.push(prefix + name);
  }
  return found.sort();
}

async function openBuckets(): Promise<Ground> {
  const server = await startS3();
  const folder = await Deno.makeTempDir({ prefix: "keepsake-keys-" });
  const keysOf = async (name: string, keys: S3Server["keys"]) => {
    const path = join(folder, name);
    const lines = [
      "[default]",
      `aws_access_key_id = ${keys.accessKeyId}`,
      `aws_secret_access_key = ${keys.secretAccessKey}`,
    ];
    await Deno.writeTextFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
    return `file:${path}`;
  };
  const credentials = await keysOf("owner", server.keys);
  const strange = await keysOf("stranger", await server.makeStranger());
  const client = server.client();
  return {
    async site() {
      const bucket = await server.makeBucket();
      const options = { bucket, prefix: "some/where", endpoint: server.endpoint, credentials };
      const plant = async (name: string, bytes: Uint8Array) => {
        const Key = `some/where/${name}`;
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: bytes }));
      };
      return {
        options,
        stranger: { ...options, credentials: strange },
        address: `s3://${bucket}/some/where?endpoint=${server.endpoint}&credentials=${credentials}`,
        nowhere: { ...options, bucket: "not-there" },
        damage: plant,
        plant,
        async names() {
          const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
          return Contents.map(({ Key }) => Key!.slice("some/where/".length));
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
