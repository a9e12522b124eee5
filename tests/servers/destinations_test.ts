/**
 * What every destination must keep to, each against the real thing. Runs over the registry: a new
 * destination needs a line in `places.ts`, and is covered.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import type { StageWorker } from "../../pipeline/worker/host.ts";
import type { SpoolFile, StoredFile, StoreResult } from "../../stages/contract.ts";
import { type BackupError, toRecord } from "../../stages/errors.ts";
import { stages } from "../../stages/mod.ts";
import { runStage, type StageJob } from "../stages/harness.ts";
import type { Told, Trespass } from "./nobody_child.ts";
import { type Ground, PLACES, type Site, type Written } from "./places.ts";

const NAME = "20260102T030405Z-0123456789ab";
const ARCHIVE = `claude/${NAME}.tar.zst.age`;
const MANIFEST = `claude/${NAME}.json.zst.age`;

/** One thing that has to hold at an empty place. */
type Rule = (bench: Bench) => Promise<void>;

/** Each runs at a place of its own. */
const RULES: Readonly<Record<string, Rule>> = {
  async "is empty before anything is stored"(bench) {
    assert.deepEqual(await bench.list(), []);
  },

  async "gives back what was stored, to the byte"(bench) {
    const files = [bench.file(ARCHIVE, noise(300_000)), bench.file(MANIFEST, noise(700))];
    const { location } = await bench.store(files);
    assert.notEqual(location, "");
    await bench.assertHolds(files);
  },

  async "keeps a file without content"(bench) {
    const files = [bench.file(ARCHIVE, noise(0)), bench.file(MANIFEST, noise(1))];
    await bench.store(files);
    await bench.assertHolds(files);
  },

  async "keeps files of many blocks and parts, also of sizes that lie on their edges"(bench) {
    const { part } = bench;
    for (const [index, size] of [part - 1, part, part + 1, 2.5 * part].entries()) {
      const name = `20260102T03040${index}Z-0123456789ab`;
      const files = [
        bench.file(`claude/${name}.tar.age`, noise(size)),
        bench.file(`claude/${name}.json.age`, noise(10)),
      ];
      await bench.store(files);
      for (const file of files) await bench.assertFetches(file);
    }
    assert.equal((await bench.list()).length, 8);
  },

  async "takes the same files again, and has them once"(bench) {
    const files = [bench.file(ARCHIVE, noise(50_000)), bench.file(MANIFEST, noise(700))];
    await bench.store(files);
    const names = await bench.site.names();
    await bench.store(files);
    assert.deepEqual(await bench.site.names(), names);
    await bench.assertHolds(files);
  },

  async "takes files again of which one had been stored"(bench) {
    const files = [bench.file(ARCHIVE, noise(50_000)), bench.file(MANIFEST, noise(700))];
    await bench.store(files.slice(0, 1));
    await bench.store(files);
    await bench.assertHolds(files);
  },

  async "refuses another file under a name that is taken, and keeps the first"(bench) {
    const file = bench.file(ARCHIVE, noise(50_000));
    await bench.store([file]);
    const error = await rejection(bench.store([bench.file(ARCHIVE, noise(50_000))]));
    assert.equal(error.code, "destination-refused");
    assert.match(error.message, /another file .*has that name/);
    await bench.assertFetches(file);
  },

  async "stores nothing when a file is not what its hash says, and names it"(bench) {
    const wrong = { ...bench.file(ARCHIVE, noise(50_000)), sha256: "0".repeat(64) };
    const error = await rejection(bench.store([wrong, bench.file(MANIFEST, noise(1))]));
    assert.equal(error.code, "destination-refused");
    assert.ok(error.message.includes(ARCHIVE), error.message);
    assert.deepEqual(await bench.site.names(), []);
  },

  async "leaves no archive behind whose manifest it refused"(bench) {
    const wrong = { ...bench.file(MANIFEST, noise(500)), sha256: "0".repeat(64) };
    const error = await rejection(bench.store([bench.file(ARCHIVE, noise(50_000)), wrong]));
    assert.equal(error.code, "destination-refused");
    assert.deepEqual(await bench.site.names(), []);
  },

  async "keeps the copies of snapshots apart whose names begin alike"(bench) {
    const keys = ["m", "m-work", "mm", "m.x", "M"].map((id) => `${id}/${NAME}.tar.age`);
    const files = keys.map((key) => bench.file(key, noise(1000)));
    for (const file of files) await bench.store([file]);
    await bench.assertHolds(files);
    await bench.run("remove", { keys: [keys[0]] });
    await bench.assertHolds(files.slice(1));
  },

  async "removes what it is told to and nothing else, also twice"(bench) {
    const files = Array.from({ length: 3 }, (_, index) => [
      bench.file(`claude/2026010${index}T030405Z-0123456789ab.tar.age`, noise(10)),
      bench.file(`claude/2026010${index}T030405Z-0123456789ab.json.age`, noise(10)),
    ]);
    for (const pair of files) await bench.store(pair);
    const keys = files[1]!.map(({ key }) => key);
    await bench.run("remove", { keys });
    await bench.assertHolds([...files[0]!, ...files[2]!]);
    await bench.run("remove", { keys });
    await bench.assertHolds([...files[0]!, ...files[2]!]);
  },

  async "says of a file that is not there that it is missing"(bench) {
    await bench.store([bench.file(MANIFEST, noise(1))]);
    for (const key of [ARCHIVE, `other/${NAME}.tar.age`, MANIFEST.slice(0, -1)]) {
      const error = await rejection(bench.fetch(key));
      assert.equal(error.code, "snapshot-missing", key);
    }
  },

  async "names a place that cannot be there"(bench) {
    const { nowhere } = bench.site;
    const file = bench.file(ARCHIVE, noise(10));
    for (
      const job of [
        { operation: "run", context: { files: [file], owner: "x" } },
        { operation: "list", context: { mustExist: true } },
      ] as const
    ) {
      const error = await rejection(bench.at(nowhere, job.operation, job.context));
      assert.match(error.code, /^destination-(refused|unreachable)$/);
      assert.match(error.message, /^Cannot /);
      assert.ok(error.hint, error.message);
    }
  },

  async "refuses names that lead elsewhere, before it does anything"(bench) {
    const file = bench.file(ARCHIVE, noise(10));
    for (const key of HOSTILE) {
      const context = { files: [file, { ...file, key }], owner: "x" };
      assert.equal((await rejection(bench.run("run", context))).code, "stage-failed", key);
      assert.equal((await rejection(bench.fetch(key))).code, "stage-failed", key);
      const error = await rejection(bench.run("remove", { keys: [ARCHIVE, key] }));
      assert.equal(error.code, "stage-failed", key);
    }
    assert.deepEqual(await bench.site.names(), []);
  },

  async "lists nothing that has no name of ours, whatever lies beside it"(bench) {
    const files = [bench.file(ARCHIVE, noise(10)), bench.file(MANIFEST, noise(10))];
    await bench.store(files);
    for (const name of ["README.md", "claude/deeper/file.txt", ".hidden/x", "claude/.part"]) {
      await bench.site.plant(name, noise(10));
    }
    await bench.assertHolds(files);
  },

  async "gives what is there, also when it is damaged: others find that out"(bench) {
    await bench.store([bench.file(ARCHIVE, noise(50_000))]);
    const damaged = noise(49_000);
    await bench.site.damage(ARCHIVE, damaged);
    assert.deepEqual(await bench.fetch(ARCHIVE), damaged);
    assert.deepEqual(await bench.list(), [{ key: ARCHIVE, size: 49_000 }]);
  },

  async "survives two that store at once, the same and others"(bench) {
    const own = ["a", "b"].map((id) => [
      bench.file(`${id}/${NAME}.tar.age`, noise(bench.part + 1000)),
      bench.file(`${id}/${NAME}.json.age`, noise(10)),
    ]);
    const same = [bench.file(ARCHIVE, noise(bench.part + 1000)), bench.file(MANIFEST, noise(10))];
    const copies = same.map((file) => ({ ...file, path: bench.copyOf(file) }));
    const [first, second, ...others] = await Promise.allSettled([
      bench.store(same, "one"),
      bench.store(copies, "two"),
      ...own.map((files, index) => bench.store(files, `own-${index}`)),
    ]);
    for (const other of others) assert.equal(other.status, "fulfilled");
    // Of two with one name, one may have to give way; never may both.
    assert.ok([first, second].some(({ status }) => status === "fulfilled"));
    await bench.assertHolds([...same, ...own.flat()]);
  },

  async "stops when it is told to, and stores all of it the next time"(bench) {
    const files = [bench.file(ARCHIVE, noise(2.5 * bench.part)), bench.file(MANIFEST, noise(10))];
    const stop = new AbortController();
    const call = { signal: stop.signal, onProgress: () => stop.abort(new Error("told to stop")) };
    const error = await rejection(bench.store(files, "x", call));
    assert.match(error.message, /told to stop/);
    assert.deepEqual((await bench.list()).filter(({ key }) => key === MANIFEST), []);
    await bench.store(files);
    await bench.assertHolds(files);
  },

  async "can be named by an address alone"(bench) {
    const files = [bench.file(ARCHIVE, noise(1000)), bench.file(MANIFEST, noise(10))];
    await bench.store(files);
    const options = bench.stage.fromAddress(bench.site.address);
    assert.ok(options !== undefined, bench.site.address);
    const own = v.parse(bench.stage.options, bench.site.options);
    assert.equal(bench.stage.location(options), bench.stage.location(own));
    const received: Written = { ...options, ...bench.site.secrets };
    const { result } = await runStage<readonly StoredFile[]>({
      ...{ use: bench.stage.name, operation: "list", received },
      ...(bench.stage.keepsFolder && { folder: bench.folder }),
    });
    assert.deepEqual(result.map(({ key }) => key).toSorted(), [MANIFEST, ARCHIVE]);
  },

  "takes no address of another kind for its own"(bench) {
    const others = ["", "x", "https://example.org/", "ftp://example.org/x", "a:b:c"];
    for (const address of others) {
      assert.equal(bench.stage.fromAddress(address), undefined, address);
    }
    return Promise.resolve();
  },

  async "says who may not come in, and shows no secret"(bench) {
    const files = [bench.file(ARCHIVE, noise(1000)), bench.file(MANIFEST, noise(10))];
    await bench.store(files);
    const told = Object.entries(await bench.trespass(ARCHIVE));
    assert.deepEqual(told.map(([operation]) => operation), ["run", "list", "fetch", "remove"]);
    for (const [operation, failure] of told) {
      assert.equal(failure?.code, "destination-refused", `${operation}: ${failure?.message}`);
      assert.ok(failure.hint, failure.message);
      const causes = [failure.message, failure.hint, ...failure.causes].join("\n");
      assert.ok(!causes.includes("canary-"), causes);
    }
    await bench.assertHolds(files);
  },
};

const HOSTILE = [
  "../x",
  "claude/../../x",
  "claude/..",
  "/etc/passwd",
  "claude",
  "claude/",
  "/x",
  "a/b/c",
  "claude/.hidden",
  ".hidden/x",
  "claude\\x",
  "claude/a\\b",
  "C:/x",
  "claude/a:b",
  "claude/a\nb",
  "claude/a\0b",
  "",
];

Deno.test("every destination of the registry has places for its tests", async () => {
  const uses = await Promise.all(
    Object.entries(stages).map(async ([use, load]) => [use, (await load()).default.kind]),
  );
  const destinations = uses.filter(([, kind]) => kind === "destination").map(([use]) => use);
  assert.deepEqual(Object.keys(PLACES).toSorted(), destinations.toSorted());
});

for (const [use, { unless, open }] of Object.entries(PLACES)) {
  Deno.test({
    name: `destination "${use}" keeps to the rules${unless}`,
    ignore: unless !== "",
    async fn(t) {
      await using ground = await open();
      using workers = new Workers();
      for (const [name, rule] of Object.entries(RULES)) {
        await t.step(`destination "${use}" ${name}`, async () => {
          using bench = await Bench.make(use, ground, workers);
          await rule(bench);
        });
      }
    },
  });
}

/** Workers that are used again where they are granted the same, and where files are taken from. */
class Workers implements Disposable {
  readonly pool = new Map<string, StageWorker>();
  readonly spool: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-spool-" }));

  [Symbol.dispose](): void {
    for (const worker of this.pool.values()) worker.close();
    Deno.removeSync(this.spool, { recursive: true });
  }
}

/** One destination at an empty place, and a directory to take files from. */
class Bench implements Disposable {
  readonly site: Site;
  readonly stage: Destination;
  readonly #use: string;
  readonly #workers: Workers;
  readonly #spool: string;
  #files = 0;

  private constructor(use: string, stage: Destination, site: Site, workers: Workers) {
    this.#use = use;
    this.#workers = workers;
    this.#spool = Deno.makeTempDirSync({ dir: workers.spool });
    this.stage = stage;
    this.site = site;
  }

  static async make(use: string, ground: Ground, workers: Workers): Promise<Bench> {
    const { default: stage } = await stages[use]!();
    assert.equal(stage.kind, "destination");
    return new Bench(use, stage as Destination, await ground.site(), workers);
  }

  /** Makes a finished file. */
  file(key: string, bytes: Uint8Array<ArrayBuffer>): SpoolFile {
    const path = join(this.#spool, String(this.#files++));
    Deno.writeFileSync(path, bytes);
    return { key, path, size: bytes.length, sha256: sha256(bytes) };
  }

  /** The same file again, for a destination that moves what it gets. */
  copyOf({ path }: SpoolFile): string {
    const copy = join(this.#spool, String(this.#files++));
    Deno.copyFileSync(path, copy);
    return copy;
  }

  /** Bytes at which the place begins another part. */
  get part(): number {
    return PLACES[this.#use]!.part;
  }

  /** Where a destination works that needs a folder. */
  get folder(): string {
    return join(this.#spool, "folder");
  }

  async store(
    files: readonly SpoolFile[],
    owner = "x",
    call: StageJob["call"] = {},
  ): Promise<StoreResult> {
    // What is handed over may be moved away: these files are used again.
    const handed = files.map((file) => ({ ...file, path: this.copyOf(file) }));
    const { result } = await this.run<StoreResult>("run", { files: handed, owner }, call);
    return result;
  }

  async list(): Promise<readonly StoredFile[]> {
    const { result } = await this.run<readonly StoredFile[]>("list", {});
    return result.toSorted((a, b) => a.key < b.key ? -1 : 1);
  }

  async fetch(key: string): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.run("fetch", { key })).output;
  }

  run<T>(operation: StageJob["operation"], context: Written, call: StageJob["call"] = {}) {
    return this.at<T>(this.site.options, operation, context, call);
  }

  /** Runs an operation with other options. */
  at<T>(
    options: Written,
    operation: StageJob["operation"],
    context: Written,
    call: StageJob["call"] = {},
  ) {
    return runStage<T>({
      use: this.#use,
      operation,
      options,
      context,
      call,
      output: operation === "fetch",
      ...(this.stage.keepsFolder && { folder: this.folder }),
      pool: this.#workers.pool,
      ...(operation === "run" && {
        grants: { read: [this.#workers.spool], write: [this.#workers.spool] },
      }),
    });
  }

  /** Tries everything as somebody who may not; answers how each operation failed. */
  async trespass(key: string): Promise<Told> {
    const { stranger } = this.site;
    if ("shut" in stranger) {
      const { shut: path } = stranger as { readonly shut: string };
      return await trespassAsNobody({ use: this.#use, options: this.site.options, path, key });
    }
    const other = this.file(`x/${NAME}.tar.age`, noise(10));
    const attempt = (operation: StageJob["operation"], context: Written) =>
      this.at(stranger, operation, context).then(() => null, toRecord);
    return {
      run: await attempt("run", { files: [other], owner: "x" }),
      list: await attempt("list", {}),
      fetch: await attempt("fetch", { key }),
      remove: await attempt("remove", { keys: [key] }),
    };
  }

  /** Fails unless a fresh look finds these files, whole, and no others. */
  async assertHolds(files: readonly SpoolFile[]): Promise<void> {
    const expected = files.map(({ key, size }) => ({ key, size }))
      .toSorted((a, b) => a.key < b.key ? -1 : 1);
    assert.deepEqual(await this.list(), expected);
    for (const file of files) await this.assertFetches(file);
  }

  async assertFetches({ key, sha256: expected }: SpoolFile): Promise<void> {
    assert.equal(sha256(await this.fetch(key)), expected, key);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#spool, { recursive: true });
  }
}

async function trespassAsNobody(trespass: Trespass): Promise<Told> {
  const child = fileURLToPath(new URL("./nobody_child.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--cached-only", child, JSON.stringify(trespass)],
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

type Destination = Extract<
  Awaited<ReturnType<NonNullable<typeof stages[string]>>>["default"],
  { readonly kind: "destination" }
>;

async function rejection(promise: Promise<unknown>): Promise<BackupError> {
  try {
    await promise;
  } catch (error) {
    return error as BackupError;
  }
  assert.fail("It went well");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes of which no two lots are the same. Large ones repeat: random bytes are slow to make. */
function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const seed = crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)));
  for (let at = 0; at < length; at += seed.length || 1) {
    bytes.set(seed.subarray(0, length - at), at);
  }
  return bytes;
}
