/** What a worker inherits, what it can do to the process, and how it ends. Findings C7 to C9. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ending, Folder, NOTHING, probe, spawn, within, workerSource } from "./probe.ts";

const KEYS = Object.keys(NOTHING) as (keyof typeof NOTHING)[];

/** The state of each of the eight permissions, in a worker. */
async function statesOf(permissions: Deno.PermissionOptions | undefined): Promise<Set<string>> {
  const ask = async (names: readonly string[]) => {
    const states = [];
    for (const name of names as Deno.PermissionName[]) {
      states.push((await Deno.permissions.query({ name })).state);
    }
    return states;
  };
  const outcome = await probe(permissions, ask, KEYS);
  assert.ok("answer" in outcome);
  assert.equal(outcome.answer.length, 8);
  return new Set(outcome.answer);
}

Deno.test("a worker with all eight keys denied has none of them", async () => {
  assert.deepEqual(await statesOf(NOTHING), new Set(["prompt"]));
});

Deno.test("a worker without permissions of its own inherits everything (C7)", async () => {
  assert.deepEqual(await statesOf(undefined), new Set(["granted"]));
  assert.deepEqual(await statesOf("inherit"), new Set(["granted"]));
});

Deno.test("a key that is left out or misspelt is not granted, without a word (C7)", async () => {
  assert.deepEqual(await statesOf({}), new Set(["prompt"]));
  const misspelt = { reed: true } as Deno.PermissionOptionsObject;
  assert.deepEqual(await statesOf(misspelt), new Set(["prompt"]));
});

Deno.test("a worker gets no permission by asking, nor through a worker of its own", async () => {
  const request = async () => (await Deno.permissions.request({ name: "read" })).state;
  assert.deepEqual(await probe(NOTHING, request), { answer: "denied" });
  const nest = () => {
    const options = { type: "module", deno: { permissions: { read: true } } } as const;
    new Worker("data:text/javascript,", options).terminate();
  };
  const outcome = await probe(NOTHING, nest);
  assert.ok("error" in outcome);
  assert.match(outcome.says, /Can't escalate parent thread permissions/);
});

Deno.test("a worker with permissions ends a process that was started without the flag (C7)", async () => {
  const { code, stdout } = await ending(spawn(
    `${workerSource("")} console.log("went on"); worker.terminate();`,
    { flags: ["-A"] },
  ));
  assert.equal(code, 70);
  assert.equal(stdout, "");
});

Deno.test("threads of node:worker_threads have all permissions, whatever is asked for (C7)", async () => {
  const { stdout } = await ending(spawn(`
    import { Worker } from "node:worker_threads";
    const code = 'const { parentPort } = require("node:worker_threads");' +
      'parentPort.postMessage(require("node:fs").existsSync("/"))';
    const worker = new Worker(code, {
      eval: true,
      deno: { permissions: ${JSON.stringify(NOTHING)} },
    });
    worker.on("message", (message) => (console.log(message), worker.terminate()));
  `));
  assert.equal(stdout, "true\n");
});

Deno.test("a worker without permissions can read the arguments of the process (C8)", async () => {
  const { stdout } = await ending(spawn(
    workerSource("self.postMessage(Deno.args)") +
      "worker.onmessage = ({ data }) => (console.log(data[0]), worker.terminate());",
    { args: ["argument"] },
  ));
  assert.equal(stdout, "argument\n");
});

Deno.test({
  name: "a worker without permissions can kill the process (C8)",
  ignore: Deno.build.os === "windows",
  async fn() {
    const { signal } = await ending(spawn(
      workerSource('import process from "node:process"; process.kill(process.pid, "SIGKILL");') +
        "worker.onmessage = () => {};",
    ));
    assert.equal(signal, "SIGKILL");
  },
});

Deno.test({
  name: "a worker without permissions can swallow the process's signals (C8)",
  ignore: Deno.build.os === "windows",
  async fn() {
    const child = spawn(
      workerSource(`
        Deno.addSignalListener("SIGTERM", () => self.postMessage("swallowed"));
        self.postMessage("ready");
      `) + "worker.onmessage = ({ data }) => console.log(data);",
    );
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).values();
    assert.equal((await lines.next()).value, "ready\n");
    child.kill("SIGTERM");
    assert.equal((await lines.next()).value, "swallowed\n");
    child.kill("SIGKILL");
    assert.equal((await child.status).signal, "SIGKILL");
    await child.stderr.cancel();
    await lines.return?.();
  },
});

Deno.test("a worker that runs out of memory takes the process with it (C8)", async () => {
  const { code, stdout, stderr } = await ending(spawn(
    workerSource("const kept = []; for (;;) kept.push(new Array(1e5).fill(0.5));") +
      'worker.onerror = (event) => (event.preventDefault(), console.log("told"));',
    { flags: ["-A", "--unstable-worker-options", "--v8-flags=--max-old-space-size=32"] },
  ));
  assert.notEqual(code, 0);
  assert.equal(stdout, "");
  assert.match(stderr, /out of memory/i);
});

for (
  const [how, code] of [
    ["Deno.exit()", "Deno.exit(3)"],
    ["process.exit()", 'import process from "node:process"; process.exit(4)'],
    ["self.close()", "self.close()"],
  ] as const
) {
  Deno.test(`a worker that ends by ${how} tells nobody (C9)`, async () => {
    const { code: status, stdout } = await ending(spawn(
      workerSource(`${code.startsWith("import") ? "" : 'self.postMessage("hello");'}${code}`) + `
        for (const type of ["message", "messageerror", "error", "close", "exit"]) {
          worker.addEventListener(type, () => console.log(type));
        }
      `,
    ));
    assert.ok(stdout === "message\n" || (stdout === "" && code.startsWith("import")), stdout);
    assert.equal(status, 0);
  });
}

Deno.test("a worker's error ends the process unless it is prevented, and names no cause (C9)", async () => {
  const failing = workerSource('throw new RangeError("broken")');
  const unheard = await ending(spawn(failing));
  assert.equal(unheard.code, 1);
  const heard = await ending(spawn(
    `${failing} worker.onerror = (event) => {
      event.preventDefault();
      console.log(event.message, event.error);
    };`,
  ));
  assert.equal(heard.code, 0);
  assert.match(heard.stdout, /^Uncaught .*RangeError: broken null\n$/);
});

Deno.test("a worker's error and what it said before arrive in no certain order (C9)", async () => {
  const { stdout } = await ending(spawn(
    workerSource('self.postMessage("last words"); throw new Error("broken");') + `
      const seen = [];
      const see = (type) => (seen.push(type), seen.length === 2 && console.log(seen.join()));
      worker.onmessage = () => see("message");
      worker.onerror = (event) => (event.preventDefault(), see("error"));
    `,
  ));
  assert.ok(["error,message\n", "message,error\n"].includes(stdout), stdout);
});

Deno.test("a worker that is terminated goes on with what it is doing (C9)", async () => {
  const code = `self.onmessage = ({ data }) => {
    for (let turns = 0; turns < 1e10; turns++) {
      Atomics.add(data, 0, 1);
      Atomics.notify(data, 0);
    }
  }`;
  const { code: status, stdout } = await ending(spawn(`
    ${workerSource(code)}
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const toChange = () => Atomics.waitAsync(counter, 0, Atomics.load(counter, 0)).value;
    worker.postMessage(counter);
    await toChange();
    worker.terminate();
    const reached = Atomics.load(counter, 0);
    while (Atomics.load(counter, 0) < reached + 1e6) await toChange();
    console.log("went on");
    Deno.exit(0);
  `));
  assert.equal(stdout, "went on\n");
  assert.equal(status, 0, "Deno.exit() ends it all the same");
});

Deno.test("a worker that is terminated writes on, and its lock says until when (C9)", async () => {
  using folder = new Folder();
  const path = join(folder.path, "file");
  const write = `for (let i = 0; i < 64; i++) file.writeSync(new Uint8Array(2 ** 22));`;
  const worker = await locking(path, write);
  using file = await Deno.open(path);
  worker.terminate();
  const { size } = await file.stat();
  assert.equal(await file.tryLock(true), false);
  await file.lock(true);
  assert.ok((await file.stat()).size > size);
});

Deno.test("a worker that is terminated while it waits cleans nothing up (C9)", async () => {
  using folder = new Folder();
  const path = join(folder.path, "file");
  const tidy = `Deno.removeSync(${JSON.stringify(path)})`;
  const worker = await locking(path, `try { await new Promise(() => {}) } finally { ${tidy} }`);
  using file = await Deno.open(path);
  worker.terminate();
  await file.lock(true);
  assert.ok((await Deno.lstat(path)).isFile);
});

/** A worker that has locked a new file, and goes on with `then`. */
async function locking(path: string, then: string): Promise<Worker> {
  const code = `
    const file = Deno.openSync(${JSON.stringify(path)}, { write: true, createNew: true });
    file.lockSync(true);
    self.postMessage("locked");
    ${then}
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, {
    type: "module",
    deno: { permissions: { ...NOTHING, write: [path] } },
  });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  worker.addEventListener("message", resolve, { once: true });
  await within(promise, () => worker.terminate());
  return worker;
}
