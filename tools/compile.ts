/**
 * Makes one self-contained executable: the program, its stages and the libraries they use.
 *
 * @module
 */
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `Usage: deno task compile [--output PATH] [--target TRIPLE]

  --output PATH     the executable to make; by default dist/keepsake
  --target TRIPLE   the system to make it for, as "deno compile --help" lists them

COMPILE_DENO names another Deno to compile with, and DENORT_BIN its runtime.
`;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What is asked of {@linkcode compile}. */
export interface CompileOptions {
  /** Path of the executable. */
  readonly output: string;
  /** The system it is for; `undefined`: this one. */
  readonly target?: string | undefined;
  /** Where the program starts, as the project knows it. */
  readonly main?: string;
  /** Where its workers start: no import leads there. */
  readonly worker?: string;
}

/**
 * Compiles the program.
 *
 * @throws {Error} With what Deno says, when it cannot.
 */
export async function compile(
  { output, target, main = "main.ts", worker = "pipeline/worker/entry.ts" }: CompileOptions,
): Promise<void> {
  // All packages of a deno.json are embedded, used or not, so what is compiled is a copy that lacks
  // what is for development alone.
  const folder = await Deno.makeTempDir({ prefix: "keepsake-compile-" });
  try {
    const included = [worker, ...BY_ADDRESS, ...filesIn("commands"), ...filesIn("stages")];
    const { files, packages } = await partsOf([main, ...included]);
    for (const file of files) {
      await Deno.mkdir(join(folder, dirname(file)), { recursive: true });
      await Deno.copyFile(join(ROOT, file), join(folder, file));
    }
    await writeJson(join(folder, "deno.json"), await configFor(packages));
    await writeJson(join(folder, "deno.lock"), await lockFor(packages));
    await Deno.mkdir(dirname(resolve(output)), { recursive: true });
    await deno(Deno.env.get("COMPILE_DENO") ?? Deno.execPath(), folder, [
      ...["compile", "--quiet", "--frozen"],
      // `deno task check` has done it, and older versions know less about types.
      "--no-check",
      // A cache would lie where anybody can foresee it, in the folder for temporary files.
      "--no-code-cache",
      // The grants of each worker are what counts; the runner needs whatever they need together.
      ...["--allow-all", "--no-prompt"],
      ...(target === undefined ? [] : ["--target", target]),
      ...included.flatMap((file) => ["--include", file]),
      ...["--output", resolve(output), main],
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What no import leads to either: what a worker is started with that is no stage, and a run's work. */
const BY_ADDRESS = ["stages/formats/secrets/search.ts", "pipeline/run/locked.ts"];

/** Commands or stages, which are imported by their addresses. */
function filesIn(folder: string): string[] {
  const entries = Array.from(Deno.readDirSync(join(ROOT, folder)));
  return entries.filter(({ isFile }) => isFile).map(({ name }) => `${folder}/${name}`).toSorted();
}

/** The parts that matter here of `deno.json`. */
interface Config {
  readonly imports: Readonly<Record<string, string>>;
}

/** The parts that matter here of `deno.lock`, version 5. */
interface Lock {
  readonly version: string;
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, { readonly dependencies?: readonly string[] }>>;
  readonly workspace: { readonly dependencies: readonly string[] };
}

/** The modules of the project that these import, and the packages, as the lock file names them. */
async function partsOf(roots: readonly string[]): Promise<{
  readonly files: ReadonlySet<string>;
  readonly packages: ReadonlySet<string>;
}> {
  const files = new Set<string>();
  const packages = new Set<string>();
  for (const root of roots) {
    const { modules } = JSON.parse(await deno(Deno.execPath(), ROOT, ["info", "--json", root])) as {
      readonly modules: readonly { readonly local?: string; readonly npmPackage?: string }[];
    };
    for (const { local, npmPackage } of modules) {
      if (npmPackage !== undefined) packages.add(npmPackage);
      else if (local !== undefined) files.add(relative(ROOT, local));
    }
  }
  return { files, packages };
}

async function configFor(packages: ReadonlySet<string>): Promise<Config> {
  const config: Config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const isNeeded = (_: string, target: string) =>
    !target.startsWith("npm:") || isIn(packages, target);
  return { ...config, imports: filter(config.imports, isNeeded) };
}

async function lockFor(packages: ReadonlySet<string>): Promise<Lock> {
  const lock: Lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  const { specifiers, npm, workspace: { dependencies } } = lock;
  const needed = new Set<string>();
  const need = (id: string) => {
    if (needed.has(id)) return;
    needed.add(id);
    for (const dependency of npm[id]?.dependencies ?? []) {
      // The version stands there only where there are several.
      const isMeant = (id: string) => id === dependency || id.startsWith(`${dependency}@`);
      need(Object.keys(npm).find(isMeant) ?? dependency);
    }
  };
  packages.forEach(need);
  return {
    ...lock,
    specifiers: filter(specifiers, (specifier) => isIn(packages, specifier)),
    npm: filter(npm, (id) => needed.has(id)),
    workspace: { dependencies: dependencies.filter((specifier) => isIn(packages, specifier)) },
  };
}

/** Whether a specifier such as `npm:/name@1.0.0/part.js` leads into one of the packages. */
function isIn(packages: ReadonlySet<string>, specifier: string): boolean {
  const [, name] = /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(specifier) ?? [];
  return [...packages].some((id) => id === name || id.startsWith(`${name}_`));
}

function filter<T>(
  record: Readonly<Record<string, T>>,
  isKept: (name: string, value: T) => boolean,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).filter(([name, value]) => isKept(name, value)));
}

/** Spaced as Deno does: `--frozen` compares the text of the lock file. */
async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Runs Deno, and answers what it prints. */
async function deno(program: string, cwd: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new Error(`Cannot run "deno ${args[0]}": ${text(stderr).trim()}`);
}

if (import.meta.main) {
  const { values: { output, target, help } } = parseArgs({
    args: Deno.args,
    options: {
      output: { type: "string", default: join(ROOT, "dist", "keepsake") },
      target: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  if (help) say(USAGE);
  else {
    try {
      await compile({ output, target });
    } catch (error) {
      // What Deno says of itself ends with a stack, which is no news to anybody.
      const [said] = (error instanceof Error ? error.message : String(error)).split("\n\nStack");
      const hint = said?.includes("dl.deno.land")
        ? "  Try again online: Deno loads its runtime from there to compile\n"
        : "";
      Deno.stderr.writeSync(new TextEncoder().encode(`Error: ${said}\n${hint}`));
      Deno.exit(1);
    }
    const { size } = await Deno.stat(output);
    say(`${relative(Deno.cwd(), output)}: ${(size / 1e6).toFixed(0)} MB\n`);
  }
}
