/**
 * Finds the programs that stages may start: each once, in `PATH`, so that what is shown, granted and
 * started is one and the same file.
 *
 * @module
 */
import { delimiter, isAbsolute, join } from "node:path";

const found = new Map<string, string | undefined>();

/** Where programs are: name to absolute path. Those that are not there are left out. */
export function findPrograms(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => {
    if (!found.has(name)) found.set(name, findIn(Deno.env.get("PATH") ?? "", name));
    const path = found.get(name);
    return path === undefined ? [] : [[name, path]];
  }));
}

/**
 * The first program of that name in a search path. Relative directories in it are passed over: they
 * would be others in every working directory.
 */
export function findIn(searchPath: string, name: string): string | undefined {
  const file = Deno.build.os === "windows" ? `${name}.exe` : name;
  return searchPath.split(delimiter)
    .filter(isAbsolute)
    .map((directory) => join(directory, file))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}
