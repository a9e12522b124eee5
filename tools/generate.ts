/**
 * Writes the files that are generated from what the stages declare. `--check` writes nothing, and
 * fails when a file is not as it should be.
 *
 * @module
 */
import { docsFiles } from "../pipeline/config/generate.ts";
import { stages } from "../stages/mod.ts";

const ROOT = new URL("../", import.meta.url);

/** What the generated files should be, by path from the root of the project. */
export async function generated(): Promise<Readonly<Record<string, string>>> {
  const modules = await Promise.all(Object.values(stages).map((load) => load()));
  return docsFiles(modules.map((module) => module.default));
}

/** Paths of the files that are missing or differ. */
export async function outdated(): Promise<string[]> {
  const files = Object.entries(await generated());
  const differ = await Promise.all(
    files.map(async ([path, content]) => await readIfThere(new URL(path, ROOT)) !== content),
  );
  return files.map(([path]) => path).filter((_, index) => differ[index]);
}

async function readIfThere(file: URL): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function say(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(`${text}\n`));
}

if (import.meta.main) {
  const paths = await outdated();
  if (!Deno.args.includes("--check")) {
    const files = await generated();
    for (const path of paths) {
      await Deno.writeTextFile(new URL(path, ROOT), files[path]!);
      await say(`Wrote ${path}`);
    }
  } else if (paths.length > 0) {
    await say(`Generated files are not up to date: ${paths.join(", ")}`);
    await say("Run: deno task generate");
    Deno.exit(1);
  }
}
