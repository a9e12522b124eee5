/**
 * The git destination over networks that fail, by http and by ssh: cut anywhere, cut short, silent,
 * and with other answers than the server's. Whatever happens, nothing is reported as stored that a
 * fresh clone cannot bring back, and the next attempt sets everything right.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { BackupError } from "../../stages/errors.ts";
import { type Direction, type Fault, FaultProxy, type Traffic } from "../servers/fault_proxy.ts";
import {
  type GitServer,
  startHttpGit,
  startSshGit,
  unlessHttpGit,
  unlessSshGit,
} from "../servers/git.ts";
import { git, GitPlace } from "../stages/git_harness.ts";

const SLOW = Deno.env.get("KEEPSAKE_SLOW") === "1";
/** Cut points for each verb, half of them on each way. */
const POINTS = SLOW ? 128 : 32;

/** What goes wrong there, in turn. */
const FAULTS = [{ kind: "cut" }, { kind: "truncate" }, { kind: "delay", ms: 30 }] as const;

/** How long git may be silent where nothing is wrong. */
const PATIENCE = "60s";

const SERVERS: Readonly<
  Record<string, { unless: string; start(): GitServer | Promise<GitServer> }>
> = {
  http: { unless: unlessHttpGit, start: startHttpGit },
  ssh: { unless: unlessSshGit, start: startSshGit },
};

/** What is done to a place while its network fails, and what must hold then. */
interface Verb {
  /** Makes ready; what it answers, `act` is given. */
  prepare(bench: Bench): Promise<string>;
  act(bench: Bench, name: string): Promise<void>;
  /** When `act` said that all went well. */
  check(bench: Bench, name: string): Promise<void>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  store: {
    prepare: (bench) => Promise.resolve(bench.nextName()),
    act: (bench, name) => bench.store(name),
    check: (bench, name) => Promise.resolve(bench.assertStored(name)),
  },
  list: {
    async prepare(bench) {
      // All of it has to come over the network.
      await Deno.remove(bench.place.folder, { recursive: true }).catch(() => {});
      return bench.first;
    },
    async act(bench, name) {
      const keys = (await bench.place.list()).map((line) => line.split(" ")[0]!);
      for (const key of keysOf(name)) assert.ok(keys.includes(key), key);
      assert.equal(keys.length, bench.stored.size * 2);
    },
    check: () => Promise.resolve(),
  },
  fetch: {
    prepare: (bench) => Promise.resolve(bench.first),
    async act(bench, name) {
      const [archive] = keysOf(name);
      const bytes = await bench.place.fetch(archive!);
      assert.deepEqual(bytes, new Uint8Array(bench.stored.get(name)!));
    },
    check: () => Promise.resolve(),
  },
  remove: {
    async prepare(bench) {
      const name = bench.nextName();
      bench.proxy.arm();
      await bench.store(name);
      return name;
    },
    act: (bench, name) => bench.place.remove(keysOf(name)),
    check(bench, name) {
      bench.stored.delete(name);
      const there = bench.place.git("ls-tree", "-r", "--name-only", "main").split("\n");
      assert.deepEqual(there.filter((path) => keysOf(name).includes(path)), []);
      return Promise.resolve();
    },
  },
};

for (const [protocol, { unless, start }] of Object.entries(SERVERS)) {
  Deno.test({
    name: `git by ${protocol} tells the truth, wherever the network fails${unless}`,
    ignore: unless !== "",
    async fn(t) {
      await using server = await start();
      const steps = Object.entries(VERBS).map(([verb, rules]) => ({
        name: `${verb} is cut, cut short or held up at ${POINTS} points`,
        async fn() {
          await using bench = await Bench.make(server);
          const traffic = await bench.measure(rules);
          for (let point = 0; point < POINTS; point++) {
            const direction: Direction = point % 2 === 0 ? "up" : "down";
            const fault = FAULTS[Math.floor(point / 2) % FAULTS.length]!;
            let after = Math.floor(traffic[direction] * (point + 0.5) / POINTS);
            // What ssh sends is not always as long: where it ended before, a little earlier.
            while (!(await bench.attempt(rules, { ...fault, direction, after })).fired) {
              after = Math.floor(after * 0.97);
            }
          }
          bench.assertAllThere();
        },
      }));
      steps.push({
        name: "a server that falls silent is given up",
        async fn() {
          await using bench = await Bench.make(server);
          const { up } = await bench.measure(VERBS["store"]!);
          for (const after of SLOW ? [0, up / 4, up / 2, up * 3 / 4] : [up / 2]) {
            const fault: Fault = { kind: "delay", ms: Infinity, direction: "up", after };
            const error = await bench.assertHonest(VERBS["store"]!, fault, "2s");
            assert.match(error!.message, /no sign of life for 2 s/);
            // Git was ended, and whatever it had started.
            assert.deepEqual(await programsWith(`127.0.0.1:${bench.proxy.port}/`), []);
          }
          bench.assertAllThere();
        },
      });
      // All at once: most of their time they wait.
      const unguarded = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
      const passed = await Promise.all(steps.map((step) => t.step({ ...step, ...unguarded })));
      assert.ok(passed.every(Boolean));
    },
  });
}

/** Answers in the server's place, and how each is told. */
const ANSWERS: readonly (readonly [number, Readonly<Record<string, string>>, RegExp])[] = [
  [429, { "retry-after": "1" }, /429/],
  [500, {}, /500/],
  [502, {}, /502/],
  [503, { "retry-after": "1" }, /503/],
  [403, {}, /does not take the credentials/],
  [404, {}, /no such repository/],
  [200, { "content-type": "text/html" }, /./],
  [204, {}, /./],
];

Deno.test({
  name: `git by http: other answers than the server's are failures, and are told${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    await using bench = await Bench.make(server);
    const verbs = SLOW ? Object.values(VERBS) : [VERBS["store"]!];
    for (const rules of verbs) {
      const { requests } = await bench.measure(rules);
      const places = SLOW ? requests.map((_, index) => index) : [1, requests.length - 1];
      for (const [index, [status, headers, words]] of ANSWERS.entries()) {
        const request = SLOW ? places : [places[index % places.length]!];
        for (const at of request) {
          const body = "<html>Log in</html>";
          const fault: Fault = { kind: "answer", request: at, times: 9, status, headers, body };
          const error = await bench.assertHonest(rules, fault);
          assert.match(error?.message ?? "", words);
        }
      }
    }
    bench.assertAllThere();
  },
});

Deno.test({
  name: `git by http: no redirect is followed, and no secret goes to another host${unlessHttpGit}`,
  ignore: unlessHttpGit !== "",
  async fn() {
    await using server = startHttpGit();
    await using bench = await Bench.make(server);
    const seen: string[] = [];
    await using other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      seen.push(`${request.url} ${request.headers.get("authorization")}`);
      return new Response("", { status: 401, headers: { "www-authenticate": "Basic realm=x" } });
    });
    for (const status of [301, 302, 307, 308]) {
      const location =
        `http://127.0.0.1:${other.addr.port}/x.git/info/refs?service=git-upload-pack`;
      const fault: Fault = { kind: "answer", times: 9, status, headers: { location } };
      const error = await bench.assertHonest(VERBS["store"]!, fault);
      assert.equal(error?.code, "destination-refused");
    }
    assert.deepEqual(seen, []);
  },
});

Deno.test({
  name: `git by http: no secret is in an argument, an address or a file of ours${unlessHttpGit}`,
  ignore: unlessHttpGit !== "" || Deno.build.os !== "linux",
  async fn() {
    await using server = startHttpGit();
    await using bench = await Bench.make(server);
    const { up } = await bench.measure(VERBS["store"]!);
    const found: string[] = [];
    bench.proxy.arm({ kind: "delay", ms: Infinity, direction: "up", after: Math.floor(up / 2) });
    bench.place.options = { ...bench.place.options, timeout: "2s" };
    const storing = bench.store(bench.nextName()).catch((error) => error as BackupError);
    let over = false;
    void storing.then(() => over = true);
    let looks = 0;
    while (!over) {
      found.push(...await lookForSecret());
      looks++;
    }
    assert.ok(looks > 0);
    const error = await storing as BackupError;
    assert.doesNotMatch(
      JSON.stringify([error.message, error.hint, String(error.cause)]),
      /canary-/,
    );
    assert.deepEqual(found, []);
    for (const text of await textsBelow(bench.place.folder)) assert.ok(!text.includes("canary-"));
  },
});

/** Arguments of programs that name this. Ssh is told of ports in another way. */
async function programsWith(text: string): Promise<string[]> {
  if (Deno.build.os !== "linux") return [];
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const args = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (args.includes(text)) found.push(args.replaceAll("\0", " "));
  }
  return found;
}

/** Arguments and environments of git and what it starts, that hold a canary. */
async function lookForSecret(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    const read = (what: string) => Deno.readTextFile(`/proc/${name}/${what}`).catch(() => "");
    const args = await read("cmdline");
    if (!args.includes("git")) continue;
    for (const text of [args, await read("environ")]) {
      if (text.includes("canary-")) found.push(args.replaceAll("\0", " "));
    }
  }
  return found;
}

async function textsBelow(directory: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = join(directory, name);
    if (isDirectory) texts.push(...await textsBelow(path));
    else texts.push(new TextDecoder("latin1").decode(await Deno.readFile(path)));
  }
  return texts;
}

/** A repository behind a proxy, and what must be in it. */
class Bench implements AsyncDisposable {
  readonly place: GitPlace;
  readonly proxy: FaultProxy;
  /** Contents of the archives that are stored, by the snapshots' names. */
  readonly stored = new Map<string, Uint8Array>();
  readonly #offered = new Map<string, Uint8Array>();
  #names = 0;

  private constructor(place: GitPlace, proxy: FaultProxy) {
    this.place = place;
    this.proxy = proxy;
  }

  static async make(server: GitServer): Promise<Bench> {
    const proxy = new FaultProxy(server.port);
    const bare = server.makeRepository();
    const place = new GitPlace(server.optionsFor(bare, proxy.port), bare);
    const bench = new Bench(place, proxy);
    await bench.store(bench.nextName());
    return bench;
  }

  /** A snapshot that stays. */
  get first(): string {
    return [...this.stored.keys()][0]!;
  }

  nextName(): string {
    const time = String(100_000 + this.#names++).slice(1);
    const name = `claude/20260102T1${time}Z-0123456789ab`;
    this.#offered.set(name, randomBytes(100_000));
    return name;
  }

  async store(name: string): Promise<void> {
    const content = this.#offered.get(name)!;
    const [archive, manifest] = keysOf(name);
    await this.place.store([
      this.place.file(archive!, content),
      this.place.file(manifest!, `manifest of ${name}`),
    ]);
    this.stored.set(name, content);
  }

  /** What an operation sends and gets when all is well. */
  async measure(verb: Verb): Promise<Traffic> {
    const name = await verb.prepare(this);
    this.proxy.arm();
    await verb.act(this, name);
    await verb.check(this, name);
    return this.proxy.traffic;
  }

  /** Lets something go wrong; answers what was said of it, and fails when that was not true. */
  async assertHonest(
    verb: Verb,
    fault: Fault,
    timeout = PATIENCE,
  ): Promise<BackupError | undefined> {
    const { fired, error } = await this.attempt(verb, fault, timeout);
    assert.ok(fired, `nothing went wrong: ${JSON.stringify(fault)}`);
    return error;
  }

  /** The same where it is not certain that so much is sent: tells whether it went wrong. */
  async attempt(
    verb: Verb,
    fault: Fault,
    timeout = PATIENCE,
  ): Promise<{ readonly fired: boolean; readonly error: BackupError | undefined }> {
    const what = JSON.stringify(fault);
    const name = await verb.prepare(this);
    this.proxy.arm(fault);
    this.place.options = { ...this.place.options, timeout };
    const error = await verb.act(this, name).then(() => undefined, (error) => error as BackupError);
    this.place.options = { ...this.place.options, timeout: PATIENCE };
    const fired = this.proxy.fired > 0;
    if (error !== undefined) {
      assert.match(String(error.code), /^destination-(unreachable|refused)$/, `${what}: ${error}`);
      assert.match(error.message, /^Cannot /);
    } else await verb.check(this, name);
    this.proxy.arm();
    this.proxy.cutAll();
    await verb.act(this, name);
    await verb.check(this, name);
    return { fired, error };
  }

  assertStored(name: string): void {
    const [archive, manifest] = keysOf(name);
    assert.equal(this.place.git("show", `main:${manifest}`), `manifest of ${name}`);
    const size = this.place.git("cat-file", "-s", `main:${archive}`);
    assert.equal(Number(size), this.stored.get(name)!.length);
  }

  /** A fresh clone has everything, whole. */
  assertAllThere(): void {
    assert.equal(
      git("--git-dir", this.place.bare, "fsck", "--full", "--strict", "--no-dangling"),
      "",
    );
    const clone = join(this.place.path, "fresh");
    git("clone", "--quiet", this.place.bare, clone);
    for (const [name, content] of this.stored) {
      const bytes = Deno.readFileSync(join(clone, keysOf(name)[0]!));
      assert.deepEqual(bytes, new Uint8Array(content), name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    this.place[Symbol.dispose]();
  }
}

function keysOf(name: string): [archive: string, manifest: string] {
  return [`${name}.tar.zst.age`, `${name}.json.zst.age`];
}
