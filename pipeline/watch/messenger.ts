/**
 * What goes out: one request to one host, or one start of one program. Runs in a worker that may do
 * that and nothing else: it can read no file, and what it tells is all that it was given.
 *
 * @module
 */
// @ts-types="../../tools/std/retry.d.ts"
import { retry } from "@std/async/retry";
import { BackupError, FAILURES, isDenied, stateOf } from "../../stages/errors.ts";
import { type Request, statusOf } from "./request.ts";

/** Something to send. Times are in milliseconds. */
export type Message =
  & {
    /** How long one attempt may take. */
    readonly timeout: number;
    readonly attempts: number;
    /** Before the second attempt; before each further one, twice as long. */
    readonly pause: number;
  }
  & (
    | (Request & { readonly kind: "http" })
    | {
      readonly kind: "program";
      readonly program: string;
      readonly words: readonly string[];
      readonly input: string;
      readonly environment: Readonly<Record<string, string>>;
      /** The shell that ends what the program started; `undefined` where there is none. */
      readonly shell: string | undefined;
    }
  );

/** Where this module is: a worker is made of it. */
export const ADDRESS = import.meta.url;

/** As a worker serves it. */
export default { run: ({ message }: { readonly message: Message }) => send(message) };

/**
 * Sends.
 *
 * @throws {BackupError} `destination-unreachable`, `destination-refused`. Never tells more of an
 *   address than its host.
 */
export async function send(message: Message): Promise<void> {
  const { attempts, pause } = message;
  const attempt = () => message.kind === "http" ? request(message) : start(message);
  try {
    await retry(attempt, {
      maxAttempts: attempts,
      minTimeout: pause,
      isRetriable: (error) => error instanceof BackupError && FAILURES[error.code].retry,
    });
  } catch (error) {
    throw error instanceof Error && error.name === "RetryError" ? error.cause : error;
  }
}

async function request(
  { url, method, headers, body, timeout }: Message & { readonly kind: "http" },
): Promise<void> {
  const { host } = new URL(url);
  let status: number;
  try {
    status = await statusOf({ url, method, headers, body }, timeout);
  } catch (error) {
    throw refusal("destination-unreachable", host, reasonOf(error, timeout));
  }
  if (status >= 200 && status < 300) return;
  const passes = status >= 500 || status === 429 || status === 408;
  const leads = status >= 300 && status < 400 ? ", which leads elsewhere" : "";
  const code = passes ? "destination-unreachable" : "destination-refused";
  throw refusal(code, host, `it answers with status ${status}${leads}`);
}

/** What the runtime says of a connection may hold more of an address than is to be told. */
function reasonOf(error: unknown, timeout: number): string {
  const { name, message } = error as Error;
  if (name === "TimeoutError") return `it did not answer within ${timeout / 1000} s`;
  if (/refused/i.test(message)) return "the connection was refused";
  if (/dns|lookup|resolve/i.test(message)) return "its name cannot be looked up";
  if (/certificate/i.test(message)) return "its certificate is not trusted";
  if (/corrupt message|handshake/i.test(message)) return "it does not speak TLS as is needed";
  if (/answer as HTTP/.test(message)) return "it does not answer as HTTP has it";
  return "it cannot be reached";
}

async function start(message: Message & { readonly kind: "program" }): Promise<void> {
  const { program, words, input, environment, timeout } = message;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...words],
      clearEnv: true, // All of it stands in `env`: Deno hands on no LD_* where a grant is narrow.
      env: { ...environment },
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      // A group of its own, so that what it starts can be ended with it.
      detached: Deno.build.os !== "windows",
    }).spawn();
  } catch (cause) {
    throw new BackupError("destination-refused", `Cannot start "${program}": ${state(cause)}`);
  }
  let ending: Promise<void> | undefined;
  const late = setTimeout(() => ending = end(child, message), timeout);
  try {
    // A program that does not care for its input may have ended before it has all of it.
    const fed = new Response(input).body!.pipeTo(child.stdin).catch(() => {});
    const { success, code, signal } = await child.status;
    await ending;
    if (ending !== undefined) {
      const state = `it did not end within ${timeout / 1000} s, and was ended`;
      throw new BackupError("destination-refused", `Cannot tell "${program}": ${state}`);
    }
    await fed;
    if (success) return;
    const end = signal === null ? `it ended with status ${code}` : `it was ended by ${signal}`;
    throw new BackupError("destination-refused", `Cannot tell "${program}": ${end}`);
  } finally {
    clearTimeout(late);
  }
}

/** Ends a program and all that it started. Deno itself ends no groups, unless it may end anything. */
async function end(
  child: Deno.ChildProcess,
  { shell }: Message & { readonly kind: "program" },
): Promise<void> {
  if (shell !== undefined) {
    await new Deno.Command(shell, {
      args: ["-c", 'kill -KILL "-$1"', "sh", String(child.pid)],
      clearEnv: true,
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).output().catch(() => {});
  }
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

function state(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such program, or none that its first line names";
  }
  if (isDenied(error)) return "its worker may not do so";
  return stateOf(error, { E2BIG: "what it is to be told is too long for this system" });
}

function refusal(
  code: "destination-unreachable" | "destination-refused",
  host: string,
  state: string,
): BackupError {
  return new BackupError(code, `Cannot tell "${host}": ${state}`);
}
