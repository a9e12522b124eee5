/**
 * Runs programs for the demonstration, as a person in the sample home would.
 *
 * @module
 */
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Something that the demonstration needs or claims is not so. */
export class Broken extends Error {
  override name = "Broken";
}

/** How a program ended. */
export interface Ending {
  readonly status: number;
  readonly stdout: string;
  /** All that it printed, on stdout and on stderr. */
  readonly output: string;
}

/** The person in the sample home, who can run programs. */
export class Person {
  readonly #home: string;
  readonly #keepsake: readonly string[];
  readonly #env: Readonly<Record<string, string>>;

  private constructor(
    home: string,
    keepsake: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    this.#home = home;
    this.#keepsake = keepsake;
    this.#env = env;
  }

  /**
   * `executable` is a compiled keepsake; without one, this source tree is run with Deno. What programs
   * print is passed on, so `color` says whether they may print in colour.
   */
  static async create(
    home: string,
    { executable, color }: { readonly executable: string | undefined; readonly color: boolean },
  ): Promise<Person> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(Deno.env.toObject())) {
      // What the real user has set must not lead out of the sample home.
      if (!/^(CLAUDE_|KEEPSAKE_|XDG_|NO_COLOR$|FORCE_COLOR$)/.test(name)) env[name] = value;
    }
    Object.assign(env, { HOME: home, USERPROFILE: home });
    if (!color) env["NO_COLOR"] = "1";
    if (executable !== undefined) return new Person(home, [executable], env);
    const root = fileURLToPath(new URL("../../", import.meta.url));
    // Packages are fetched with the real home's settings, and are kept below it.
    const [info] = await Promise.all([
      deno(["info", "--json"], root),
      deno(["install", "--quiet"], root),
    ]);
    env["DENO_DIR"] = JSON.parse(info).denoDir;
    const flags = ["run", "--quiet", "--no-prompt", "-A", "--config", join(root, "deno.json")];
    return new Person(home, [Deno.execPath(), ...flags, join(root, "main.ts")], env);
  }

  /** Runs keepsake; `show` gets what it prints, as it comes. */
  keepsake(args: readonly string[], show: (text: string) => void): Promise<Ending> {
    const expanded = args.map((arg) => arg.replace(/^~(?=\/)/, this.#home));
    return this.#run([...this.#keepsake, ...expanded], show);
  }

  /** Runs a line in a shell. */
  shell(line: string, show: (text: string) => void): Promise<Ending> {
    return this.#run(["sh", "-c", line], show);
  }

  /** Those of some programs that are not installed. */
  async lacking(programs: readonly string[]): Promise<readonly string[]> {
    const folders = (this.#env["PATH"] ?? "").split(delimiter);
    const found = await Promise.all(programs.map(async (program) => {
      const stats = folders.map((folder) =>
        Deno.stat(join(folder, program)).catch(() => undefined)
      );
      return (await Promise.all(stats)).some((stat) => stat?.isFile);
    }));
    return programs.filter((_, i) => !found[i]);
  }

  async #run(
    [program = "", ...args]: readonly string[],
    show: (text: string) => void,
  ): Promise<Ending> {
    const child = new Deno.Command(program, {
      args,
      cwd: this.#home,
      env: this.#env,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let stdout = "";
    let output = "";
    function pass(text: string): void {
      output += text;
      show(text);
    }
    await Promise.all([
      read(child.stderr, pass),
      read(child.stdout, (text) => {
        stdout += text;
        pass(text);
      }),
    ]);
    return { status: (await child.status).code, stdout, output };
  }
}

async function read(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  show: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) show(text);
}

async function deno(args: readonly string[], cwd: string): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd, stderr: "inherit" });
  const { success, stdout } = await command.output();
  if (!success) throw new Broken(`"deno ${args.join(" ")}" failed`);
  return new TextDecoder().decode(stdout);
}
