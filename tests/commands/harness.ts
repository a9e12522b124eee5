/**
 * Runs the program as a user would: a process of its own, in a home of its own.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addRecipients, createIdentity, recipientsFileOf } from "../../commands/identity.ts";
import { renderPipeline } from "../../commands/pipeline_template.ts";
import { writeScript } from "../scripts.ts";

/** What a process said and how it ended. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to start it. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = join(ROOT, "main.ts");
const ARGUMENTS = ["run", "--quiet", "--cached-only", "--no-prompt", "-A", MAIN] as const;

/** Where Deno has its packages. */
export function cacheDirectory(): string {
  const xdg = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "", ".cache");
  return Deno.env.get("DENO_DIR") ?? join(xdg, "deno");
}

/** An empty home that is gone after the test, and a `keepsake` on the path. */
export class Home implements AsyncDisposable {
  readonly path: string;
  readonly #base: string;

  private constructor(base: string) {
    this.#base = base;
    this.path = join(base, "home");
  }

  static async make(): Promise<Home> {
    const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-" }));
    const words = [Deno.execPath(), ...ARGUMENTS].map((word) => `'${word}'`).join(" ");
    await Deno.mkdir(join(base, "home"));
    await Deno.mkdir(join(base, "bin"));
    const script = `#!/bin/sh\nexec ${words} "$@"\n`;
    await writeScript(join(base, "bin", "keepsake"), script);
    return new Home(base);
  }

  /** Where Deno has its packages, which it would else look for in the new home. */
  get cache(): string {
    return cacheDirectory();
  }

  /** A path in it. */
  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  /** Writes a file, with its directories. */
  async write(path: string, text: string): Promise<string> {
    const file = this.at(path);
    await Deno.mkdir(join(file, ".."), { recursive: true });
    await Deno.writeTextFile(file, text);
    return file;
  }

  /** Makes a Claude Code folder with a few files, and what `init --yes` makes. */
  async furnish(): Promise<void> {
    await this.write(".claude/CLAUDE.md", "Be kind.\n");
    await this.write(".claude/projects/-tmp-a/1.jsonl", '{"type":"user"}\n'.repeat(50));
    const identity = this.at(".config/keepsake/identity.txt");
    const recipients = recipientsFileOf(identity);
    await addRecipients(recipients, [await createIdentity(identity, false)]);
    const [source, destination] = ["~/.claude", "~/.local/share/keepsake/backups"];
    const template = { source, destination, identity, recipients, compress: "zstd" } as const;
    await this.write(".config/keepsake/pipeline.toml", renderPipeline(template));
  }

  /** Runs keepsake to its end. */
  async keepsake(words: readonly string[], options: StartOptions = {}): Promise<Outcome> {
    const command = new Deno.Command(Deno.execPath(), {
      args: [...ARGUMENTS, ...words],
      ...this.#surroundings(options),
      stdin: "null",
    });
    const { code, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { status: code, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** Starts keepsake with its streams at hand. */
  start(words: readonly string[], options: StartOptions = {}): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: [...ARGUMENTS, ...words],
      ...this.#surroundings(options),
      ...{ stdin: "null", stdout: "piped", stderr: "piped" } as const,
    }).spawn();
  }

  /** Runs a line of bash in which `keepsake` is the program. */
  async bash(line: string, options: StartOptions = {}): Promise<Outcome> {
    const command = new Deno.Command("bash", {
      args: ["-c", line],
      ...this.#surroundings(options),
    });
    const { code, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { status: code, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** The files below a directory of it, sorted. */
  async list(path: string): Promise<string[]> {
    const found: string[] = [];
    for await (const entry of Deno.readDir(this.at(path))) {
      const inner = join(path, entry.name);
      if (entry.isDirectory) found.push(...await this.list(inner));
      else found.push(inner);
    }
    return found.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#base, { recursive: true });
  }

  #surroundings({ env, cwd }: StartOptions) {
    return {
      cwd: cwd ?? this.path,
      clearEnv: true,
      env: {
        PATH: `${this.#base}/bin:${Deno.env.get("PATH")}`,
        HOME: this.path,
        DENO_DIR: this.cache,
        DENO_NO_UPDATE_CHECK: "1",
        TZ: "UTC",
        ...env,
      },
    };
  }
}
