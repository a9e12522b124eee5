/**
 * Kills the program at a system call of its own choice.
 *
 * @module
 */
import { within } from "../platform/probe.ts";
import type { Sandbox } from "./harness.ts";

/** What to look at, and when it is enough. */
export interface Killing {
  /** System calls, with commas between them. */
  readonly calls: string;
  /** Microseconds that each of them takes longer: the kill comes before the next one. */
  readonly delay: number;
  /** Tells which of them count, by how `strace` writes them. Left out, all do. */
  readonly counts?: (call: string) => boolean;
  /** It is killed after so many. */
  readonly after: number;
}

/** How that went. */
export interface Killed {
  /** The calls that counted, until it was killed. */
  readonly seen: readonly string[];
  /** 137 when it was killed before its end. */
  readonly code: number;
}

/**
 * Runs the program, slowed down at some calls, and kills it after so many of them. `strace` can do so
 * itself, but counts every thread for itself.
 */
export async function killAt(
  sandbox: Sandbox,
  words: readonly string[],
  { calls, delay, counts = () => true, after }: Killing,
): Promise<Killed> {
  const faults = ["-e", `trace=${calls}`, "-e", `inject=${calls}:delay_exit=${delay}`];
  const shell = ["sh", "-c", 'echo "process $$" >&2; exec "$0" "$@"'];
  const child = sandbox.start(words, ["strace", "-f", "-qq", "--seccomp-bpf", ...faults, ...shell]);
  const seen: string[] = [];
  const watch = async () => {
    let pid = 0;
    let rest = "";
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        pid ||= Number(/^process (\d+)$/.exec(line)?.[1] ?? 0);
        const [call] = /\b[a-z]+\(.*/.exec(line) ?? [];
        if (call === undefined || seen.length >= after || !counts(call)) continue;
        if (seen.push(call) === after) Deno.kill(pid, "SIGKILL");
      }
    }
    await child.stdout.cancel();
    return (await child.status).code;
  };
  const code = await within(watch(), () => child.kill("SIGKILL"));
  return { seen, code };
}
