/**
 * A git destination with a remote of its own, to store in and to read back from.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { CallOptions } from "../../pipeline/worker/host.ts";
import type { SpoolFile, StoredFile, StoreResult } from "../../stages/contract.ts";
import { runStage } from "./harness.ts";

/** What a stage is asked with, besides its options. */
export interface Ask {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly call?: CallOptions;
}

/** A temporary directory with a bare repository, a spool and the folder of a destination. */
export class GitPlace implements Disposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-git-" }));
  readonly bare: string;
  readonly folder: string = join(this.path, "state", "work", "git");
  readonly spool: string = join(this.path, "spool");
  /** As a pipeline file has it. */
  options: Readonly<Record<string, unknown>>;

  /** @param bare A repository that is there already; `undefined`: one of its own. */
  constructor(options: Readonly<Record<string, unknown>> = {}, bare?: string) {
    this.bare = bare ?? join(this.path, "remote", "repo.git");
    Deno.mkdirSync(this.spool, { recursive: true });
    if (bare === undefined) {
      Deno.mkdirSync(dirname(this.bare), { recursive: true });
      git("init", "--quiet", "--bare", "--initial-branch=main", this.bare);
    }
    this.options = { remote: this.bare, ...options };
  }

  /** Puts a file into the spool. */
  file(key: string, content: string | Uint8Array): SpoolFile {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const path = join(this.spool, key.replaceAll("/", "_"));
    Deno.writeFileSync(path, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { key, path, size: bytes.length, sha256 };
  }

  async store(files: readonly SpoolFile[], ask: Ask = {}): Promise<StoreResult> {
    const { result } = await runStage<StoreResult>({
      use: "git",
      operation: "run",
      options: { ...this.options, ...ask.options },
      context: { files, owner: "test", message: ask.message },
      grants: { read: [this.spool], write: [this.spool] },
      folder: this.folder,
      ...(ask.call && { call: ask.call }),
    });
    return result;
  }

  async list(ask: Ask = {}): Promise<string[]> {
    const { result } = await runStage<readonly StoredFile[]>({
      use: "git",
      operation: "list",
      options: { ...this.options, ...ask.options },
      folder: this.folder,
      ...(ask.call && { call: ask.call }),
    });
    return result.map(({ key, size }) => `${key} ${size}`).toSorted();
  }

  async fetch(key: string, ask: Ask = {}): Promise<Uint8Array> {
    const { output } = await runStage({
      use: "git",
      operation: "fetch",
      options: { ...this.options, ...ask.options },
      context: { key },
      output: true,
      folder: this.folder,
      ...(ask.call && { call: ask.call }),
    });
    return output;
  }

  async remove(keys: readonly string[], ask: Ask = {}): Promise<void> {
    await runStage({
      use: "git",
      operation: "remove",
      options: { ...this.options, ...ask.options },
      context: { keys },
      folder: this.folder,
      ...(ask.call && { call: ask.call }),
    });
  }

  /** What a stock git sees in the bare repository. */
  git(...args: readonly string[]): string {
    return git("--git-dir", this.bare, ...args);
  }

  /** How many commits the branch has. */
  commits(branch = "main"): number {
    return Number(this.git("rev-list", "--count", branch));
  }

  /** Somebody else pushes a file. */
  pushAsOther(name: string, content: string): void {
    const clone = join(this.path, `other-${crypto.randomUUID()}`);
    git("clone", "--quiet", this.bare, clone);
    Deno.writeTextFileSync(join(clone, name), content);
    git("-C", clone, "add", "--", name);
    git("-C", clone, "commit", "--quiet", "-m", `Add ${name}`);
    git("-C", clone, "push", "--quiet", "origin", "HEAD:main");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Whether there is a git here. */
export const hasGit: boolean = works("git", "--version");

/**
 * Puts a file on the main branch of a bare repository, behind everybody's back.
 *
 * @param bytes Its content; a number: so many zeros.
 */
export function commitTo(
  bare: string,
  path: string,
  bytes: Uint8Array<ArrayBuffer> | number,
  mode = "100644",
): void {
  const file = Deno.makeTempFileSync();
  const index = `${file}.index`;
  try {
    if (typeof bytes === "number") Deno.truncateSync(file, bytes);
    else Deno.writeFileSync(file, bytes);
    const at = (...args: readonly string[]) =>
      gitWith({ GIT_INDEX_FILE: index }, "--git-dir", bare, ...args);
    const id = at("hash-object", "-w", "--no-filters", "--", file);
    const parent = at("for-each-ref", "--format=%(objectname)", "refs/heads/main");
    if (parent !== "") at("read-tree", parent);
    at("update-index", "--add", "--cacheinfo", `${mode},${id},${path}`);
    const parents = parent === "" ? [] : ["-p", parent];
    const commit = at("commit-tree", "-m", "Other", ...parents, at("write-tree"));
    at("update-ref", "refs/heads/main", commit);
  } finally {
    for (const name of [file, index]) Deno.removeSync(name);
  }
}

/** Runs git as a person would, without that person's configuration. */
export function git(...args: readonly string[]): string {
  return gitWith({}, ...args);
}

function gitWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): string {
  const { code, stdout, stderr } = new Deno.Command("git", {
    args: ["-c", "user.name=Other", "-c", "user.email=other@example.org", ...args],
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", ...env },
    stdin: "null",
  }).outputSync();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd();
}

/** Whether a program can be started here. */
export function works(program: string, ...args: readonly string[]): boolean {
  try {
    const silent = { stdin: "null", stdout: "null", stderr: "null" } as const;
    return new Deno.Command(program, { args: [...args], ...silent }).outputSync().success;
  } catch {
    return false;
  }
}
