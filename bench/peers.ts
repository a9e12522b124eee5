/**
 * What is compared: keepsake and the programs that do a part of its work, each with the commands for
 * a first run, an unchanged run, a verification and a restore.
 *
 * @module
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Corpus } from "./corpus.ts";
import { type Command, must, run } from "./measure.ts";

/** What is measured, in the order in which it is done. */
export const OPERATIONS = ["first", "unchanged", "verify", "restore"] as const;

/** One of {@linkcode OPERATIONS}. */
export type Operation = typeof OPERATIONS[number];

/** Names of all peers, in the order of the table. */
export const PEERS = ["keepsake", "pipe", "pipe+sync", "restic", "borg"] as const;

/** A program to measure. */
export interface Peer {
  /** For `--only` and the table. */
  readonly name: string;
  /** How it is run, in a few words. */
  readonly how: string;
  /** Why it cannot be measured here. */
  readonly missing: string | undefined;
  /** Makes an empty folder ready for a first run; untimed. */
  prepare(folder: string): Promise<void>;
  /** The command to time. The folder is as the operation before left it. `target` is empty. */
  command(operation: Operation, folder: string, target: string): Command | Absent;
  /** The part of the folder that a backup lies in. */
  readonly stored: string;
}

/** An operation that a program does not have, and why. */
export interface Absent {
  readonly absent: string;
}

/** What peers are made from. */
export interface PeerContext {
  readonly corpus: Corpus;
  /** Runs keepsake: `deno run … main.ts`, or a compiled executable. */
  readonly keepsake: readonly string[];
  readonly recipient: string;
  /** File with the identity. */
  readonly identity: string;
}

/** All peers, those that are missing here included. */
export async function makePeers(context: PeerContext): Promise<readonly Peer[]> {
  const [bash, zstd, age, restic, borg] = await Promise.all([
    version("bash", "--version", /version (\S+?)[(-]/),
    version("zstd", "--version", /v([\d.]+)/),
    version("age", "--version", /v?([\d.]+)/),
    version("restic", "version", /restic ([\d.]+)/),
    version("borg", "--version", /borg ([\d.]+)/),
  ]);
  const tools = [["bash", bash], ["zstd", zstd], ["age", age]] as const;
  const lacking = tools.filter(([, version]) => version === undefined).map(([name]) => name);
  const missing = lacking.length ? `not installed: ${lacking.join(", ")}` : undefined;
  const how = `zstd ${zstd}, age ${age}`;
  return [
    keepsake(context),
    pipe("pipe", `tar | zstd -3 -T2 | age; ${how}`, "", missing, context),
    pipe("pipe+sync", "the same, then fsync of the file", ' && sync "$3"', missing, context),
    resticPeer(restic, context),
    borgPeer(borg, context),
  ];
}

function keepsake({ corpus, keepsake: [program = "", ...args], recipient, identity }: PeerContext) {
  const peer: Peer = {
    name: "keepsake",
    how: "zstd, age, every file hashed, read back and flushed",
    missing: undefined,
    stored: "stored",
    prepare(folder) {
      const pipeline = `[pipeline]
name = "bench"
state = ${JSON.stringify(join(folder, "state"))}
identity = ${JSON.stringify(identity)}

[[stage]]
use = "snapshot"
id = "claude"
paths = [${JSON.stringify(corpus.claude)}]

[[stage]]
use = "hash-gate"

[[stage]]
use = "encrypt"
to = [${JSON.stringify(recipient)}]

[[stage]]
use = "local"
path = ${JSON.stringify(join(folder, "stored"))}
`;
      mkdirSync(join(folder, "stored"));
      writeFileSync(join(folder, "pipeline.toml"), pipeline);
      return Promise.resolve();
    },
    command(operation, folder, target) {
      const words = {
        first: ["run"],
        unchanged: ["run"],
        verify: ["verify"],
        restore: ["restore", "--to", target],
      }[operation];
      return { program, args: [...args, ...words, "--config", join(folder, "pipeline.toml")] };
    },
  };
  return peer;
}

function pipe(
  name: string,
  how: string,
  after: string,
  missing: string | undefined,
  { corpus, recipient, identity }: PeerContext,
): Peer {
  const shell = (script: string, ...args: readonly string[]): Command => ({
    program: "bash",
    args: ["-o", "pipefail", "-c", script, "pipe", ...args],
  });
  return {
    name,
    how,
    missing,
    stored: "stored",
    prepare: (folder) => Promise.resolve(mkdirSync(join(folder, "stored"))),
    command(operation, folder, target) {
      const file = join(folder, "stored", "archive.tar.zst.age");
      if (operation === "first") {
        const script = `tar c -C "$1" .claude | zstd -q -3 -T2 | age -r "$2" > "$3"${after}`;
        return shell(script, corpus.home, recipient, file);
      }
      if (operation === "restore" && after === "") {
        return shell('age -d -i "$1" "$2" | zstd -d | tar x -C "$3"', identity, file, target);
      }
      if (operation === "restore") return { absent: "the same as pipe" };
      const absent = operation === "unchanged"
        ? "does everything again"
        : "keeps nothing to compare with";
      return { absent };
    },
  };
}

function resticPeer(version: string | undefined, { corpus }: PeerContext): Peer {
  const restic = (folder: string, ...args: readonly string[]): Command => ({
    program: "restic",
    args: ["--quiet", "--repo", join(folder, "stored"), ...args],
    env: { RESTIC_PASSWORD: "bench", RESTIC_CACHE_DIR: join(folder, "cache") },
  });
  return {
    name: "restic",
    how: `restic ${version}, its default compression (auto), trusts times`,
    missing: version === undefined ? "not installed" : undefined,
    stored: "stored",
    prepare: (folder) => must(restic(folder, "init")),
    command(operation, folder, target) {
      switch (operation) {
        case "first":
        case "unchanged":
          return restic(folder, "backup", corpus.claude);
        case "verify":
          return restic(folder, "check", "--read-data");
        case "restore":
          return restic(folder, "restore", "latest", "--target", target);
      }
    },
  };
}

function borgPeer(version: string | undefined, { corpus }: PeerContext): Peer {
  const borg = (folder: string, ...args: readonly string[]): Command => ({
    program: "borg",
    args,
    cwd: folder,
    env: {
      BORG_REPO: join(folder, "stored"),
      BORG_PASSPHRASE: "bench",
      BORG_BASE_DIR: join(folder, "base"),
    },
  });
  return {
    name: "borg",
    how: `borg ${version}, repokey-blake2, its default compression (lz4), trusts times`,
    missing: version === undefined ? "not installed" : undefined,
    stored: "stored",
    prepare: (folder) => must(borg(folder, "init", "--encryption", "repokey-blake2")),
    command(operation, folder, target) {
      switch (operation) {
        case "first":
        case "unchanged":
          return borg(folder, "create", `::${operation}`, corpus.claude);
        case "verify":
          return borg(folder, "check", "--verify-data");
        case "restore":
          return { ...borg(folder, "extract", "::first"), cwd: target };
      }
    },
  };
}

/** Makes a key for the measurements. Answers its recipient. */
export async function makeKey(file: string): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  // As age-keygen and keygen write it.
  writeFileSync(file, `# public key: ${recipient}\n${identity}\n`, { mode: 0o600 });
  return recipient;
}

/** The version a program says it has; `undefined` when it is not installed. */
export async function version(
  program: string,
  flag: string,
  pattern: RegExp,
): Promise<string | undefined> {
  const { success, stdout } = await run(program, [flag]);
  return success ? pattern.exec(stdout)?.[1] ?? "of unknown version" : undefined;
}

/** Bytes in the files below a directory. */
export function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + Deno.statSync(join(entry.parentPath, entry.name)).size,
      0,
    );
}
