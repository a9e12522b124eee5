/**
 * A real S3 server for tests: Ceph's gateway with one monitor and one in-memory store, on 127.0.0.1,
 * up in two seconds. It checks signatures, Content-MD5 and the signed hash of what it gets, and
 * honours `If-None-Match` on files that come in one piece.
 *
 * @module
 */
import { join } from "node:path";
import { CreateBucketCommand, S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { freePort } from "./free_port.ts";
import { startWithin } from "./start_limit.ts";

/** What a key is made of. */
export interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A server that answers. */
export interface S3Server extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Of the account that owns every bucket made by {@linkcode S3Server.makeBucket}. */
  readonly keys: KeyPair;
  /** Makes a bucket of its own for each caller, and answers its name. */
  makeBucket(options?: { readonly lock?: boolean }): Promise<string>;
  /** Makes an account that may do nothing in the buckets of the other. */
  makeStranger(): Promise<KeyPair>;
  /** A client with all rights, to look behind the back of what is tested. */
  client(config?: S3ClientConfig): S3Client;
  /** Ends the gateway. What is stored stays, for {@linkcode S3Server.resume}. */
  pause(): Promise<void>;
  /** Starts the gateway again, at the same address. */
  resume(): Promise<void>;
  /** Ends it all. */
  stop(): Promise<void>;
}

const PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
const PROGRAMS = [
  ...["ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"],
  ...["setpriv", "sh"],
];

/** Why there can be no server here: the end of a test's name; empty where there can. */
export const unlessS3: string = missing();

const KEYS: KeyPair = { accessKeyId: "KEEPSAKETEST", secretAccessKey: "canary-secret-0123456789" };

/** Starts a server with nothing in it. */
export async function startS3(): Promise<S3Server> {
  const folder = await Deno.makeTempDir({ prefix: "keepsake-s3-" });
  const ceph = new Ceph(folder);
  try {
    await startWithin("Ceph's S3 gateway", ceph.start());
  } catch (error) {
    await ceph.stop();
    throw error;
  }
  return ceph;
}

/** The processes, and the folder that holds all they write. */
class Ceph implements S3Server {
  readonly keys = KEYS;
  readonly port = freePort();
  readonly endpoint = `http://127.0.0.1:${this.port}`;
  readonly #folder: string;
  readonly #monitor = freePort();
  /** Those that run. */
  readonly #processes = new Set<Deno.ChildProcess>();
  readonly #clients: S3Client[] = [];
  #gateway: Deno.ChildProcess | undefined;
  #buckets = 0;
  #isOver = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const id = crypto.randomUUID();
    await Deno.writeTextFile(this.#at("ceph.conf"), this.#config(id));
    for (const name of ["mon", "osd", "rgw", "log"]) await Deno.mkdir(this.#at(name));
    const keyring = this.#at("keyring");
    const monitor = `[v2:127.0.0.1:${this.#monitor}/0]`;
    const caps = ["mon", "osd", "mgr"].flatMap((service) => ["--cap", service, "allow *"]);
    await this.#run("monmaptool", "--create", "--fsid", id, "--addv", "a", monitor, "monmap");
    await this.#run("ceph-authtool", "-C", keyring, "-g", "-n", "mon.", "--cap", "mon", "allow *");
    for (const name of ["client.admin", "client.rgw", "osd.0"]) {
      await this.#run("ceph-authtool", keyring, "-g", "-n", name, ...caps);
    }
    const monArguments = ["--keyring", keyring, "-i", "a", "--monmap", "monmap"];
    await this.#run("ceph-mon", "--mkfs", ...monArguments, "--mon-data", this.#at("mon"));
    this.#spawn("ceph-mon", "-f", "-i", "a");
    const store = crypto.randomUUID();
    await this.#run("ceph", "osd", "new", store);
    await this.#run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store, "--keyring", keyring);
    this.#spawn("ceph-osd", "-f", "-i", "0");
    await this.#makeUser("owner", KEYS);
    await this.resume();
  }

  async makeBucket({ lock = false } = {}): Promise<string> {
    const Bucket = `bucket-${this.#buckets++}`;
    await this.client().send(
      new CreateBucketCommand({ Bucket, ...(lock && { ObjectLockEnabledForBucket: true }) }),
    );
    return Bucket;
  }

  async makeStranger(): Promise<KeyPair> {
    const stranger = { accessKeyId: "STRANGER", secretAccessKey: "canary-stranger-0123456789" };
    await this.#makeUser("stranger", stranger);
    return stranger;
  }

  client(config: S3ClientConfig = {}): S3Client {
    const client = new S3Client({
      endpoint: this.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: KEYS,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      ...config,
    });
    this.#clients.push(client);
    return client;
  }

  async pause(): Promise<void> {
    if (this.#gateway !== undefined) await end(this.#gateway);
    this.#gateway = undefined;
  }

  async resume(): Promise<void> {
    this.#gateway = this.#spawn("radosgw", "-f", "-n", "client.rgw");
    let ended = false;
    void this.#gateway.status.then(() => ended = true);
    while (!await answers(this.endpoint)) {
      if (ended) throw new Error(`The gateway ended: ${await this.#said("radosgw")}`);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    for (const client of this.#clients) client.destroy();
    await Promise.all(Array.from(this.#processes, end));
    await Deno.remove(this.#folder, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }

  async #makeUser(name: string, { accessKeyId, secretAccessKey }: KeyPair): Promise<void> {
    await this.#run(
      ...["radosgw-admin", "-n", "client.rgw", "user", "create"] as const,
      ...[`--uid=${name}`, `--display-name=${name}`],
      ...[`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`],
    );
  }

  /** Runs a program to its end. */
  async #run(program: string, ...args: readonly string[]): Promise<void> {
    const { success } = await this.#spawn(program, ...args).status;
    if (!success) throw new Error(`Cannot run ${program}: ${await this.#said(program)}`);
  }

  /** Starts a program that ends with this one, also when this one is killed. */
  #spawn(program: string, ...args: readonly string[]): Deno.ChildProcess {
    if (this.#isOver) throw new Error(`Cannot run ${program}: the server was stopped`);
    const log = this.#at(join("log", `${program}.out`));
    const script = 'log=$1; shift; exec setpriv --pdeathsig KILL "$@" >>"$log" 2>&1';
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", script, "sh", log, program, ...args],
      cwd: this.#folder,
      env: { PATH, CEPH_CONF: this.#at("ceph.conf") },
      ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
    }).spawn();
    this.#processes.add(child);
    void child.status.then(() => this.#processes.delete(child));
    return child;
  }

  async #said(program: string): Promise<string> {
    return (await Deno.readTextFile(this.#at(join("log", `${program}.out`)))).slice(-2000);
  }

  #config(id: string): string {
    const folder = this.#folder;
    // Below where systems take ports for connections that go out; the store tries one after another.
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    return `[global]
fsid = ${id}
mon_host = [v2:127.0.0.1:${this.#monitor}/0]
keyring = ${folder}/keyring
auth_allow_insecure_global_id_reclaim = false
ms_bind_ipv4 = true
ms_bind_port_min = ${first}
ms_bind_port_max = ${first + 500}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_election_timeout = 1
mon_warn_on_pool_no_redundancy = false
run_dir = ${folder}
pid_file = ${folder}/$name.pid
admin_socket = ${folder}/$name.asok
log_file = ${folder}/log/$name.log
[mon]
mon_data = ${folder}/mon
mon_data_avail_crit = 1
mon_initial_members = a
[osd]
osd_data = ${folder}/osd
osd_objectstore = memstore
osd_max_object_name_len = 256
memstore_device_bytes = 8589934592
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
keyring = ${folder}/keyring
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${this.port}
rgw_thread_pool_size = 16
rgw_enable_apis = s3
rgw_run_sync_thread = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
`;
  }
}

async function end(process: Deno.ChildProcess): Promise<void> {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await process.status;
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(endpoint);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function missing(): string {
  const lacks = PROGRAMS.filter((program) =>
    !PATH.split(":").some((folder) => {
      try {
        return Deno.statSync(join(folder, program)).isFile;
      } catch {
        return false;
      }
    })
  );
  return lacks.length === 0 ? "" : ` (ignored: no ${lacks.join(", ")})`;
}
