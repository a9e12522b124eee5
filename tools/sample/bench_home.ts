/**
 * A home big enough to measure with: logs that compress like real ones, and nothing else.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "./random.ts";
import { prose } from "./text.ts";
import { Transcript } from "./transcript.ts";
import { makeProject, type Project, turn } from "./work.ts";

/** What was made. */
export interface BenchHome {
  /** The Claude Code folder. */
  readonly claude: string;
  readonly files: number;
  readonly bytes: number;
}

/** How big a home for measurements is. */
export interface BenchHomeOptions {
  /** About; what is made is at most a hundredth more or less. */
  readonly bytes: number;
  /** By default one for every 1.05 MB, as on a machine in daily use. */
  readonly conversations?: number;
  readonly seed?: number;
}

/** Fills `<directory>/.claude` with conversations. The same options give the same bytes. */
export function makeBenchHome(
  directory: string,
  { bytes, conversations = Math.max(1, Math.round(bytes / 1.05e6)), seed = 1 }: BenchHomeOptions,
): BenchHome {
  const random = new Random(seed);
  const claude = join(directory, ".claude");
  const projects = Array.from(
    { length: Math.max(4, Math.round(conversations / 12)) },
    (_, i) => makeProject(random, `/home/ada/code/project-${i}`, { files: 24, lines: 160 }),
  );
  const made = { claude, files: 0, bytes: 0 };
  function keep(path: string, text: string): void {
    const content = new TextEncoder().encode(text);
    writeFileSync(join(claude, path), content, { mode: 0o600 });
    made.files++;
    made.bytes += content.length;
  }
  const weights = Array.from({ length: conversations }, () => random.fraction() ** 2 + 0.05);
  let weightLeft = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    const project = projects[i % projects.length]!;
    const folder = join("projects", project.cwd.replace(/[^A-Za-z0-9]/g, "-"));
    mkdirSync(join(claude, folder, "memory"), { recursive: true });
    if (i < projects.length) keep(join(folder, "memory", "MEMORY.md"), prose(random, 40));
    const size = (bytes - made.bytes) * weight / weightLeft;
    const log = converse(random, project, size);
    keep(join(folder, `${log.sessionId}.jsonl`), log.text);
    weightLeft -= weight;
  }
  return made;
}

function converse(random: Random, project: Project, size: number): Transcript {
  const log = new Transcript(random, project, START + random.between(0, 30 * 86_400_000));
  log.note("mode", { mode: "normal" });
  while (log.bytes < size) turn(random, project, log, random.between(1, size < 50_000 ? 1 : 9));
  return log;
}

const START = Date.UTC(2026, 0, 5);
