/**
 * Links that came back elsewhere than they were taken from, and lead out of it or nowhere there.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";
import type { Entry, SymlinkEntry } from "../../stages/contract.ts";
import { wayInto } from "../../stages/formats/roots.ts";
import type { Manifest } from "../manifest.ts";
import type { RestorePlan } from "./plan.ts";

/** A link that does not lead to what it led to. */
export interface StrayLink {
  /** In the snapshot. */
  readonly path: string;
  /** Its text. */
  readonly link: string;
  readonly leads: "nowhere" | "out";
  /** Path in the snapshot of what it led to; `undefined`: that is not in it. */
  readonly content: string | undefined;
}

/** Looks where the links lead that a restore has put somewhere. */
export async function findStrayLinks(
  { placements, entries }: RestorePlan,
  manifest: Manifest,
): Promise<StrayLink[]> {
  const strays: StrayLink[] = [];
  const byPath = new Map(manifest.entries.map((entry) => [entry.path, entry]));
  for (const { entry, target, action } of entries) {
    if (entry.kind !== "symlink" || action === "keep") continue;
    const aim = resolve(dirname(target), entry.link);
    const isInside = placements.some((placement) => wayInto(placement.target, aim) !== undefined);
    const isThere = await Deno.stat(target).then(() => true, () => false);
    if (isInside && isThere) continue;
    const content = contentOf(entry, byPath, manifest);
    strays.push({
      path: entry.path,
      link: entry.link,
      leads: isThere ? "out" : "nowhere",
      content,
    });
  }
  return strays;
}

/** What a link led to, if it is in the snapshot; by way of other links, it has to end somewhere. */
function contentOf(
  link: SymlinkEntry,
  byPath: ReadonlyMap<string, Entry>,
  manifest: Manifest,
): string | undefined {
  const aimOf = ({ path, link }: SymlinkEntry) =>
    storedAs(path, link, manifest).map((path) => byPath.get(path)).find((entry) => entry);
  const first = aimOf(link);
  const met = new Set<Entry>([link]);
  let end = first;
  for (; end?.kind === "symlink" && !met.has(end); end = aimOf(end)) met.add(end);
  return end?.kind === "symlink" ? undefined : end && first?.path;
}

/** Where the snapshot would have what a link led to when it was made. */
function storedAs(path: string, link: string, { roots }: Manifest): string[] {
  const root = roots.find(({ name }) => path === name || path.startsWith(`${name}/`));
  if (root === undefined) return [];
  const aim = resolve(dirname(join(root.path, path.slice(root.name.length))), link);
  return roots.flatMap((other) => {
    const way = wayInto(other.path, aim);
    return way === undefined ? [] : [join(other.name, way).replaceAll("\\", "/")];
  });
}
