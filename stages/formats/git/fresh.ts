/**
 * Objects as a remote has them now, in repositories without a memory: what is read from a clone that
 * lasts would prove nothing about the remote.
 *
 * @module
 */
import { join } from "node:path";
import { lstatIfThere } from "../durable.ts";
import { Clone } from "./clone.ts";
import { type Held, unpackedIn } from "./content.ts";
import { makeFolder } from "./folder.ts";

/** What a branch was seen to hold. */
export interface Seen {
  readonly tip: string;
  readonly held: ReadonlyMap<string, Held>;
}

/** A clone without a memory: what is read from it came from the remote. */
export async function freshClone(clone: Clone, folder: string): Promise<Clone> {
  return await Clone.open(
    clone.git,
    clone.isFresh ? folder : await freshFolder(folder),
  );
}

/** One for each worker. */
async function freshFolder(folder: string): Promise<string> {
  const base = join(folder, "fresh");
  await makeFolder(base);
  if (fresh === undefined) {
    await removeAbandoned(folder);
    const path = join(base, crypto.randomUUID());
    await Deno.mkdir(path, { mode: 0o700 });
    const file = await Deno.open(join(path, "in-use"), { write: true, create: true, mode: 0o600 });
    await file.lock(true);
    fresh = { path, file };
  }
  return fresh.path;
}

/** Held open, and locked, for as long as this worker lives. */
let fresh: { readonly path: string; readonly file: Deno.FsFile } | undefined;

/** Removes what workers that have ended had brought: it may be as large as the repository. */
export async function removeAbandoned(folder: string): Promise<void> {
  const base = join(folder, "fresh");
  if (lstatIfThere(base)?.isDirectory !== true) return;
  for await (const { name } of Deno.readDir(base)) await removeUnlessUsed(join(base, name));
}

async function removeUnlessUsed(path: string): Promise<void> {
  try {
    using file = await Deno.open(join(path, "in-use"), { write: true });
    if (typeof file.tryLock !== "function" || !await file.tryLock(true)) return;
    await Deno.remove(path, { recursive: true });
  } catch {
    // Somebody else is removing it, or is just making it.
  }
}

/** Servers that speak an old protocol give branches only. */
export async function bringObject(clone: Clone, id: string, branch: string): Promise<void> {
  if (await clone.has(id)) return;
  try {
    await clone.bring(id);
  } catch (error) {
    await clone.bring(`refs/heads/${branch}`, ["--depth=1"]).catch(() => {
      throw error;
    });
  }
}

/** The same for a commit, which they give with all that led to the branch. */
export async function bringCommit(clone: Clone, id: string, branch: string): Promise<void> {
  if (await clone.has(id)) return;
  try {
    await clone.bring(id, ["--depth=1"]);
  } catch (error) {
    try {
      const isShallow = (await shallowIn(clone)).length > 0;
      await clone.bring(`refs/heads/${branch}`, isShallow ? ["--unshallow"] : []);
    } catch {
      throw error;
    }
    if (!await clone.has(id)) throw error;
  }
}

/** Commits behind which a clone knows of none. */
async function shallowIn({ repository }: Clone): Promise<string[]> {
  try {
    return (await Deno.readTextFile(join(repository, "shallow"))).split("\n").filter(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * The commit that brought a manifest, and with it the files that it tells of. The tip may hold others:
 * of another machine with the same id, or changed by hand.
 */
export async function commitOf(
  clone: Clone,
  { tip, held }: Seen,
  manifest: string,
  branch: string,
): Promise<string> {
  const [folder] = manifest.split("/");
  const newest = unpackedIn(held).filter((key) => key.startsWith(`${folder}/`)).sort().at(-1);
  // Where a clone has no past, a commit seems to have brought all that it holds. That of the newest
  // is likely to be the last.
  for (const depth of newest === manifest ? ["--depth=2", "--unshallow"] : ["--unshallow"]) {
    const commit = await firstWith(clone, manifest, tip);
    if (!(await shallowIn(clone)).includes(commit)) return commit;
    await clone.bring(`refs/heads/${branch}`, [depth]);
  }
  return await firstWith(clone, manifest, tip);
}

/** The first commit, of those that are here, that has a file. */
async function firstWith({ git, repository }: Clone, path: string, tip: string): Promise<string> {
  const { output } = await git.call(
    ["rev-list", "--reverse", "--end-of-options", tip, "--", path],
    { repository },
  );
  return output.split("\n")[0] || tip;
}
