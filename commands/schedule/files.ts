/**
 * Writes a scheduler's files so that it never sees half of one.
 *
 * @module
 */
import { dirname, join } from "node:path";
import type { ScheduleFile } from "./installer.ts";

/** Writes the file in full, or leaves the one that is there. */
export async function writeFile({ path, text }: ScheduleFile, mode = 0o644): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.keepsake-${crypto.randomUUID()}`);
  await using cleanup = new AsyncDisposableStack();
  await Deno.writeTextFile(temporary, text, { createNew: true, mode });
  cleanup.defer(() => Deno.remove(temporary));
  await Deno.rename(temporary, path);
  cleanup.move();
}

/** The names that fit between the brackets of a file's name, in a directory that need not be there. */
export async function namesOf(directory: string, file: RegExp): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      const [, name] = file.exec(entry.name) ?? [];
      if (name !== undefined) names.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return [...new Set(names)].sort();
}

/** Whether there is anything of that name. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
