/**
 * Measures how long a session waits for `hook run session-start`, as `hook install` has it started,
 * against an empty program in Deno, in turns, and prints medians.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { makeSampleHome } from "../tools/sample_home.ts";
import { type Command, median, must, run } from "./measure.ts";

const ROUNDS = 21;
const GOAL_MS = 100;

/** Runs the comparison, and prints it. */
async function compare(executable: string | undefined): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "keepsake-bench-hooks-"));
  try {
    makeSampleHome(home, { seed: 1, now: Date.now() });
    const env = {
      ...{ HOME: home, XDG_CONFIG_HOME: "", XDG_STATE_HOME: "", CLAUDE_CONFIG_DIR: "" },
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(homedir(), ".cache/deno"),
    };
    const main = join(import.meta.dirname!, "../main.ts");
    const [program, ...words] = executable === undefined
      ? [Deno.execPath(), "run", "-A", "--no-prompt", main] as const
      : [executable] as const;
    const keepsake = (...args: string[]): Command => ({
      program,
      args: [...words, ...args],
      env,
      cwd: home,
    });
    mkdirSync(join(home, ".config/keepsake"), { recursive: true });
    writeFileSync(join(home, ".config/keepsake/pipeline.toml"), PIPELINE);
    const backup = keepsake("run");
    await run(backup.program, backup.args, backup); // An older Deno backs up no database.
    await must(keepsake("hook", "install"));
    const settings = JSON.parse(readFileSync(join(home, ".claude/settings.json"), "utf8"));
    const { command, args } = settings.hooks.SessionStart.at(-1).hooks[0];
    const empty = join(home, "empty.ts");
    writeFileSync(empty, "");
    const commands: Readonly<Record<string, Command>> = {
      "an empty program": { program: Deno.execPath(), args: ["run", "-A", empty], env },
      "hook run session-start": { program: command, args, env, cwd: "/" },
    };
    const samples: Record<string, number[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, command] of Object.entries(commands)) {
        const start = performance.now();
        await must(command);
        (samples[name] ??= []).push(performance.now() - start);
      }
    }
    const say = (name: string, times: readonly number[]) => {
      const sorted = times.toSorted((a, b) => a - b);
      const [least, most] = [sorted[0]!, sorted.at(-1)!];
      return `${name.padEnd(24)} ${median(times).toFixed(0).padStart(4)} ms  (${
        least.toFixed(0)
      } to ${most.toFixed(0)})`;
    };
    const lines = Object.entries(samples).map(([name, times]) => say(name, times));
    Deno.stdout.writeSync(
      new TextEncoder().encode(`${lines.join("\n")}\ngoal: less than ${GOAL_MS} ms\n`),
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const PIPELINE = `
[pipeline]
name = "bench"

[[stage]]
use = "digest"
all = true

[[stage]]
use = "snapshot"
claude = true
compress = "gzip"

[[stage]]
use = "local"
path = "~/backups"
plaintext = true
secrets = "allow"
`;

if (import.meta.main) await compare(Deno.args[0]);
