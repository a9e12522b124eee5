/**
 * Finds patterns of `exclude` that were written as paths of this machine, and so leave nothing out.
 *
 * @module
 */
import { basename, join, sep } from "node:path";
import type { Remark } from "../../contract.ts";
import type { FoundRoot } from "../roots.ts";

/** Says of each such pattern what to write, on the root for which it was meant. */
export function idleExcludes(
  patterns: readonly string[],
  roots: readonly FoundRoot[],
): Remark[] {
  return patterns.flatMap((pattern) => {
    const [, not = "", written = ""] = /^(!?)(.*)$/s.exec(pattern)!;
    const text = slashed(written);
    const meant = meaningOf(text, roots);
    // What is there under that name is left out, whatever was meant.
    if (meant === undefined || (!text.startsWith("./") && startsSomewhere(text, roots))) return [];
    const { root, way } = meant;
    const hint = way === undefined
      ? `and "${
        STAND_IN.exec(text)![1]
      }" stands for nothing there: write what follows the path, such as "/cache"`
      : way === "" || way === "/"
      ? "and that is the whole of one: take it out of the paths"
      : `so write "${not}${way}"`;
    const state = "matches nothing: patterns are relative to each path";
    return [{ path: root.path, reason: `"${pattern}" in "exclude" ${state}, ${hint}` }];
  });
}

interface Meaning {
  readonly root: FoundRoot;
  /** From there; left out where one would have to know what is stood for. */
  readonly way?: string;
}

function meaningOf(text: string, roots: readonly FoundRoot[]): Meaning | undefined {
  const [root] = roots;
  if (root !== undefined && STAND_IN.test(text)) return { root };
  if (root !== undefined && text.startsWith("./")) return { root, way: text.slice(1) };
  for (const root of roots) {
    const name = basename(root.path);
    if (name === "") continue; // Below the file system's own root, paths are what they seem.
    for (const path of [root.path, root.real].map(slashed)) {
      if (`${text}/`.startsWith(`${path}/`)) return { root, way: text.slice(path.length) };
    }
    // Without anything after it, it is looked for everywhere.
    const isBelow = text.startsWith(`${name}/`) && text.length > name.length + 1;
    if (isBelow) return { root, way: text.slice(name.length) };
  }
}

/** What a path of the file can begin with in the place of directories. */
const STAND_IN = /^(~|\$\w+|\$\{[^}/]+\})\//;

function startsSomewhere(text: string, roots: readonly FoundRoot[]): boolean {
  const [first = ""] = text.replace(/^\//, "").split("/");
  return roots.some(({ real }) => {
    try {
      Deno.lstatSync(join(real, first));
      return true;
    } catch (error) {
      const { NotFound, NotADirectory } = Deno.errors;
      return !(error instanceof NotFound || error instanceof NotADirectory);
    }
  });
}

function slashed(path: string): string {
  return path.replaceAll(sep, "/");
}
