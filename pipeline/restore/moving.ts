/**
 * The steps by which what was unpacked gets to its place: whole roots, then directories and files,
 * then further names of files, then links, so that nothing is ever written through one.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { isOf, type PlannedEntry, type RestorePlan } from "./plan.ts";
import type { Changes, Standing } from "./undo.ts";

/** Moves what a restore has planned. What fails is for the caller to take back. */
export class Moving {
  /** Directories that were to be made, and that somebody else has made meanwhile. */
  readonly met = new Set<PlannedEntry>();
  /** Links that a file system cannot have. */
  readonly leftOut = new Set<PlannedEntry>();
  /** Where further names of a file became files of their own. */
  readonly copied: string[] = [];
  readonly #plan: RestorePlan;
  readonly #into: Readonly<Record<string, string>>;
  readonly #changes: ReadonlyMap<string, Changes>;
  readonly #planned: ReadonlyMap<string, PlannedEntry>;
  /** Roots that went in one piece. */
  readonly #whole = new Set<string>();

  /**
   * @param into Where each root was unpacked.
   * @param changes What changes the place of each root.
   */
  constructor(
    plan: RestorePlan,
    into: Readonly<Record<string, string>>,
    changes: ReadonlyMap<string, Changes>,
  ) {
    this.#plan = plan;
    this.#into = into;
    this.#changes = changes;
    this.#planned = new Map(plan.entries.map((one) => [one.entry.path, one]));
  }

  move(): void {
    this.#setAside();
    this.#moveRoots();
    this.#moveFiles();
    this.#joinKept();
    this.#makeLinks();
  }

  #setAside(): void {
    for (const { entry, target, stale } of this.#plan.entries) {
      for (const ending of stale?.endings ?? []) {
        this.#changesOf(entry.path).rename(target + ending, stale!.as + ending);
      }
    }
  }

  /** A root where nothing was before goes there in one piece. */
  #moveRoots(): void {
    const { placements, entries } = this.#plan;
    for (const placement of placements) {
      const { root, target } = placement;
      const first = entries.find(({ entry }) => isOf(placement, entry.path));
      if (first === undefined) continue;
      const changes = this.#changes.get(root)!;
      changes.directories(dirname(target));
      if (first.action !== "create" || first.entry.path !== root) continue;
      if (first.entry.kind !== "directory") continue;
      // But for content that is to get another name, here or in another root.
      const isMixed = entries.some(({ entry, content }) =>
        content !== undefined && (isOf(placement, content) || isOf(placement, entry.path))
      );
      if (!isMixed && changes.moveDirectory(this.#into[root]!, target)) this.#whole.add(root);
    }
  }

  #moveFiles(): void {
    for (const one of this.#plan.entries) {
      const { entry: { path, kind }, target, action, linkTo } = one;
      if (action === "keep" || linkTo !== undefined || this.#isInPlace(path)) continue;
      if (kind === "file") this.#bring(one, path);
      else if (kind === "directory" && !this.#changesOf(path).directory(target, 0o700)) {
        this.met.add(one);
      }
    }
  }

  /** Makes further names of files that were there, and are what is restored. */
  #joinKept(): void {
    for (const one of this.#plan.entries) {
      const { entry, target, linkTo } = one;
      if (linkTo === undefined || (entry.kind === "file" && this.#isInPlace(entry.path))) continue;
      const first = this.#planned.get(entry.kind === "hardlink" ? entry.link : entry.path)!;
      // What was kept, or is about to be such a name itself, lies where it was unpacked.
      const isMade = first.action !== "keep" && first.target !== target;
      this.#name(one, linkTo, isMade ? first.target : this.#stagedPath(first.entry.path));
    }
  }

  #makeLinks(): void {
    const links = this.#plan.entries.filter(({ action, linkTo }) =>
      action !== "keep" && linkTo === undefined
    );
    /** Where the content of files lies that were kept: those are the user's own, and may be others. */
    const brought = new Map<string, string>();
    for (const one of links) {
      const { entry, target } = one;
      if (entry.kind !== "hardlink") continue;
      const { action, target: there } = this.#planned.get(entry.link)!;
      const file = action === "keep" ? brought.get(entry.link) : there;
      if (file !== undefined) this.#name(one, file);
      else {
        this.#bring(one, entry.link);
        brought.set(entry.link, target);
      }
    }
    for (const one of links) {
      const { entry, target } = one;
      if (entry.kind !== "symlink") continue;
      const changes = this.#changesOf(entry.path);
      if (changes.takesLinks) {
        changes.make(target, replacedBy(one), (path) => Deno.symlinkSync(entry.link, path));
      } else this.leftOut.add(one);
    }
  }

  /** Puts the content that was unpacked under a path into an entry's place. */
  #bring(one: PlannedEntry, path: string): void {
    const staged = this.#stagedPath(path);
    const changes = this.#changesOf(one.entry.path);
    if (this.#changesOf(this.#contentOf(path)) === changes) {
      changes.move(staged, one.target, replacedBy(one));
    } else this.#name(one, staged);
  }

  /** Makes an entry another name of a file; where that cannot be, a copy. */
  #name(one: PlannedEntry, file: string, source = file): void {
    this.#changesOf(one.entry.path).make(one.target, replacedBy(one), (path) => {
      try {
        Deno.linkSync(file, path);
      } catch {
        // Not every file system knows links, and none goes from one to another.
        Deno.copyFileSync(source, path);
        this.copied.push(one.target);
      }
    });
  }

  #stagedPath(path: string): string {
    const content = this.#contentOf(path);
    const root = this.#rootOf(content);
    return join(this.#into[root]!, ...content.slice(root.length).split("/").filter(Boolean));
  }

  /** Path in the archive of a file's content. */
  #contentOf(path: string): string {
    return this.#planned.get(path)?.content ?? path;
  }

  #isInPlace(path: string): boolean {
    return this.#whole.has(this.#rootOf(path));
  }

  #changesOf(path: string): Changes {
    return this.#changes.get(this.#rootOf(path))!;
  }

  #rootOf(path: string): string {
    return this.#plan.placements.findLast((placement) => isOf(placement, path))!.root;
  }
}

/** What makes way for an entry, if it is still there. */
function replacedBy({ action, was }: PlannedEntry): Standing | undefined {
  return action === "replace" ? was : undefined;
}
