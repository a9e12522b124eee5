/**
 * Runs a few lines in a worker, or in a process of their own, to see what Deno lets them do.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** The eight keys, all denied: what a stage starts from. */
export const NOTHING: Required<Deno.PermissionOptionsObject> = {
  env: false,
  ffi: false,
  import: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};

/** What came of it: an answer, or the error's name, or what the error says where that tells more. */
export type Outcome<T> = { readonly answer: T } | { readonly error: string; readonly says: string };

/**
 * Runs `code` in a worker. It is sent as text, so it must not use anything from outside of it.
 *
 * @param permissions `undefined` is a case of its own, and not the same as nothing.
 */
export async function probe<T, A extends readonly unknown[]>(
  permissions: Deno.PermissionOptions | undefined,
  code: (...args: A) => T | Promise<T>,
  ...args: A
): Promise<Outcome<T>> {
  const worker = new Worker(new URL("./probe_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: permissions! },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Outcome<T>>();
  worker.addEventListener("message", ({ data }: MessageEvent<Outcome<T>>) => resolve(data));
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  });
  worker.postMessage({ code: code.toString(), args });
  return await within(promise, () => worker.terminate()).finally(() => worker.terminate());
}

/** How a process ended. */
export interface Ending {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a process of Deno's that runs `code`, which prints with `console.log`. */
export function spawn(
  code: string,
  { flags = ["-A", "--unstable-worker-options"], args = [], env = {}, prefix = [] }: {
    readonly flags?: readonly string[];
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    /** A program that starts Deno in its turn. */
    readonly prefix?: readonly string[];
  } = {},
): Deno.ChildProcess {
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  const [program, ...rest] = [
    ...prefix,
    Deno.execPath(),
    ...["run", "--quiet", "--no-config", "--no-lock", "--no-prompt", ...flags, url, ...args],
  ];
  return new Deno.Command(program!, {
    args: rest,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits for a process to end. */
export async function ending(process: Deno.ChildProcess): Promise<Ending> {
  const kill = () => process.kill("SIGKILL");
  const { code, signal, stdout, stderr } = await within(process.output(), kill);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** Far longer than anything here takes: what goes past it would never end. */
const DEADLINE_MS = 30_000;

/** Waits for what may never come; after the deadline, `stop` is called and the wait fails. */
export async function within<T>(promise: Promise<T>, stop: () => void): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    stop();
    reject(new Error(`Nothing came within ${DEADLINE_MS / 1000} s`));
  }, DEADLINE_MS);
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Code that makes a worker of `code` with no permission at all, as `worker`. */
export function workerSource(code: string): string {
  return `const worker = new Worker(
    "data:text/javascript,${encodeURIComponent(code).replaceAll("'", "%27")}",
    { type: "module", deno: { permissions: ${JSON.stringify(NOTHING)} } },
  );\n`;
}

/** Whether a program can be started here. */
export async function works(program: string, ...args: readonly string[]): Promise<boolean> {
  const command = new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" });
  return await command.output().then(({ success }) => success, () => false);
}

/** A folder that is gone when the test is over, under its true name. */
export class Folder {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-platform-" }));

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The root of the project. */
export const PROJECT: string = fileURLToPath(new URL("../..", import.meta.url));
