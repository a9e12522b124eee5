/**
 * Where a path leads.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";

/** The absolute path without links, as far as it is there: its last parts may not exist yet. */
export function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return Deno.realPathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPath(parent), absolute.slice(parent.length));
  }
}
