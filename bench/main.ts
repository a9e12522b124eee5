/**
 * Compares keepsake with `tar | zstd | age`, restic and borg, all in one run and in turns, and prints
 * medians.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Corpus, makeCorpus } from "./corpus.ts";
import { Stopwatch } from "./measure.ts";
import { makeKey, makePeers, type Peer, PEERS } from "./peers.ts";
import { FAILED, takeSamples } from "./rounds.ts";
import { type Bar, judge, renderBars, renderTable, type Row } from "./table.ts";

const USAGE = `Usage: deno task bench [options]

  --rounds N          samples of each; by default 5, with --large 3
  --large             a home of 2 GB instead of 200 MB
  --only NAME         this peer alone, may be repeated: keepsake, pipe, pipe+sync, restic, borg;
                      s3: in place of all, uploads of 2 GB against aws and rclone
  --executable PATH   a compiled keepsake instead of main.ts
  --json              one JSON document on stdout; the table goes to stderr
`;

/** Runs the comparison; the status is 0 unless a peer that is here failed. */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options !== "string") {
    return await (options.only.includes("s3") ? compareUploads(options) : compare(options));
  }
  print(options === USAGE ? Deno.stdout : Deno.stderr, options);
  return options === USAGE ? 0 : 3;
}

async function compareUploads({ rounds, json }: Options): Promise<number> {
  const { benchS3, renderS3 } = await import("./s3.ts");
  const work = mkdtempSync(join(tmpdir(), "keepsake-bench-"));
  try {
    const result = await benchS3(work, 2e9, rounds, say);
    print(json ? Deno.stderr : Deno.stdout, renderS3(result));
    if (json) print(Deno.stdout, JSON.stringify({ machine: machine(), ...result }, null, 2) + "\n");
    return 0;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function compare(options: Options): Promise<number> {
  const base = join(tmpdir(), "keepsake-bench");
  mkdirSync(base, { recursive: true });
  const work = mkdtempSync(join(base, "run-"));
  const clean = () => rmSync(work, { recursive: true, force: true });
  Deno.addSignalListener("SIGINT", () => {
    clean();
    Deno.exit(130);
  });
  try {
    say(`Making a home of ${options.bytes / 1e6} MB below ${base}`);
    const corpus = await makeCorpus(base, options.bytes);
    const identity = join(work, "identity.txt");
    const recipient = await makeKey(identity);
    const { only, rounds, keepsake } = options;
    const choose = async (corpus: Corpus) => {
      const all = await makePeers({ corpus, keepsake, recipient, identity });
      return all.filter(({ name }) => only.length === 0 || only.includes(name));
    };
    const stopwatch = await Stopwatch.create(work);
    // Untimed, so that no sample has to wait for a download or a program's first start.
    say("Warming up");
    await takeSamples(await choose(await makeCorpus(work, 1e5)), 1, work, stopwatch);
    const peers = await choose(corpus);
    const rows = await takeSamples(peers, rounds, work, stopwatch, say);
    const { tellsUsage } = stopwatch;
    const bars = judge(rows, options.large);
    const result = { machine: machine(), tellsUsage, options, corpus, peers, rows, bars };
    print(options.json ? Deno.stderr : Deno.stdout, report(result));
    if (options.json) print(Deno.stdout, JSON.stringify(result, null, 2) + "\n");
    return rows.some(({ absent }) => absent?.startsWith(FAILED)) ? 2 : 0;
  } finally {
    clean();
  }
}

/** What `--json` prints. */
interface Result {
  readonly machine: ReturnType<typeof machine>;
  readonly tellsUsage: boolean;
  readonly options: Options;
  readonly corpus: Corpus;
  readonly peers: readonly Peer[];
  readonly rows: readonly Row[];
  readonly bars: readonly Bar[];
}

interface Options {
  readonly bytes: number;
  readonly large: boolean;
  readonly rounds: number;
  readonly only: readonly string[];
  readonly json: boolean;
  readonly keepsake: readonly string[];
}

/** Answers what to print instead when there is nothing to measure. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rounds: { type: "string" },
        large: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
        executable: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const { large, only, json, executable } = values;
    const rounds = Number(values.rounds ?? (large || only.includes("s3") ? 3 : 5));
    if (values.help) return USAGE;
    if (!Number.isInteger(rounds) || rounds < 1) {
      return `Cannot measure in "${values.rounds}" rounds: expected a whole number from 1\n`;
    }
    const unknown = only.filter((name) => !["s3", ...PEERS].includes(name));
    if (unknown.length > 0) {
      return `Cannot measure "${unknown.join('", "')}": expected one of ${PEERS.join(", ")}, s3\n`;
    }
    const script = resolve(import.meta.dirname ?? ".", "../main.ts");
    const keepsake = executable === undefined
      ? [Deno.execPath(), "run", "-A", "--no-prompt", script]
      : [resolve(executable)];
    return { bytes: large ? 2e9 : 200e6, large, rounds, only, json, keepsake };
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n\n${USAGE}`;
  }
}

function report(
  { machine: { cpu, cores, memory, deno }, tellsUsage, options, corpus, peers, rows, bars }: Result,
): string {
  const { bytes, files, conversations, ratio } = corpus;
  const compress = ratio === undefined ? "zstd not installed" : `zstd -3 ratio ${ratio.toFixed(2)}`;
  const facts = [
    `${cores} cores (${cpu}), ${(memory / 1e9).toFixed(0)} GB, Deno ${deno}`,
    `${(bytes / 1e6).toFixed(0)} MB in ${files} files, ${conversations} conversations, ${compress}`,
    `medians of ${options.rounds} interleaved samples, page cache warm, process start included`,
    tellsUsage
      ? "cpu is of all processes of a command together, peak memory of the largest one"
      : "cpu and peak memory are not measured: GNU time is not installed",
    ...peers.map(({ name, how, missing }) => `${name.padEnd(10)} ${missing ?? how}`),
  ];
  return `\n${facts.join("\n")}\n\n${renderTable(rows)}\nbars\n${renderBars(bars)}`;
}

function machine(): {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: number;
  readonly deno: string;
} {
  const cpu = cpus()[0]?.model ?? "unknown";
  return { cpu, cores: availableParallelism(), memory: totalmem(), deno: Deno.version.deno };
}

function say(text: string): void {
  print(Deno.stderr, `${text}\n`);
}

function print(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
