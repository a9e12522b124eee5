/**
 * Measures what the search for secrets adds to the first run of a home of 200 MB, against the same
 * run without it and against `grep` with the words that secrets have, in turns, and prints medians.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { OWN_RULES, PRESET_WORDS } from "../stages/formats/secrets/rules.ts";
import { makeCorpus } from "./corpus.ts";
import { type Command, type Measurement, median, Stopwatch } from "./measure.ts";

const ROUNDS = 5;

/** Runs the comparison, and prints it. */
async function compare(): Promise<void> {
  const base = join(tmpdir(), "keepsake-bench");
  mkdirSync(base, { recursive: true });
  const work = mkdtempSync(join(base, "secrets-"));
  try {
    const { claude } = await makeCorpus(base, 200e6);
    const main = join(import.meta.dirname!, "../main.ts");
    const env = {
      HOME: work,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(homedir(), ".cache/deno"),
    };
    const backup = (policy: string): Command => {
      const file = join(work, `${policy}.toml`);
      const state = join(work, policy);
      writeFileSync(file, pipelineOf(claude, state, policy));
      return {
        program: "sh",
        args: [
          ...["-c", 'rm -rf "$1"; shift; "$@"; test $? -ne 1', "sh", state],
          ...[
            Deno.execPath(),
            "run",
            "-A",
            "--no-prompt",
            main,
            "run",
            "--quiet",
            "--config",
            file,
          ],
        ],
        env,
      };
    };
    const words = [
      ...OWN_RULES.flatMap(({ words }) => words),
      ...Object.values(PRESET_WORDS).flat(),
    ];
    const list = join(work, "words");
    writeFileSync(list, [...new Set(words)].join("\n"));
    const commands: Readonly<Record<string, Command>> = {
      "grep of the words": {
        program: "sh",
        args: [
          "-c",
          'LC_ALL=C grep -rcF -f "$1" "$2" > "$3"',
          "sh",
          list,
          claude,
          join(work, "out"),
        ],
      },
      "secrets = allow": backup("allow"),
      "secrets = warn": backup("warn"),
      "secrets = block": backup("block"),
    };
    const stopwatch = await Stopwatch.create(work);
    const samples: Record<string, Measurement[]> = {};
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, command] of Object.entries(commands)) {
        (samples[name] ??= []).push(await stopwatch.measure(command));
      }
    }
    const secondsOf = (name: string) => median(samples[name]!.map(({ seconds }) => seconds));
    const lines = Object.entries(samples).map(([name, all]) => {
      const cpu = median(all.map(({ usage }) => usage?.cpuSeconds ?? NaN));
      const peak = median(all.map(({ usage }) => usage?.peakBytes ?? NaN));
      const parts = [`${secondsOf(name).toFixed(2)} s`, `${cpu.toFixed(2)} s cpu`];
      return `${name.padEnd(18)} ${[...parts, `${(peak / 1e6).toFixed(0)} MB peak`].join("  ")}`;
    });
    const ratio = secondsOf("secrets = warn") / secondsOf("secrets = allow");
    lines.push("", `with the search: ${ratio.toFixed(2)} × without`);
    Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function pipelineOf(claude: string, state: string, policy: string): string {
  return `
[pipeline]
name = "bench"
state = ${JSON.stringify(join(state, "state"))}

[[stage]]
use = "snapshot"
paths = [${JSON.stringify(claude)}]

[[stage]]
use = "local"
path = ${JSON.stringify(join(state, "there"))}
plaintext = true
secrets = ${JSON.stringify(policy)}
`;
}

if (import.meta.main) await compare();
