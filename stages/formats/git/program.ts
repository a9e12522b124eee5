/**
 * Runs git so that nothing but its arguments says what it does: an absolute program, an environment
 * made from nothing, no configuration of the system or the user, no hooks, no prompts, one protocol.
 * Long because all that git is told stands here, in one place to check.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { StageError } from "../../errors.ts";
import { shellWord } from "../shell.ts";
import { credentialsFor } from "./credentials.ts";
import { explainGit } from "./errors.ts";
import { makeFolder } from "./folder.ts";
import type { Remote } from "./remote.ts";

/** What git is run with. */
export interface GitSetting {
  readonly programs: Readonly<Record<string, string>>;
  /** A directory of ours that exists: git's home is an empty one in it. */
  readonly folder: string;
  readonly remote: Remote;
  /** Reference to `user:password`. */
  readonly credentials: string | undefined;
  readonly sshKey: string | undefined;
  readonly sshKnownHosts: string | undefined;
  /** Milliseconds without a sign of life after which git is ended. */
  readonly timeout: number;
  readonly signal: AbortSignal;
  /** Told whenever git says how far it is. */
  readonly alive: (() => void) | undefined;
}

/** What one call of git is given. */
export interface GitCall {
  /** The repository; `undefined` for what needs none. */
  readonly repository?: string;
  /** On top of what every call is configured with. */
  readonly configuration?: readonly string[];
  /** Pieces for its standard input. */
  readonly input?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Takes its standard output piece by piece; otherwise it is collected. */
  readonly output?: (bytes: Uint8Array) => Promise<void> | void;
}

/** How a call of git ended. */
export interface GitResult {
  readonly code: number;
  readonly output: string;
  /** The last of what it said. */
  readonly said: string;
}

/** Git, ready to be called. */
export class Git {
  readonly #setting: GitSetting;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #configuration: readonly string[];
  readonly #program: string;

  private constructor(
    setting: GitSetting,
    environment: Readonly<Record<string, string>>,
    configuration: readonly string[],
  ) {
    this.#setting = setting;
    this.#environment = environment;
    this.#configuration = configuration;
    this.#program = setting.programs["git"]!;
  }

  /** @throws {StageError} `stage-failed` without a program; when credentials cannot be read. */
  static async open(setting: GitSetting): Promise<Git> {
    const { programs, folder, remote } = setting;
    const wanted = remote.protocol === "ssh" ? ["git", "sh", "ssh"] : ["git", "sh"];
    const missing = wanted.find((name) => programs[name] === undefined);
    if (missing !== undefined) {
      throw new StageError("stage-failed", `Cannot run "${missing}": it is not in PATH`, {
        hint: `Install it, or name its directory in PATH`,
      });
    }
    const home = join(folder, "home");
    await makeFolder(home);
    const secret = await credentialsFor(setting.credentials, remote);
    const environment = { ...environmentOf(setting, home), ...secret.environment };
    return new Git(setting, environment, [...configurationOf(remote), ...secret.configuration]);
  }

  /** The remote, and what a remote command of git's needs besides. */
  get remote(): string {
    return this.#setting.remote.address;
  }

  /** Options that keep a repository on this machine from running its own hooks and programs. */
  serverSide(service: "upload-pack" | "receive-pack"): readonly string[] {
    if (this.#setting.remote.protocol !== "file") return [];
    const words = [this.#program, ...INERT_SERVER.flatMap((pair) => ["-c", pair]), service];
    return [`--${service}=${words.map(shellWord).join(" ")}`];
  }

  /** Runs git; an exit status of 0 or of `expected` is an answer, any other throws. */
  async call(
    args: readonly string[],
    call: GitCall = {},
    expected: readonly number[] = [],
  ): Promise<GitResult> {
    const result = await this.run(args, call);
    if (result.code === 0 || expected.includes(result.code)) return result;
    throw explainGit(result.said, this.#setting.remote, args[0]!);
  }

  /** Runs git to its end, whatever that is. */
  async run(args: readonly string[], call: GitCall = {}): Promise<GitResult> {
    const { signal, folder, timeout } = this.#setting;
    signal.throwIfAborted();
    const pairs = [...this.#configuration, ...call.configuration ?? []];
    const options = pairs.flatMap((pair) => ["-c", pair]);
    const repository = call.repository === undefined ? [] : [`--git-dir=${call.repository}`];
    const child = new Deno.Command(this.#program, {
      args: ["--no-pager", "--literal-pathspecs", ...options, ...repository, ...args],
      cwd: folder,
      clearEnv: true,
      env: { ...this.#environment },
      stdin: call.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      // A group of its own, so that what git starts can be ended with it. Older Denos have none.
      ...{ detached: Deno.build.os !== "windows" },
    }).spawn();
    let silent = false;
    let ending: Promise<void> | undefined;
    const end = () => ending ??= this.#kill(child);
    let watch: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => {
        silent = true;
        end();
      }, timeout);
    };
    alive();
    signal.addEventListener("abort", end);
    const parts: Uint8Array[] = [];
    const output = call.output ?? ((bytes) => void parts.push(bytes));
    const said = new Tail();
    try {
      const work = [
        call.input === undefined ? undefined : feed(child, call.input, alive),
        drain(child.stdout, async (bytes) => {
          alive();
          await output(bytes);
        }),
        drain(child.stderr, (bytes) => {
          alive();
          this.#setting.alive?.();
          said.add(bytes);
        }),
      ];
      for (const part of work) part?.catch(end);
      const outcomes = await Promise.allSettled(work);
      const { code } = await child.status;
      signal.throwIfAborted();
      if (silent) throw noSignOfLife(this.#setting);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      const text = new TextDecoder().decode(await new Blob(parts as BlobPart[]).arrayBuffer());
      return { code, output: text, said: said.text };
    } finally {
      clearTimeout(watch);
      signal.removeEventListener("abort", end);
      await ending;
    }
  }

  /** Ends git and all that it started. */
  async #kill(child: Deno.ChildProcess): Promise<void> {
    const { programs: { sh } } = this.#setting;
    if (sh !== undefined && Deno.build.os !== "windows") {
      await new Deno.Command(sh, {
        args: ["-c", 'kill -KILL "-$1"', "sh", String(child.pid)],
        clearEnv: true,
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output().catch(() => {});
    }
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** Everything that git, and what it starts, finds in its environment. */
function environmentOf(setting: GitSetting, home: string): Record<string, string> {
  const { programs, folder, remote } = setting;
  const places = Object.values(programs).map(dirname);
  const isWindows = Deno.build.os === "windows";
  return {
    PATH: [...new Set([...places, ...isWindows ? [] : ["/usr/bin", "/bin"]])].join(
      isWindows ? ";" : ":",
    ),
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_SYSTEM: "/dev/null",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_CEILING_DIRECTORIES: folder,
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    SSH_ASKPASS_REQUIRE: "never",
    GIT_ALLOW_PROTOCOL: remote.protocol,
    GIT_PROTOCOL_FROM_USER: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_NO_LAZY_FETCH: "1",
    GIT_OPTIONAL_LOCKS: "0",
    ...remote.protocol === "ssh" && sshEnvironment(setting),
    ...isWindows && inherited("SystemRoot"),
  };
}

function sshEnvironment({ programs, sshKey, sshKnownHosts }: GitSetting): Record<string, string> {
  // In ssh's own options, quotes hold spaces and a percent sign begins a token.
  const path = (written: string) => `"${written.replaceAll("%", "%%")}"`;
  const options = [
    "BatchMode=yes",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    ...sshKey === undefined ? [] : [`IdentityFile=${path(sshKey)}`, "IdentitiesOnly=yes"],
    ...sshKnownHosts === undefined
      ? []
      : [`UserKnownHostsFile=${path(sshKnownHosts)}`, "StrictHostKeyChecking=yes"],
  ];
  const words = [programs["ssh"]!, ...options.flatMap((option) => ["-o", option])];
  return {
    GIT_SSH_COMMAND: words.map(shellWord).join(" "),
    GIT_SSH_VARIANT: "ssh",
    ...inherited(SSH_AGENT),
  };
}

/** The one variable that ssh needs of the user's: where the agent listens. */
export const SSH_AGENT = "SSH_AUTH_SOCK";

function inherited(name: string): Record<string, string> {
  const value = Deno.env.get(name);
  return value === undefined ? {} : { [name]: value };
}

function configurationOf({ protocol }: Remote): readonly string[] {
  return [
    ...INERT,
    `protocol.${protocol}.allow=always`,
    "http.followRedirects=false",
    "http.proxy=",
    "http.cookieFile=",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "push.gpgSign=false",
    "push.followTags=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "transfer.bundleURI=false",
    // The clone can be made again at any time: no effort for power cuts or for looks.
    "core.fsync=none",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.unpackLimit=1",
    "fastimport.unpackLimit=0",
    // What is large is not held in memory, nor searched for what it has in common with others.
    "core.bigFileThreshold=1m",
  ];
}

/** Switches off whatever would start programs. */
const INERT: readonly string[] = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.attributesFile=/dev/null",
  "core.excludesFile=/dev/null",
  "core.alternateRefsCommand=true",
  "core.askPass=",
  "core.gitProxy=",
  "credential.helper=",
  "credential.interactive=false",
  "protocol.allow=never",
  "protocol.version=2",
];

/** The same for a repository on this machine, whose own configuration is not ours. */
const INERT_SERVER: readonly string[] = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.alternateRefsCommand=true",
  // Git's usual answer. To update a work tree runs the filters that are configured there.
  "receive.denyCurrentBranch=refuse",
  // What is confirmed outlasts a power cut: by itself git flushes packs alone.
  "core.fsync=all",
  "receive.autogc=false",
  "gc.auto=0",
  "maintenance.auto=false",
];

async function feed(
  child: Deno.ChildProcess,
  input: NonNullable<GitCall["input"]>,
  alive: () => void,
): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    for await (const bytes of input) {
      alive();
      try {
        await writer.write(bytes);
      } catch {
        break; // It has ended, and says why itself.
      }
    }
    await writer.close().catch(() => {});
  } catch (error) {
    await writer.abort().catch(() => {});
    throw error;
  }
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  take: (bytes: Uint8Array) => Promise<void> | void,
): Promise<void> {
  for await (const bytes of stream) await take(bytes);
}

/** The end of a long text. */
class Tail {
  static readonly #KEPT = 16_384;
  readonly #decoder = new TextDecoder();
  #text = "";

  add(bytes: Uint8Array): void {
    this.#text = (this.#text + this.#decoder.decode(bytes, { stream: true })).slice(-Tail.#KEPT);
  }

  get text(): string {
    return this.#text;
  }
}

function noSignOfLife({ remote, timeout }: GitSetting): StageError {
  return new StageError(
    "destination-unreachable",
    `Cannot reach "${remote.address}": git gave no sign of life for ${timeout / 1000} s`,
    { hint: "Try again later, or give it more time with timeout" },
  );
}
