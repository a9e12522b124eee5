/**
 * Paths of what is in a directory, for workers that do little else: Node's library of paths takes
 * as long to load as half a worker.
 *
 * @module
 */

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

/** The path of what is in a directory. */
export function childPath(directory: string, name: string): string {
  const isEnded = directory.endsWith("/") || directory.endsWith(SEPARATOR);
  return isEnded ? `${directory}${name}` : `${directory}${SEPARATOR}${name}`;
}
