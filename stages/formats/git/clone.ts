/**
 * The clone that a destination works in: bare, so that nothing of a remote's content is ever checked
 * out, and disposable. Nothing in it is believed: what is not as it was left is made anew.
 * Long because all that git is asked of a clone stands here.
 *
 * @module
 */
import { join } from "node:path";
import { StageError } from "../../errors.ts";
import { lstatIfThere } from "../durable.ts";
import { makeFolder, openLock } from "./folder.ts";
import type { Git } from "./program.ts";

/** A file or directory of a tree. */
export interface TreeEntry {
  readonly path: string;
  readonly mode: string;
  readonly kind: string;
  readonly id: string;
  readonly size: number;
}

/** All that a clone of ours is configured with. A line more could name a program. */
const CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/** What stands in a clone of ours. `commondir` or `objects/info/alternates` would lead elsewhere. */
const OWN_FILES =
  /^(HEAD|config|description|objects|refs|packed-refs|shallow|branches|info|hooks|FETCH_HEAD|logs)$/;

/** What git does not make again by itself. */
const DIRECTORIES = ["objects", "objects/pack", "refs", "refs/heads"] as const;

const DAY = 86_400_000;

/** Each run leaves a few, by which git knows what it has. */
const MOST_REFS = 20;

/** Every commit is a pack of its own; many are slow to look through. */
const MOST_PACKS = 50;

/** Clones that this worker made from nothing: all that is in them came from the remote just now. */
const made = new Set<string>();

/** A clone, held by a kernel lock against being made anew by others. */
export class Clone implements Disposable {
  readonly git: Git;
  readonly repository: string;
  readonly #lock: Deno.FsFile;

  private constructor(git: Git, repository: string, lock: Deno.FsFile) {
    this.git = git;
    this.repository = repository;
    this.#lock = lock;
  }

  /** Opens the clone in a folder, or makes it. */
  static async open(git: Git, folder: string): Promise<Clone> {
    await makeFolder(folder);
    const lock = await openLock(join(folder, "lock"));
    try {
      await lock.lock(false);
      const clone = new Clone(git, join(folder, "clone.git"), lock);
      if (!await clone.#isOurs()) await clone.renew(false);
      return clone;
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Whether everything in it came from the remote since this worker began. */
  get isFresh(): boolean {
    return made.has(this.repository);
  }

  /**
   * Begins anew, from nothing. Waits until nobody else is using what there is.
   *
   * @param always Also when it looks as it should by now.
   */
  async renew(always = true): Promise<void> {
    await this.#lock.lock(true);
    try {
      // What several found wrong, one mends.
      if (!always && await this.#isOurs()) return;
      await Deno.remove(this.repository, { recursive: true }).catch(ignoreMissing);
      const fresh = `${this.repository}.new`;
      await Deno.remove(fresh, { recursive: true }).catch(ignoreMissing);
      // All that makes a directory a repository: no template of the system's has a say in it.
      for (const name of DIRECTORIES) {
        await Deno.mkdir(join(fresh, name), { recursive: true, mode: 0o700 });
      }
      await Deno.writeTextFile(join(fresh, "HEAD"), "ref: refs/heads/main\n");
      await Deno.writeTextFile(join(fresh, "config"), CONFIG);
      await Deno.rename(fresh, this.repository);
      made.add(this.repository);
    } finally {
      await this.#lock.lock(false);
    }
  }

  /** The commit that a branch of the remote is at; `undefined` when there is no such branch. */
  async remoteTip(branch: string): Promise<string | undefined> {
    const ref = `refs/heads/${branch}`;
    const line = (await this.#remoteRefs(ref)).find(([, name]) => name === ref);
    if (line === undefined) return undefined;
    if (/^[0-9a-f]{40}$/.test(line[0]!)) return line[0]!;
    const { remote } = this.git;
    throw new StageError("destination-refused", `Cannot use "${remote}": it names no commit`, {
      hint: "Use a repository that names its objects by SHA-1, which is the default",
    });
  }

  /** Whether the remote has any branch: one that was just made has none. */
  async hasBranches(): Promise<boolean> {
    const refs = await this.#remoteRefs("refs/heads/*");
    return refs.some(([, name]) => name?.startsWith("refs/heads/"));
  }

  /**
   * Brings commits or blobs here, if they are not.
   *
   * @param wanted Ids of objects, or `refs/…`.
   */
  async bring(wanted: string, options: readonly string[] = []): Promise<void> {
    const { git, repository } = this;
    const ref = `refs/keepsake/${crypto.randomUUID()}`;
    await git.call([
      "fetch",
      "--progress",
      "--no-tags",
      "--no-write-fetch-head",
      "--no-auto-maintenance",
      "--no-recurse-submodules",
      // A remote that has lost its past is a remote, too.
      "--update-shallow",
      ...options,
      ...git.serverSide("upload-pack"),
      "--",
      git.remote,
      wanted.startsWith("refs/") ? `+${wanted}:${ref}` : wanted,
    ], { repository });
  }

  /** Whether an object is here, and readable. */
  async has(id: string): Promise<boolean> {
    const { code } = await this.git.run(["cat-file", "-e", id], { repository: this.repository });
    return code === 0;
  }

  /**
   * Brings what a branch of the remote holds, all of it, and mends the clone where it is in the way.
   *
   * @param shallow Whether history is of no interest.
   */
  async update(branch: string, shallow: boolean): Promise<string | undefined> {
    const tip = await this.remoteTip(branch);
    if (tip === undefined) return undefined;
    for (const last of [false, true]) {
      try {
        if (!await this.#isWhole(tip)) {
          await this.bring(`refs/heads/${branch}`, shallow ? ["--depth=1"] : []);
        }
        // It may have gone on since; what it was at is as good.
        if (await this.#isWhole(tip)) return tip;
      } catch (error) {
        if (last) throw error;
      }
      await this.renew();
    }
    throw new StageError(
      "destination-unreachable",
      `Cannot use "${this.git.remote}": its branch "${branch}" is gone before it could be fetched`,
      { hint: "Try again" },
    );
  }

  /** What stands in some directories of a commit, one level of each; without any, at its top. */
  async tree(
    commit: string,
    directories: readonly string[] | "all below" = [],
  ): Promise<TreeEntry[]> {
    const { git, repository } = this;
    const recursive = directories === "all below" ? ["-r"] : [];
    const paths = directories === "all below" ? [] : directories.map((name) => `${name}/`);
    const entries: TreeEntry[] = [];
    const { output } = await git.call([
      "ls-tree",
      "-l",
      "-z",
      "--full-tree",
      ...recursive,
      "--end-of-options",
      commit,
      ...paths,
    ], { repository });
    for (const line of output.split("\0")) {
      const [, mode, kind, id, size, path] =
        /^([0-7]{6}) (blob|tree|commit) ([0-9a-f]{40}) +(\d+|-)\t([^]*)$/.exec(line) ?? [];
      if (path === undefined) continue;
      entries.push({
        path,
        mode: mode!,
        kind: kind!,
        id: id!,
        size: size === "-" ? 0 : Number(size),
      });
    }
    return entries;
  }

  /** Bytes that all of it takes up here, which is about what it takes up there. */
  async size(): Promise<number> {
    const packs = join(this.repository, "objects", "pack");
    let bytes = 0;
    for await (const { name } of Deno.readDir(packs)) {
      if (name.endsWith(".pack")) bytes += (await Deno.lstat(join(packs, name))).size;
    }
    return bytes;
  }

  /**
   * Keeps what leads to `commit` and lets go of the rest. Nothing depends on it: what goes wrong here
   * is for the next time.
   */
  async tidy(commit: string): Promise<void> {
    const { git, repository } = this;
    const directory = join(repository, "refs", "keepsake");
    const refs = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
    if (refs.length > MOST_REFS) {
      const lines = [
        ...refs.map((name) => `delete refs/keepsake/${name}`),
        `create refs/keepsake/${crypto.randomUUID()} ${commit}`,
      ];
      const input = [new TextEncoder().encode(`${lines.join("\n")}\n`)];
      await git.call(["update-ref", "--stdin"], { repository, input });
    }
    const packs = join(repository, "objects", "pack");
    const names = await Array.fromAsync(Deno.readDir(packs), ({ name }) => name);
    // What a git that was killed was writing; one that is alive is not so slow.
    for (const path of names.filter((name) => name.startsWith("tmp_")).map((n) => join(packs, n))) {
      const { mtime } = await Deno.lstat(path);
      if (Date.now() - (mtime?.getTime() ?? 0) > DAY) await Deno.remove(path);
    }
    if (names.filter((name) => name.endsWith(".pack")).length > MOST_PACKS) {
      await git.call(["repack", "-a", "-d", "-q"], { repository });
    }
  }

  [Symbol.dispose](): void {
    // Closing is not enough: a program that is being started at this moment has the file open, too.
    this.#lock.unlockSync();
    this.#lock.close();
  }

  /** Ids and names of what the remote has that a pattern fits. */
  async #remoteRefs(pattern: string): Promise<string[][]> {
    const { git } = this;
    const { output } = await git.call([
      "ls-remote",
      "--quiet",
      ...git.serverSide("upload-pack"),
      "--",
      git.remote,
      pattern,
    ]);
    return output.split("\n").map((line) => line.split("\t"));
  }

  /** Whether a commit is here with its tree: one that is damaged does not read. */
  async #isWhole(commit: string): Promise<boolean> {
    const { code } = await this.git.run(
      ["rev-list", "--quiet", "--max-count=1", "--objects", "--end-of-options", commit],
      { repository: this.repository },
    );
    return code === 0;
  }

  async #isOurs(): Promise<boolean> {
    try {
      if (await Deno.readTextFile(join(this.repository, "config")) !== CONFIG) return false;
      for await (const { name, isSymlink } of Deno.readDir(this.repository)) {
        if (isSymlink || !OWN_FILES.test(name)) return false;
      }
      for (const name of DIRECTORIES) {
        const { isDirectory } = await Deno.lstat(join(this.repository, name));
        if (!isDirectory) return false;
      }
      const refs = join(this.repository, "refs", "keepsake");
      if (lstatIfThere(refs)?.isDirectory === false) return false;
      for (const name of ["alternates", "http-alternates"]) {
        const file = join(this.repository, "objects", "info", name);
        if (lstatIfThere(file) !== undefined) return false;
      }
      return /^ref: refs\/heads\/\S+\n$/.test(
        await Deno.readTextFile(join(this.repository, "HEAD")),
      );
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      return false;
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
