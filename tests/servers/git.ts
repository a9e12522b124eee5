/**
 * Git servers on 127.0.0.1: stock `sshd`, and `git http-backend` behind basic authentication. Both
 * serve bare repositories in a temporary directory, and are gone with it.
 *
 * @module
 */
import { join } from "node:path";
import { git, hasGit, works } from "../stages/git_harness.ts";
import { freePort } from "./free_port.ts";
import { startWithin } from "./start_limit.ts";

/** Why there is no server by http: the end of a test's name; empty where there is one. */
export const unlessHttpGit: string = hasGit ? "" : " (ignored: there is no git)";

/** The same for ssh. */
export const unlessSshGit: string = hasGit && sshdAt() !== undefined && works("ssh", "-V")
  ? ""
  : " (ignored: there is no sshd; install openssh-server)";

/** A server that is running. */
export interface GitServer extends AsyncDisposable {
  readonly port: number;
  /** Makes a bare repository; answers where it lies. */
  makeRepository(): string;
  /** What the `git` destination is configured with to reach one, perhaps at another port. */
  optionsFor(bare: string, port?: number): Record<string, string>;
  /** The same for somebody who may not come in. */
  strangeOptionsFor(bare: string): Record<string, string>;
  /** Ends the server. What is stored stays, for {@linkcode GitServer.resume}. */
  pause(): Promise<void>;
  /** Starts it again, at the same port. */
  resume(): Promise<void>;
}

/** Serves repositories by http. */
export function startHttpGit(): GitServer {
  const folder = makeFolder();
  const [user, password] = ["keeper", `canary-${crypto.randomUUID()}`];
  const want = `Basic ${btoa(`${user}:${password}`)}`;
  const credentials = join(folder, "credentials");
  const strange = join(folder, "strange");
  Deno.writeTextFileSync(credentials, `${user}:${password}\n`, { mode: 0o600 });
  Deno.writeTextFileSync(strange, `${user}:canary-wrong\n`, { mode: 0o600 });
  const listen = (port: number) =>
    Deno.serve({
      hostname: "127.0.0.1",
      port,
      onListen() {},
      onError: () => new Response("broken", { status: 500 }),
    }, (request) => {
      if (request.headers.get("authorization") === want) return answer(request, folder, user);
      const headers = { "www-authenticate": 'Basic realm="git"' };
      return new Response("Who are you?\n", { status: 401, headers });
    });
  let server = listen(0);
  const { port } = server.addr;
  const remoteOf = (bare: string, at = port) =>
    `http://127.0.0.1:${at}/${bare.slice(folder.length + 1)}`;
  return {
    port,
    makeRepository: () => makeRepository(folder),
    pause: () => server.shutdown(),
    resume() {
      server = listen(port);
      return Promise.resolve();
    },
    optionsFor: (bare, at) => ({
      remote: remoteOf(bare, at),
      credentials: `file:${credentials}`,
    }),
    strangeOptionsFor: (bare) => ({ remote: remoteOf(bare), credentials: `file:${strange}` }),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * Serves repositories by ssh, with host keys and users' keys of its own.
 *
 * @param old Whether it hears nothing of the newer protocol, as with an sshd that nobody configured.
 */
export async function startSshGit(old = false): Promise<GitServer> {
  const folder = makeFolder();
  for (const name of ["host_key", "id", "strange"]) {
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", join(folder, name));
  }
  await Deno.copyFile(join(folder, "id.pub"), join(folder, "authorized_keys"));
  // sshd insists on this directory when it is root's.
  if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const user = run("id", "-un").trim();
  for (let attempt = 0;; attempt++) {
    const port = freePort();
    const first = await startSshd(folder, port, old);
    if (first === undefined && attempt < 5) continue; // Somebody else has that port by now.
    if (first === undefined) throw new Error("Cannot start sshd");
    let server = first;
    const stop = async () => {
      server.kill("SIGTERM");
      await server.status;
    };
    const [kind, key] = (await Deno.readTextFile(join(folder, "host_key.pub"))).split(" ");
    const known = join(folder, "known_hosts");
    await Deno.writeTextFile(known, `* ${kind} ${key}\n`);
    const optionsWith = (bare: string, at: number, name: string) => ({
      remote: `ssh://${user}@127.0.0.1:${at}${bare}`,
      ssh_key: join(folder, name),
      ssh_known_hosts: known,
    });
    return {
      port,
      makeRepository: () => makeRepository(folder),
      optionsFor: (bare, at = port) => optionsWith(bare, at, "id"),
      strangeOptionsFor: (bare) => optionsWith(bare, port, "strange"),
      pause: stop,
      async resume() {
        const again = await startSshd(folder, port, old);
        if (again === undefined) throw new Error("Cannot start sshd again");
        server = again;
      },
      async [Symbol.asyncDispose]() {
        await stop();
        await Deno.remove(folder, { recursive: true });
      },
    };
  }
}

/** What a program is started by to end with its parent, where the system has it. */
const WITH_PARENT: readonly string[] = works("setpriv", "--version")
  ? ["setpriv", "--pdeathsig", "KILL"]
  : [];

async function startSshd(
  folder: string,
  port: number,
  old: boolean,
): Promise<Deno.ChildProcess | undefined> {
  const config = join(folder, "sshd_config");
  const lines = [
    "ListenAddress 127.0.0.1",
    `Port ${port}`,
    `HostKey ${join(folder, "host_key")}`,
    "PidFile none",
    `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "UsePAM no",
    "PermitRootLogin prohibit-password",
    "StrictModes no",
    ...old ? [] : ["AcceptEnv GIT_PROTOCOL"],
    // What the user's own shell would read first is not what is tested, and takes its time; so does
    // the key exchange that withstands quantum computers.
    `SetEnv HOME=${folder}`,
    "PermitUserRC no",
    "KexAlgorithms curve25519-sha256",
    "MaxStartups 100",
  ];
  await Deno.writeTextFile(config, `${lines.join("\n")}\n`);
  // It ends with this program, also when this one is killed.
  const [program, ...args] = [...WITH_PARENT, sshdAt()!, "-D", "-e", "-f", config];
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const listening = Promise.withResolvers<boolean>();
  void (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stderr) {
      said = (said + decoder.decode(bytes, { stream: true })).slice(-10_000);
      if (said.includes("Server listening")) listening.resolve(true);
    }
    listening.resolve(false);
  })();
  const isUp = await startWithin("sshd", listening.promise).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  if (isUp) return child;
  await child.status;
  return undefined;
}

/** Hands a request to git's own program for it, which speaks CGI. */
async function answer(request: Request, folder: string, user: string): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const header = (name: string) => request.headers.get(name) ?? "";
  // Not by way of git: what git starts goes on when git is ended.
  const child = new Deno.Command(join(git("--exec-path").trim(), "git-http-backend"), {
    env: {
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      REMOTE_USER: user,
      REMOTE_ADDR: "127.0.0.1",
      SERVER_PROTOCOL: "HTTP/1.1",
      CONTENT_TYPE: header("content-type"),
      HTTP_CONTENT_ENCODING: header("content-encoding"),
      GIT_PROTOCOL: header("git-protocol"),
      ...request.headers.has("content-length") && { CONTENT_LENGTH: header("content-length") },
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  void feed(child, request);
  const reader = child.stdout.getReader();
  let held = new Uint8Array(0);
  let end = -1;
  while (end < 0) {
    const { value, done } = await reader.read();
    if (done) return new Response("no answer", { status: 502 });
    held = new Uint8Array([...held, ...value]);
    end = new TextDecoder("latin1").decode(held).indexOf("\r\n\r\n");
  }
  const lines = new TextDecoder().decode(held.subarray(0, end)).split("\r\n");
  const headers = new Headers(
    lines.map((line): [string, string] => {
      const [name, ...value] = line.split(": ");
      return [name!, value.join(": ")];
    }),
  );
  const status = Number.parseInt(headers.get("status") ?? "200");
  headers.delete("status");
  const rest = held.subarray(end + 4);
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => void (rest.length > 0 && controller.enqueue(rest)),
    async pull(controller) {
      const { value, done } = await reader.read();
      if (!done) return controller.enqueue(value);
      controller.close();
      await child.status;
    },
    async cancel() {
      child.kill();
      await reader.cancel();
      await child.status;
    },
  });
  return new Response(body, { status, headers });
}

/** Hands the body on. A program that gets less than was announced would wait for the rest for ever. */
async function feed(child: Deno.ChildProcess, request: Request): Promise<void> {
  const writer = child.stdin.getWriter();
  let left = Number(request.headers.get("content-length") ?? 0);
  try {
    for await (const bytes of request.body ?? []) {
      await writer.write(bytes);
      left -= bytes.length;
    }
    if (left <= 0) return await writer.close();
  } catch {
    // Whoever sent it is gone, or the program is.
  }
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function makeFolder(): string {
  return Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-server-" }));
}

function makeRepository(folder: string): string {
  const bare = join(folder, crypto.randomUUID(), "repo.git");
  git("init", "--quiet", "--bare", "--initial-branch=main", bare);
  return bare;
}

function sshdAt(): string | undefined {
  return ["/usr/sbin/sshd", "/usr/bin/sshd"].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

function run(program: string, ...args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
