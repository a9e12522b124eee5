/**
 * Tells whether something was lost at the source: memory that is gone, settings without their hooks,
 * logs that are not what they were, longer, nearly all files at once. Pure. docs/decisions/0010-suspects.md says what was
 * weighed.
 *
 * @module
 */
import type { Watched } from "../../stages/contract.ts";

/** One loss, as it looks. */
export interface Shrinkage {
  /** In the archive. */
  readonly path: string;
  readonly what: "memory-gone" | "index-halved" | "hooks-lost" | "log-rewritten" | "files-gone";
  /** Bytes before; of `files-gone`, files, now as well. */
  readonly before: number;
  /** Bytes now; `null`: it is not there. */
  readonly after: number | null;
}

/** What a comparison came to. */
export interface Judgement {
  /** In the order of the paths. */
  readonly shrinkages: readonly Shrinkage[];
  /** What the next archive is to be compared with: of what shrank, the state before. */
  readonly baseline: readonly Watched[];
}

/** How many files an archive holds, to be watched like what is in them. */
export function tallyOf(files: number): Watched {
  return { path: ".", kind: "files", size: files, sha256: "" };
}

/**
 * Compares what an archive holds with what one held before it.
 *
 * @param before The baseline that the last comparison answered.
 * @param after What the archive holds; its logs were compared with `before`.
 * @param unread Paths in the archive that could not be read: nothing is known of what is below them.
 */
export function judgeShrinkage(
  before: readonly Watched[],
  after: readonly Watched[],
  unread: readonly string[] = [],
): Judgement {
  const now = new Map(after.map((watched) => [watched.path, watched]));
  const next = new Map(now);
  const shrinkages: Shrinkage[] = [];
  for (const one of before) {
    const { path, size } = one;
    const current = now.get(path);
    const isUnread = one.kind === "files"
      ? unread.length > 0
      : unread.some((place) => path === place || path.startsWith(`${place}/`));
    const what = isUnread ? undefined : lossOf(one, current);
    if (what !== undefined) {
      shrinkages.push({ path, what, before: size, after: current?.size ?? null });
    }
    // The loss stays in view until it is made good, or accepted.
    if (what !== undefined || isUnread) next.set(path, withoutVerdict(one));
  }
  return {
    shrinkages: shrinkages.toSorted((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
    baseline: [...next.values()].map(withoutVerdict),
  };
}

function lossOf(before: Watched, now: Watched | undefined): Shrinkage["what"] | undefined {
  switch (before.kind) {
    case "memory":
      return now === undefined ? "memory-gone" : undefined;
    case "index":
      if (now === undefined) return "memory-gone";
      return before.size > 0 && now.size * 2 <= before.size ? "index-halved" : undefined;
    case "settings":
      return (before.hooks ?? 0) > 0 && (now?.hooks ?? 0) === 0 ? "hooks-lost" : undefined;
    case "log":
      // Claude Code removes old ones; none of them ever changes what is in it.
      return now?.grew === false ? "log-rewritten" : undefined;
    case "files":
      // A disk that is not connected leaves an empty directory.
      return before.size > 0 && (now?.size ?? 0) * 10 <= before.size ? "files-gone" : undefined;
  }
}

function withoutVerdict({ grew: _, ...watched }: Watched): Watched {
  return watched;
}

/** Those of them that were not known before: what there is to raise an alarm for. */
export function newShrinkages(
  known: readonly Shrinkage[],
  found: readonly Shrinkage[],
): Shrinkage[] {
  return found.filter(({ path, what }) =>
    !known.some((one) => one.path === path && one.what === what)
  );
}

/** One loss, in words. */
export function sayShrinkage({ path, what, before, after }: Shrinkage): string {
  switch (what) {
    case "memory-gone":
      return `${path} is gone (${before} bytes)`;
    case "index-halved":
      return `${path} shrank from ${before} to ${after} bytes`;
    case "hooks-lost":
      return `${path} ${after === null ? "is gone, and its hooks with it" : "lost its hooks"}`;
    case "log-rewritten":
      return after !== null && after < before
        ? `${path} was cut from ${before} to ${after} bytes`
        : `${path} does not begin any more with what was stored`;
    case "files-gone":
      return `${before - (after ?? 0)} of ${before} files are gone`;
  }
}

/** The command that brings back how it was; `undefined` when no such snapshot is known. */
export function restoreCommand(id: string, good: string | null): string | undefined {
  return good === null ? undefined : `keepsake restore ${id}/${good} --to restored`;
}
