/**
 * A small world to back up in: a home with every kind of thing, an identity, and a pipeline file.
 *
 * @module
 */
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { loadPipeline, type Pipeline } from "../../pipeline/mod.ts";
import { compareTrees, readTree } from "../../tools/demo/trees.ts";
import assert from "node:assert/strict";

/** A temporary directory with what a pipeline needs. Gone when the test is over. */
export class World {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-world-" }));
  readonly source: string = join(this.path, "home", ".claude");
  readonly state: string = join(this.path, "state");
  readonly identity: string = join(this.path, "identity.txt");
  recipient = "";

  private constructor() {}

  static async make(): Promise<World> {
    const world = new World();
    const identity = await generateX25519Identity();
    world.recipient = await identityToRecipient(identity);
    await Deno.writeTextFile(world.identity, `${identity}\n`, { mode: 0o600 });
    await makeTree(world.source);
    return world;
  }

  /** A path in this world. */
  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  /** Writes a pipeline file with these stages and loads it. */
  async pipeline(stages: string, name = "claude"): Promise<Pipeline> {
    const file = this.at(`${name}.toml`);
    const head = [
      "[pipeline]",
      `name = ${JSON.stringify(name)}`,
      `state = ${JSON.stringify(this.state)}`,
      `identity = ${JSON.stringify(this.identity)}`,
    ];
    await Deno.writeTextFile(file, `${head.join("\n")}\n${stages}`);
    return await loadPipeline(file, { environment: {}, home: this.at("home") });
  }

  /** The usual stages: snapshot, gate, encryption, one destination. */
  usual({ codec = "zstd", destination = "backups" } = {}): string {
    return `
      [[stage]]
      use = "snapshot"
      id = "claude"
      paths = [${JSON.stringify(this.source)}]
      compress = "${codec}"
      [[stage]]
      use = "hash-gate"
      [[stage]]
      use = "encrypt"
      to = ["${this.recipient}"]
      [[stage]]
      use = "local"
      path = ${JSON.stringify(this.at(destination))}
    `;
  }

  /** Fails unless the restored tree is the one that was backed up. */
  assertRestored(restored: string): void {
    const { missing, extra, changed } = compareTrees(readTree(this.source), readTree(restored));
    assert.deepEqual({ missing, extra, changed }, { missing: [], extra: [], changed: [] });
  }

  /** Every file below a directory, with its size. */
  async files(...parts: readonly string[]): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    const visit = async (directory: string, prefix: string): Promise<void> => {
      for await (const { name, isDirectory } of Deno.readDir(directory)) {
        const path = join(directory, name);
        if (isDirectory) await visit(path, `${prefix}${name}/`);
        else found[prefix + name] = (await Deno.lstat(path)).size;
      }
    };
    await visit(this.at(...parts), "").catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    return found;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A tree with every kind of entry, and names that tools stumble over. */
export async function makeTree(root: string): Promise<void> {
  const project = join(root, "projects", "-home-me-work");
  await Deno.mkdir(join(project, "memory"), { recursive: true });
  await Deno.mkdir(join(root, "empty"));
  await Deno.writeTextFile(join(root, "CLAUDE.md"), "# Be kind\n");
  await Deno.writeTextFile(join(root, "settings.json"), '{"hooks":{}}\n', { mode: 0o600 });
  await Deno.writeTextFile(join(root, "nothing"), "");
  await Deno.writeTextFile(join(project, "memory", "MEMORY.md"), "- likes tea\n");
  const line = JSON.stringify({ type: "user", message: { content: "hello ".repeat(50) } });
  await Deno.writeTextFile(join(project, "session.jsonl"), `${line}\n`.repeat(9000));
  await Deno.writeFile(join(project, "noise.bin"), noise(70_000));
  const odd = join(root, "skills");
  await Deno.mkdir(odd);
  const names = ["-dash", " space", "new\nline", 'quo"te', "émoji 🗝", "x".repeat(255), "a.b", "a"];
  for (const name of names) await Deno.writeTextFile(join(odd, name), `this is ${name}`);
  const deep = join(root, ...Array.from({ length: 30 }, (_, index) => `a-long-name-${index}`));
  await Deno.mkdir(deep, { recursive: true });
  await Deno.writeTextFile(join(deep, "end.txt"), "deep");
  if (Deno.build.os === "windows") return;
  await Deno.link(join(root, "CLAUDE.md"), join(root, "AGENTS.md"));
  await Deno.symlink("CLAUDE.md", join(root, "link-inside"));
  await Deno.symlink("/etc/hostname", join(root, "link-outside"));
  await Deno.symlink("not-there", join(root, "link-dangling"));
  await Deno.chmod(join(odd, "a.b"), 0o755);
  await Deno.chmod(join(root, "empty"), 0o500);
}

/** Bytes that no codec makes smaller. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

/** Whether every one of these programs can be started here. */
export function haveTools(...programs: readonly string[]): boolean {
  return programs.every((program) => {
    try {
      const args = ["--version"];
      return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync()
        .success;
    } catch {
      return false;
    }
  });
}
