/**
 * Who is told: each address and program with the one worker that may reach it.
 *
 * @module
 */
import type { Grants } from "../../stages/contract.ts";
import { BackupError } from "../../stages/errors.ts";
import type { Hook, Watch } from "../config/pipeline.ts";
import { findPrograms } from "../programs.ts";
import { referenceOf } from "../redact.ts";
import { StageWorker } from "../worker/host.ts";
import type { Message } from "./messenger.ts";
import type { Notice } from "./notice.ts";
import { authorizationOf, jsonOf, postOf, wordsOf } from "./shapes.ts";

/** How long an attempt may take, how many there are, and the pause before the second. Milliseconds. */
export interface Patience {
  readonly timeout: number;
  readonly attempts: number;
  readonly pause: number;
}

/** An address that does not answer is given half a minute, and the run does not wait longer. */
const PATIENCE: Patience = { timeout: 10_000, attempts: 3, pause: 1000 };

/** Somebody who is told. */
export interface Channel {
  /** The same from run to run, and without a secret. */
  readonly id: string;
  /** @throws {BackupError} Whatever keeps it from being told. */
  tell(notice: Notice): Promise<void>;
}

/** Everybody whom a pipeline has told of failures. */
export async function channelsOf(
  { alerts, command }: Watch,
  patience: Patience = PATIENCE,
): Promise<Channel[]> {
  const hooks = alerts.map(async (hook): Promise<Channel> => ({
    id: await idOf(`${hook.shape ?? ""} ${hook.address}`),
    tell: (notice) => tellHook(hook, notice, patience),
  }));
  const programs = command === undefined ? [] : [
    (async (): Promise<Channel> => ({
      id: await idOf(`command ${JSON.stringify(command)}`),
      tell: (notice) => tellProgram(command, notice, patience),
    }))(),
  ];
  return await Promise.all([...hooks, ...programs]);
}

/** Asks for a heartbeat's address: as it is when all is well, else with an ending of its path. */
export async function beat(
  heartbeat: string,
  ending: "" | "/start" | "/fail",
  patience: Patience = PATIENCE,
): Promise<void> {
  const url = addressOf(heartbeat);
  const headers = authorizationOf(url);
  url.username = url.password = url.hash = "";
  url.pathname = url.pathname.replace(/\/$/, "") + ending;
  const message = { kind: "http", url: url.href, method: "GET", headers, body: undefined } as const;
  await dispatch({ ...message, ...patience }, { net: [hostOf(url)] });
}

/** What the worker may touch that reaches an address: its host, and nothing else. */
export function grantsFor(hook: string): Grants {
  return { net: [hostOf(addressOf(hook))] };
}

/**
 * The address that is meant.
 *
 * @throws {BackupError} `usage` when there is none where it should stand.
 */
export function addressOf(written: string): URL {
  const read = referenceOf(written, Deno.env);
  let text: string | undefined = written;
  try {
    if (read !== undefined) text = read();
  } catch {
    text = undefined;
  }
  const where = read === undefined ? "the address in the pipeline file" : `"${written}"`;
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  const state = text === undefined || text === ""
    ? "nothing stands there"
    : "what stands there is no http or https address";
  throw new BackupError("usage", `Cannot tell anybody at ${where}: ${state}`, {
    hint: "Put the address there, or name another place",
  });
}

async function tellHook(hook: Hook, notice: Notice, patience: Patience): Promise<void> {
  const address = addressOf(hook.address);
  const post = postOf(notice, address, hook.shape);
  await dispatch({ kind: "http", method: "POST", ...post, ...patience }, {
    net: [hostOf(address)],
  });
}

async function tellProgram(
  [name = "", ...words]: readonly string[],
  notice: Notice,
  patience: Patience,
): Promise<void> {
  const program = /[/\\]/.test(name) ? name : findPrograms([name])[name];
  if (program === undefined) {
    throw new BackupError("usage", `Cannot start "${name}": it is not in PATH`, {
      hint: "Write its whole path",
    });
  }
  const all = [...words, ...wordsOf(notice)];
  const input = `${JSON.stringify(jsonOf(notice))}\n`;
  const environment = environmentFor(Deno.env.toObject());
  const message = { kind: "program", program, words: all, input, environment } as const;
  await dispatch({ ...message, shell: findShell(), ...patience }, grantsForProgram(program));
}

/** What the worker may start that starts a program: that, and the shell that ends it when it hangs. */
export function grantsForProgram(program: string): Grants {
  const shell = findShell();
  return { run: [...new Set([program, ...shell === undefined ? [] : [shell]])] };
}

function findShell(): string | undefined {
  return Deno.build.os === "windows" ? undefined : findPrograms(["sh"])["sh"];
}

/** Variables that put other code into a program: Deno starts none with them for a narrow grant. */
function environmentFor(all: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !/^(LD|DYLD)_/i.test(name)));
}

async function dispatch(message: Message, grants: Grants): Promise<void> {
  const { ADDRESS } = await import("./messenger.ts");
  using worker = new StageWorker(ADDRESS, grants);
  await worker.call({ operation: "run", context: { message } });
}

/** As Deno's permissions have it: a grant without a port would be one for all of them. */
function hostOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? "443" : "80")}`;
}

async function idOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(
    new Uint8Array(hash).subarray(0, 8),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}
