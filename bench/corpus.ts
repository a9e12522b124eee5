/**
 * The home that is measured with: made once, kept in the temporary folder for the next time.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchHome, makeBenchHome } from "../tools/sample_home.ts";
import { run } from "./measure.ts";

/** A home to back up, and how well it compresses. */
export interface Corpus extends BenchHome {
  /** The directory that holds `.claude`. */
  readonly home: string;
  readonly conversations: number;
  /** Size against the size after `zstd -3`; `undefined` where there is no `zstd`. */
  readonly ratio: number | undefined;
}

/** Makes a home of about so many bytes in `directory`, or takes the one that was made before. */
export async function makeCorpus(directory: string, bytes: number): Promise<Corpus> {
  const home = join(directory, `home-${bytes / 1e6}MB-${generatorHash()}`);
  const note = join(home, "made.json");
  if (!existsSync(note)) {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    const conversations = Math.max(1, Math.round(bytes / 1.05e6));
    const made = makeBenchHome(home, { bytes, conversations });
    const corpus: Corpus = { ...made, home, conversations, ratio: await ratio(home) };
    writeFileSync(note, JSON.stringify(corpus));
  }
  return JSON.parse(readFileSync(note, "utf8"));
}

/** Changes with the code that makes the home, so that an old one is not taken for a new one. */
function generatorHash(): string {
  const folder = join(import.meta.dirname ?? ".", "../tools/sample");
  const sum = createHash("sha256");
  for (const name of readdirSync(folder).sort()) sum.update(readFileSync(join(folder, name)));
  return sum.digest("hex").slice(0, 8);
}

async function ratio(home: string): Promise<number | undefined> {
  const script = 'tar c -C "$1" .claude | tee >(wc -c >&2) | zstd -q -3 | wc -c';
  const { success, stdout, stderr } = await run("bash", ["-c", script, "ratio", home]);
  return success ? Number(stderr) / Number(stdout) : undefined;
}
