/**
 * Compares the digest of a home of 200 MB with a script in Python that joins the text of the logs, in
 * turns, and prints medians.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCorpus } from "./corpus.ts";
import { type Command, type Measurement, median, Stopwatch } from "./measure.ts";

const ROUNDS = 5;
const BASELINE = "json.loads in Python";

/** Runs the comparison, and prints it. */
async function compare(): Promise<void> {
  const base = join(tmpdir(), "keepsake-bench");
  mkdirSync(base, { recursive: true });
  const work = mkdtempSync(join(base, "digest-"));
  try {
    const { claude } = await makeCorpus(base, 200e6);
    const projects = join(claude, "projects");
    const empty = join(work, "empty");
    mkdirSync(empty);
    const [python, kept] = [join(work, "python"), join(work, "digests")];
    const main = join(import.meta.dirname!, "../main.ts");
    const env = { HOME: work, DENO_DIR: denoDirectory() };
    const digest = (from: string, to: string): Command => ({
      program: Deno.execPath(),
      args: ["run", "-A", "--no-prompt", main, "digest", "--all", "--from", from, "--to", to],
      env,
    });
    const baseline: Command = {
      program: "python3",
      args: [join(import.meta.dirname!, "digest_baseline.py"), projects, python],
    };
    const stopwatch = await Stopwatch.create(work);
    const samples: Record<string, Measurement[]> = {};
    const take = async (name: string, command: Command) => {
      (samples[name] ??= []).push(await stopwatch.measure(command));
    };
    for (let round = 0; round < ROUNDS; round++) {
      for (const folder of [python, kept]) rmSync(folder, { recursive: true, force: true });
      await take(BASELINE, baseline);
      await take("digest, first", digest(projects, kept));
      await take("digest, unchanged", digest(projects, kept));
      await take("digest of nothing", digest(empty, join(work, "none")));
    }
    const secondsOf = (name: string) => median(samples[name]!.map(({ seconds }) => seconds));
    const lines = Object.entries(samples).map(([name, all]) => {
      const seconds = secondsOf(name);
      const cpu = median(all.map(({ usage }) => usage?.cpuSeconds ?? NaN));
      const peak = median(all.map(({ usage }) => usage?.peakBytes ?? NaN));
      const parts = [`${seconds.toFixed(2)} s`, `${cpu.toFixed(2)} s cpu`];
      return `${name.padEnd(22)} ${[...parts, `${(peak / 1e6).toFixed(0)} MB peak`].join("  ")}`;
    });
    const peak = Math.max(
      ...Object.entries(samples).flatMap(([name, all]) =>
        name === BASELINE ? [] : all.map(({ usage }) => usage?.peakBytes ?? NaN)
      ),
    );
    lines.push(
      "",
      `first: ${
        (secondsOf("digest, first") / secondsOf(BASELINE)).toFixed(2)
      } × Python (goal: 0.5)`,
      `unchanged: ${secondsOf("digest, unchanged").toFixed(2)} s (goal: less than 0.2 s)`,
      `peak memory: ${(peak / 1e6).toFixed(0)} MB (goal: less than 300 MB)`,
    );
    Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Where Deno has its packages, which it would else look for in the new home. */
function denoDirectory(): string {
  const home = Deno.env.get("HOME") ?? "";
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
  return Deno.env.get("DENO_DIR") ?? join(cache, "deno");
}

if (import.meta.main) await compare();
