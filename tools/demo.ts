/**
 * Shows keepsake at work: on a made-up home in a temporary folder, with real processes, a real key
 * and a real archive. Every claim it makes on the way is checked.
 *
 * @module
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Narrator } from "./demo/narrator.ts";
import { Broken, Person } from "./demo/program.ts";
import { Show } from "./demo/show.ts";
import { tell } from "./demo/story.ts";

const USAGE = `Usage: deno task demo [options]

  --executable PATH   shows a compiled keepsake instead of this source tree
  --compress NAME     zstd, gzip or none; by default zstd
  --keep              keeps the temporary folder
`;

/** Runs the demonstration; the status is 0 only if everything held. */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options !== "string") return await play(options);
  write(options === USAGE ? Deno.stdout : Deno.stderr, options);
  return options === USAGE ? 0 : 3;
}

async function play({ executable, compress, keep }: Options): Promise<number> {
  const started = performance.now();
  // The real path: some systems keep their temporary folder behind a link.
  const home = realpathSync(mkdtempSync(join(tmpdir(), "keepsake-demo-")));
  function leave(): void {
    if (keep) write(Deno.stdout, `The folder is still there: ${home}\n`);
    else rmSync(home, { recursive: true, force: true });
  }
  Deno.addSignalListener("SIGINT", () => {
    leave();
    Deno.exit(130);
  });
  const color = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  const narrator = new Narrator(color);
  try {
    const person = await Person.create(home, { executable, color });
    write(
      Deno.stdout,
      `keepsake, step by step, on a made-up home in ${home}.\n` +
        `Nothing of yours is touched. Here, "keepsake" stands for "${
          executable ?? "deno run -A main.ts"
        }".\n`,
    );
    await tell(new Show(narrator, person), home, compress);
    narrator.close(`Everything held, in ${seconds(performance.now() - started)}`, true);
    return 0;
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    narrator.close(error.message, false);
    return 1;
  } finally {
    leave();
  }
}

interface Options {
  /** Absolute path. */
  readonly executable: string | undefined;
  readonly compress: string;
  readonly keep: boolean;
}

/** Answers what to print instead when there is nothing to show. */
function readOptions(args: readonly string[]): Options | string {
  try {
    const { values: { executable, compress, keep, help } } = parseArgs({
      args: [...args],
      options: {
        executable: { type: "string" },
        compress: { type: "string", default: "zstd" },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (help) return USAGE;
    if (!["zstd", "gzip", "none"].includes(compress)) {
      return `Cannot compress with "${compress}": expected zstd, gzip or none\n`;
    }
    return {
      executable: executable === undefined ? undefined : resolve(executable),
      compress,
      keep,
    };
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n\n${USAGE}`;
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function write(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  stream.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
