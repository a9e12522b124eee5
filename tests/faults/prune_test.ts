/** Pruning that is killed, or refused: never a manifest without its archive, and never too little left. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { statusOf } from "../../pipeline/status.ts";
import { works } from "../platform/probe.ts";
import { filesIn, Sandbox, SLOW, type Stages } from "./harness.ts";
import { killAt } from "./killing.ts";

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

function keeping(keys: Readonly<Record<string, unknown>>): Stages {
  return (sandbox) =>
    [
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }),
      sandbox.stage("encrypt", { to: [sandbox.recipient] }),
      sandbox.stage("local", { id: "backups", path: sandbox.destination(), ...keys }),
    ].join("");
}

const DAYS = 3;

/** A sandbox with three snapshots, of which from now on the newest is to stay. */
async function withSnapshots(): Promise<Sandbox> {
  const sandbox = await Sandbox.make(keeping({}), { "a.txt": "a" });
  for (let day = 1; day <= DAYS; day++) {
    sandbox.change();
    await sandbox.backUp({ clock: () => new Date(Date.UTC(2026, 9, day)) });
  }
  await sandbox.configure(keeping({ keep_last: 1 }));
  return sandbox;
}

/** What a directory holds, to be put back as often as it takes. */
class Keepsafe {
  readonly #directory: string;
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(directory: string) {
    this.#directory = directory;
    this.#files = new Map(
      [...filesIn(directory).keys()].map((
        path,
      ) => [path, Deno.readFileSync(join(directory, path))]),
    );
  }

  putBack(): void {
    for (const path of filesIn(this.#directory).keys()) {
      Deno.removeSync(join(this.#directory, path));
    }
    for (const [path, bytes] of this.#files) {
      Deno.writeFileSync(join(this.#directory, path), bytes);
    }
  }
}

/** How it ends when it is killed after so many removals. */
async function killed(sandbox: Sandbox, after: number): Promise<number> {
  const counts = (call: string) => /^unlink(at)?\(.*\.(tar|json)/.test(call);
  const killing = { calls: "unlink,unlinkat", delay: 20_000, counts, after };
  return (await killAt(sandbox, ["prune"], killing)).code;
}

/** Files by day and kind: `04 json`. */
function left(sandbox: Sandbox): string[] {
  return [...filesIn(sandbox.destination()).keys()]
    .map((path) => path.replace(/^.*\/\d{6}(\d\d)T.*?\.(tar|json).*$/, "$1 $2")).toSorted();
}

const REMOVALS = 2 * (DAYS - 1);
/** After how many removals it is killed. Those of the manifests come first. */
const MOMENTS = SLOW ? Array.from({ length: REMOVALS }, (_, index) => index + 1) : [3];

Deno.test({
  name:
    `prune that is killed leaves no manifest without its archive, and is made up for${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await withSnapshots();
    const places = [sandbox.destination(), sandbox.state].map((path) => new Keepsafe(path));
    for (const moment of MOMENTS) {
      for (const place of places) place.putBack();
      assert.equal(await killed(sandbox, moment), 137, `killed after ${moment}`);
      const files = left(sandbox);
      assert.ok(files.length < 2 * DAYS, `killed after ${moment}: ${files}`);
      for (const file of files.filter((file) => file.endsWith("json"))) {
        assert.ok(files.includes(file.replace("json", "tar")), `killed after ${moment}: ${files}`);
      }
      // Whatever is listed can be read, and what was on its way out is not missed.
      assert.ok(await sandbox.verifyAll() >= 1);
      const { code, stderr } = await sandbox.keepsake(["prune", "--quiet"]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(left(sandbox), ["03 json", "03 tar"], `killed after ${moment}`);
      assert.equal(await sandbox.verifyAll(), 1);
    }
  },
});

Deno.test({
  name:
    `a removal that the disk refuses ends with 2, loses nothing and is tried again${unlessTraces}`,
  ignore: !traces,
  async fn() {
    using sandbox = await withSnapshots();
    sandbox.change();
    const today = new Date().toISOString().slice(8, 10);
    const fault = "inject=unlink,unlinkat:error=EACCES:when=2+";
    const tracing = ["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-P", sandbox.destination()];
    const paths = [...filesIn(sandbox.destination()).keys()]
      .flatMap((path) => ["-P", join(sandbox.destination(), path)]);
    const prefix = ["strace", ...tracing, ...paths, "-e", "trace=unlink,unlinkat", "-e", fault];
    const { code, stdout, stderr } = await sandbox.keepsake(["run", "--json"], prefix);
    assert.equal(code, 2, stderr);
    const { ok, stages, snapshots: [snapshot], pruned: [backups] } = JSON.parse(stdout);
    assert.deepEqual([ok, snapshot.destinations[0].status], [false, "ok"]);
    const message = /^Cannot remove "\/.*": permission denied$/;
    assert.match(backups.failure.message, message);
    assert.deepEqual([stages.at(-1).status, stages.at(-1).message], [
      "failed",
      backups.failure.message,
    ]);
    // One manifest went, whose archive is left for the next time; nothing else did.
    assert.deepEqual(left(sandbox), [
      ...["01 tar", "02 json", "02 tar", "03 json", "03 tar"],
      ...[`${today} json`, `${today} tar`],
    ]);
    assert.equal(statusOf(sandbox.pipeline, new Date()).places[0]?.count, 3);
    assert.equal(await sandbox.verifyAll(), 3);
    assert.equal((await sandbox.keepsake(["prune"])).code, 0);
    assert.deepEqual(left(sandbox), [`${today} json`, `${today} tar`]);
  },
});
