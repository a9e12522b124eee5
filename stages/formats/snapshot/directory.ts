/**
 * Lists a directory that is to be backed up, with what `lstat` says of everything in it.
 *
 * @module
 */
import { childPath } from "../paths.ts";
import { type Identity, MAX_TRIES, ReadFault, reasonOf } from "../source_file.ts";
import { compareUtf8 } from "./entries.ts";

/** What is in a directory. */
export interface Listing {
  readonly children: ReadonlyMap<string, Deno.FileInfo>;
  /** What nothing more could be found out about. The same name may be there twice. */
  readonly unreadable: readonly Unreadable[];
}

/** What is in a directory under a name that does not lead to it. */
export interface Unreadable {
  /** As it is shown, with U+FFFD for what is not UTF-8. */
  readonly name: string;
  readonly reason: string;
  /** Whether all are directories that are shown under this name. */
  readonly isDirectory: boolean;
}

/**
 * Lists a directory.
 *
 * When a name has vanished once it is looked at, the directory is listed again: the file may have
 * got another name meanwhile, which the list does not have.
 *
 * @param expected What `lstat` had said of the directory.
 * @throws {ReadFault} Among others when something else was put in its place: listing follows links.
 */
export function listDirectory(path: string, expected: Identity): Listing {
  try {
    for (let tries = 1;; tries++) {
      const { hasVanished, ...listing } = look(path);
      if (hasVanished && tries < MAX_TRIES) continue;
      const { dev, ino } = Deno.lstatSync(path);
      if (dev === expected.dev && ino === expected.ino) return listing;
      throw new ReadFault("something else was put in its place");
    }
  } catch (error) {
    throw error instanceof ReadFault ? error : new ReadFault(reasonOf(error), "failed", error);
  }
}

function look(path: string): Listing & { readonly hasVanished: boolean } {
  const children = new Map<string, Deno.FileInfo>();
  const unreadable: Unreadable[] = [];
  let hasVanished = false;
  const names: string[] = [];
  const isDirectory = new Map<string, boolean>();
  for (const entry of Deno.readDirSync(path)) {
    names.push(entry.name);
    isDirectory.set(entry.name, entry.isDirectory && isDirectory.get(entry.name) !== false);
  }
  const giveUp = (name: string, reason: string) =>
    unreadable.push({ name, reason, isDirectory: isDirectory.get(name)! });
  names.sort(compareUtf8);
  for (const [index, name] of names.entries()) {
    // Deno shows what is not UTF-8 in a name as U+FFFD, so that different names look the same. One
    // of them at most is really called so, and it alone can be found again.
    const isDoubtful = name.includes("\ufffd");
    if (isDoubtful && names[index - 1] === name) {
      giveUp(name, NOT_UTF8);
      continue;
    }
    try {
      children.set(name, Deno.lstatSync(childPath(path, name)));
    } catch (error) {
      const isGone = error instanceof Deno.errors.NotFound;
      if (isGone && !isDoubtful) hasVanished = true;
      else giveUp(name, isGone ? NOT_UTF8 : reasonOf(error));
    }
  }
  return { children, unreadable, hasVanished };
}

const NOT_UTF8 = "its name is not UTF-8";
