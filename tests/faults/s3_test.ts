/**
 * The `s3` destination behind a network that breaks: cut, truncated, held up and refused at points
 * all along each operation. Whatever is reported stored, a look past the broken network finds whole.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { StageWorker } from "../../pipeline/worker/host.ts";
import type { SpoolFile, StoredFile } from "../../stages/contract.ts";
import type { BackupError } from "../../stages/errors.ts";
import { type Direction, type Fault, FaultProxy, type Traffic } from "../servers/fault_proxy.ts";
import type { RequestHead } from "../servers/http_requests.ts";
import { type S3Server, startS3, unlessS3 } from "../servers/s3.ts";
import { runStage, type StageJob } from "../stages/harness.ts";
import { note, SLOW } from "./harness.ts";

/**
 * Points for each verb: where it is slow, for each kind of fault and direction; else these take turns.
 */
const POINTS = 32;
const MIB = 2 ** 20;
/** Three parts where parts are what breaks; a fraction of one where it is all the same. */
const LARGE = 17 * MIB;
const SMALL = 200_000;

/** What goes wrong at a point of the traffic. */
const KINDS = {
  "cut": (point) => ({ kind: "cut", ...point }),
  "truncated": (point) => ({ kind: "truncate", ...point }),
  "held up": (point) => ({ kind: "delay", ms: 30, ...point }),
  "cut twice": (point) => ({ kind: "cut", times: 2, ...point }),
} satisfies Record<string, (point: Point) => Fault>;

interface Point {
  readonly direction: Direction;
  readonly after: number;
}

/** One operation, tried at many points. */
interface Verb {
  /** Whether what it needs is still there afterwards. */
  readonly changesNothing?: boolean;
  /** Makes what the operation needs. */
  prepare(network: Network): Promise<void>;
  run(network: Network): Promise<void>;
  /** Fails unless all is as the answer of `run` lets one believe. */
  check(network: Network, failure: BackupError | undefined): Promise<void>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  "storing small files": storing(SMALL),
  "storing in parts": storing(LARGE),

  "listing": {
    changesNothing: true,
    prepare: (network) => network.storeSeveral(),
    async run(network) {
      const listed = await network.list();
      assert.deepEqual(listed.map(({ key }) => key), network.files.map(({ key }) => key));
    },
    check: () => Promise.resolve(),
  },

  "fetching": {
    changesNothing: true,
    prepare: (network) => network.storeNew(3 * MIB),
    async run(network) {
      const [archive] = network.files;
      assert.equal(sha256(await network.fetch(archive!.key)), archive!.sha256);
    },
    check: () => Promise.resolve(),
  },

  "removing": {
    prepare: (network) => network.storeNew(SMALL),
    run: (network) => network.remove(),
    async check(network, failure) {
      const left = (await network.direct().list()).map(({ key }) => key);
      if (failure === undefined) assert.deepEqual(left, []);
      // Never a manifest without its archive.
      const [archive, manifest] = network.files;
      if (left.includes(manifest!.key)) assert.ok(left.includes(archive!.key));
    },
  },
};

function storing(size: number): Verb {
  return {
    prepare: (network) => Promise.resolve(network.makeNew(size)),
    run: (network) => network.store(),
    async check(network, failure) {
      const held = (await network.direct().list()).map(({ key }) => key);
      const [archive, manifest] = network.files;
      const isListed = held.includes(manifest!.key);
      assert.ok(failure !== undefined || isListed, "reported stored, and not there");
      if (isListed) assert.ok(held.includes(archive!.key), "a manifest without its archive");
      for (const { key, sha256: expected } of network.files) {
        if (held.includes(key)) {
          assert.equal(sha256(await network.direct().fetch(key)), expected, key);
        }
      }
      if (failure === undefined) return;
      await network.direct().store();
      assert.equal((await network.direct().list()).length, 2);
    },
  };
}

/** What is tried, each at a bucket of its own. */
const TRIALS: Record<string, (network: Network) => Promise<void>> = {};

for (const [name, verb] of Object.entries(VERBS)) {
  TRIALS[`loses nothing when ${name} is cut, truncated or held up`] = async (network) => {
    const traffic = await measure(network, verb);
    let fired = 0;
    let failed = 0;
    const points = pointsOf(traffic);
    for (const { kind, direction, after } of points) {
      const failure = await attempt(network, verb, KINDS[kind]({ direction, after }));
      fired += Number(network.proxy.fired > 0);
      failed += Number(failure !== undefined);
      const where = `${kind}, ${direction}, after ${after}`;
      if (SLOW && failure !== undefined) note(`${where}: ${failure.message}`);
      if (failure !== undefined) assertTold(failure, where);
      await inContext(where, verb.check(network, failure));
    }
    const all = points.length;
    if (SLOW) {
      note(`${name}: ${fired} of ${all} faults met, ${failed} failures, none of them silent`);
    }
    assert.ok(fired > all * 0.8, `${fired} of ${all}`);
    // What breaks once is mended by asking again.
    assert.ok(failed <= all * 0.1, `${failed} of ${all} failed`);
  };

  TRIALS[`asks again when ${name} is answered 429, 500 or 503`] = async (network) => {
    const { requests: { length } } = await measure(network, verb);
    assert.ok(length > 0);
    // In the sample, each request gets one of the three.
    const answers = [429, 500, 503];
    for (let request = 0; request < length; request++) {
      for (const status of SLOW ? answers : [answers[request % answers.length]!]) {
        const fault = { kind: "answer", request, status, times: SLOW ? 2 : 1 } as const;
        const failure = await attempt(network, verb, fault);
        const where = `${status} to request ${request}`;
        assert.ok(network.proxy.fired > 0, where);
        assert.equal(failure, undefined, `${where}: ${failure?.message}`);
        await inContext(where, verb.check(network, failure));
      }
    }
  };

  if (!SLOW && name !== "storing small files") continue;
  TRIALS[`gives up with a reason when ${name} loses the network for good`] = async (network) => {
    const { up } = await measure(network, verb);
    for (let point = 0; point < (SLOW ? 8 : 1); point++) {
      const after = Math.floor((point + 1) * up / 10);
      const times = Infinity;
      const failure = await attempt(network, verb, { kind: "cut", direction: "up", after, times });
      assert.ok(failure !== undefined, `after ${after}`);
      assert.equal(failure.code, "destination-unreachable", failure.message);
      assertTold(failure, `after ${after}`);
      await inContext(`after ${after}`, verb.check(network, failure));
    }
  };
}

TRIALS["does not wait for ever for a server that has fallen silent"] = async (network) => {
  const hasty = await network.fresh({ timeout: "1s" });
  for (const direction of ["up", "down"] as const) {
    for (const name of SLOW ? ["storing small files", "fetching"] : ["fetching"]) {
      const fault = { kind: "delay", ms: Infinity, direction, after: 700 } as const;
      const failure = await attempt(hasty, VERBS[name]!, fault);
      assert.equal(failure, undefined);
      assert.equal(hasty.proxy.fired, 1);
      await VERBS[name]!.check(hasty, undefined);
    }
  }
};

TRIALS["waits as long as Retry-After says, and no longer than makes sense"] = async (network) => {
  const answer = (after: string) => ({
    ...{ kind: "answer", status: 503, headers: { "retry-after": after } } as const,
  });
  network.proxy.arm(answer("1"));
  const start = performance.now();
  await network.list();
  const waited = performance.now() - start;
  // By itself it waits for 0.8 s at most.
  assert.ok(waited >= 900, `${waited} ms`);
  network.proxy.arm(answer("3600"));
  const failure = await failureOf(network.list());
  assert.equal(failure?.code, "destination-unreachable");
  assert.match(failure.message, /for 3600 s$/);
  assert.equal(network.proxy.traffic.requests.length, 1);
};

TRIALS["keeps an archive whose manifest may have arrived"] = async (network) => {
  network.makeNew(SMALL);
  const isManifest = ({ method, target }: RequestHead) =>
    method === "HEAD" && target.includes(".json");
  network.proxy.arm({ kind: "answer", status: 403, matches: isManifest });
  const failure = await failureOf(network.store());
  assert.equal(failure?.code, "destination-refused");
  network.proxy.arm();
  assert.equal((await network.list()).length, 2);
};

Deno.test({
  name: `s3 keeps its promises on a network that breaks${unlessS3}`,
  ignore: unlessS3 !== "",
  async fn(t) {
    await using network = await Network.open();
    for (const [name, trial] of Object.entries(TRIALS)) {
      await t.step(`s3 ${name}`, async () => await trial(await network.fresh({})));
    }
  },
});

/** Where something goes wrong, from the first byte to the last one, and what. */
function pointsOf(traffic: Traffic): readonly (Point & { readonly kind: keyof typeof KINDS })[] {
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];
  const faults = kinds.flatMap((kind) =>
    (["up", "down"] as const).map((direction) => ({ kind, direction }))
  );
  return Array.from({ length: POINTS }, (_, point) => {
    const chosen = SLOW ? faults : [faults[point % faults.length]!];
    return chosen.map((fault) => {
      const after = Math.floor(point * (traffic[fault.direction] - 1) / (POINTS - 1));
      return { ...fault, after };
    });
  }).flat();
}

/** What an operation sends and gets when nothing is wrong. */
async function measure(network: Network, verb: Verb): Promise<Traffic> {
  await verb.prepare(network);
  network.proxy.arm();
  await verb.run(network);
  return network.proxy.traffic;
}

/** Runs an operation anew with something wrong; answers how it failed. */
async function attempt(
  network: Network,
  verb: Verb,
  fault: Fault,
): Promise<BackupError | undefined> {
  if (!verb.changesNothing || network.files.length === 0) {
    await network.reset();
    await verb.prepare(network);
  }
  network.proxy.arm(fault);
  const failure = await failureOf(verb.run(network));
  const { fired } = network.proxy;
  network.proxy.disarm();
  assert.equal(network.proxy.fired, fired);
  return failure;
}

/** A bucket, seen through a network that breaks. */
class Network implements AsyncDisposable {
  readonly proxy: FaultProxy;
  /** What is stored or to be stored: the manifest last. */
  files: readonly SpoolFile[] = [];
  readonly #server: S3Server;
  readonly #pool: Map<string, StageWorker>;
  readonly #spool: string;
  readonly #options: Record<string, unknown>;
  #count = 0;

  private constructor(
    server: S3Server,
    proxy: FaultProxy,
    spool: string,
    options: Record<string, unknown>,
    pool = new Map<string, StageWorker>(),
  ) {
    this.#server = server;
    this.proxy = proxy;
    this.#spool = spool;
    this.#options = options;
    this.#pool = pool;
  }

  static async open(): Promise<Network> {
    const server = await startS3();
    const proxy = new FaultProxy(server.port);
    const spool = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-spool-" }));
    const keys = join(spool, "keys");
    const { accessKeyId, secretAccessKey } = server.keys;
    const text =
      `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
    await Deno.writeTextFile(keys, text, { mode: 0o600 });
    return new Network(server, proxy, spool, {
      bucket: await server.makeBucket(),
      endpoint: `http://127.0.0.1:${proxy.port}`,
      credentials: `file:${keys}`,
    });
  }

  /** Another bucket of the same server. */
  async fresh(options: Record<string, unknown>): Promise<Network> {
    const bucket = await this.#server.makeBucket();
    const all = { ...this.#options, bucket, ...options };
    return new Network(this.#server, this.proxy, this.#spool, all, this.#pool);
  }

  /** The same bucket without the network between. */
  direct(): Network {
    const options = { ...this.#options, endpoint: this.#server.endpoint };
    const network = new Network(this.#server, this.proxy, this.#spool, options, this.#pool);
    network.files = this.files;
    return network;
  }

  /** An empty bucket again. */
  async reset(): Promise<void> {
    for (const { path } of this.files) await Deno.remove(path);
    this.files = [];
    this.#options["bucket"] = await this.#server.makeBucket();
  }

  /** Makes an archive of that size and its manifest. */
  makeNew(size: number): void {
    const name = `claude/20260102T${String(100_000 + this.#count++)}Z-0123456789ab`;
    this.files = [this.#file(`${name}.tar.age`, size), this.#file(`${name}.json.age`, 500)];
  }

  async storeNew(size: number): Promise<void> {
    this.makeNew(size);
    await this.direct().store();
  }

  async storeSeveral(): Promise<void> {
    const names = Array.from({ length: 6 }, (_, index) => `a/${index}.tar.age`);
    this.files = names.map((key) => this.#file(key, 10));
    await this.direct().store();
  }

  async store(): Promise<void> {
    await this.#run("run", { files: this.files, owner: "x" });
  }

  async list(): Promise<readonly StoredFile[]> {
    return (await this.#run<readonly StoredFile[]>("list", {})).result;
  }

  async fetch(key: string): Promise<Uint8Array> {
    return (await this.#run("fetch", { key })).output;
  }

  async remove(): Promise<void> {
    await this.#run("remove", { keys: this.files.map(({ key }) => key) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#pool.values()) worker.close();
    await this.proxy[Symbol.asyncDispose]();
    await this.#server.stop();
    await Deno.remove(this.#spool, { recursive: true });
  }

  #file(key: string, size: number): SpoolFile {
    const bytes = new Uint8Array(size);
    crypto.getRandomValues(bytes.subarray(0, Math.min(size, 60_000)));
    const path = join(this.#spool, key.replaceAll("/", "-"));
    Deno.writeFileSync(path, bytes);
    return { key, path, size, sha256: sha256(bytes) };
  }

  #run<T>(operation: StageJob["operation"], context: Readonly<Record<string, unknown>>) {
    return runStage<T>({
      use: "s3",
      operation,
      options: this.#options,
      context,
      output: operation === "fetch",
      pool: this.#pool,
      ...(operation === "run" && { grants: { read: [this.#spool] } }),
    });
  }
}

/** Every failure has a code that a run can act on, a sentence and a hint. */
function assertTold({ code, message, hint }: BackupError, where: string): void {
  assert.match(code ?? "none", /^destination-(unreachable|refused)$/, `${where}: ${message}`);
  assert.match(message, /^Cannot [^\n]+[^.]$/, where);
  assert.ok(hint, `${where}: ${message}`);
}

async function failureOf(promise: Promise<unknown>): Promise<BackupError | undefined> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error as BackupError;
  }
}

async function inContext(where: string, check: Promise<void>): Promise<void> {
  await check.catch((cause) => assert.fail(`${where}: ${cause.message}`));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
