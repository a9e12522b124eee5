/**
 * Runs a scheduler's own programs.
 *
 * @module
 */

/** How a program ended. */
export interface Ended {
  readonly status: number;
  readonly out: string;
  /** The same, as it came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What it said on standard error, trimmed. */
  readonly said: string;
}

/** What a program gets. */
export interface RunOptions {
  /** For standard input. */
  readonly input?: string | Uint8Array<ArrayBuffer>;
  /** All that it gets to see; left out: what this program sees. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. */
export async function run(
  [program, ...words]: readonly [string, ...string[]],
  { input = "", environment, cwd, signal }: RunOptions = {},
): Promise<Ended> {
  const command = new Deno.Command(program, {
    args: words,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...(cwd !== undefined && { cwd }),
    ...(signal && { signal }),
    ...(environment && { env: environment, clearEnv: true }),
  });
  const child = command.spawn();
  const writer = child.stdin.getWriter();
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const writing = writer.write(bytes).then(() => writer.close());
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    writing.catch(() => {}), // It may end without reading: its status tells.
  ]);
  const decoder = new TextDecoder();
  const [out, said] = [decoder.decode(stdout), decoder.decode(stderr).trim()];
  return { status: code, out, bytes: new Uint8Array(stdout), said };
}
