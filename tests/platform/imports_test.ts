/** What a worker without permissions can load, and whom it can reach by that. Finding C6. */
import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { ending, Folder, NOTHING, probe, spawn, workerSource, works } from "./probe.ts";

const traces = await works("strace", "-V");

/** Imports a package that nobody has, with a registry that takes note of who asks. */
async function importPackage(flags: readonly string[], prefix: readonly string[] = []): Promise<{
  readonly said: string;
  readonly asked: readonly string[];
}> {
  using folder = new Folder();
  const asked: string[] = [];
  await using registry = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      asked.push(new URL(request.url).pathname);
      return new Response("no such package", { status: 404 });
    },
  );
  const importing = `import("npm:" + "keepsake-secret-in-a-name@1").then(
    () => self.postMessage("loaded"),
    (error) => self.postMessage(error.message),
  )`;
  const { stdout } = await ending(spawn(
    `${workerSource(importing)} worker.onmessage = ({ data }) => {
      console.log(data);
      worker.terminate();
    };`,
    {
      flags: ["-A", "--unstable-worker-options", ...flags],
      prefix,
      env: {
        DENO_DIR: folder.path,
        NPM_CONFIG_REGISTRY: `http://127.0.0.1:${registry.addr.port}`,
      },
    },
  ));
  return { said: stdout, asked };
}

Deno.test("a worker without permissions reaches the npm registry by import() (C6)", async () => {
  const { asked } = await importPackage([]);
  assert.deepEqual(asked, ["/keepsake-secret-in-a-name"]);
});

for (const flag of ["--cached-only", "--no-npm"]) {
  Deno.test(`${flag} keeps a worker from the npm registry (C6)`, async () => {
    const { said, asked } = await importPackage([flag]);
    assert.match(said, /keepsake-secret-in-a-name|npm specifiers/);
    assert.deepEqual(asked, []);
  });
}

Deno.test({
  name: "--cached-only keeps a worker from any connection at all (C6)" +
    (traces ? "" : " (ignored: strace is not installed)"),
  ignore: !traces,
  async fn() {
    using folder = new Folder();
    const log = join(folder.path, "connections");
    const { said } = await importPackage(["--cached-only"], [
      "strace",
      ...["-f", "-qq", "-e", "trace=connect,sendto", "-o", log],
    ]);
    assert.match(said, /keepsake-secret-in-a-name/);
    const connections = (await Deno.readTextFile(log)).match(/(connect|sendto)\(.*AF_INET.*/g);
    assert.equal(connections, null);
  },
});

Deno.test("deno task backup keeps workers from the npm registry", () => {
  assert.match(config.tasks.backup.command, / --cached-only --frozen --no-prompt /);
});

Deno.test("a worker without permissions imports nothing by http", async () => {
  let asked = 0;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return new Response("export {}", { headers: { "content-type": "text/javascript" } });
  });
  const load = async (address: string) => void await import(address);
  const outcome = await probe(NOTHING, load, `http://127.0.0.1:${server.addr.port}/x.js`);
  assert.ok("error" in outcome);
  assert.match(outcome.says, /Requires import access/);
  assert.equal(asked, 0);
});

Deno.test("a worker imports files from its read scope alone, when it asks at run time", async () => {
  using folder = new Folder();
  const path = join(folder.path, "module.js");
  await Deno.writeTextFile(path, "export default 1");
  const load = async (address: string) => (await import(address)).default;
  const denied = await probe(NOTHING, load, `file://${path}`);
  assert.ok("error" in denied);
  assert.match(denied.says, /Requires read access/);
  const allowed = await probe({ ...NOTHING, read: [path] }, load, `file://${path}`);
  assert.deepEqual(allowed, { answer: 1 });
});

Deno.test("what a worker's own graph imports is loaded with the rights of its parent", async () => {
  using folder = new Folder();
  await Deno.writeTextFile(join(folder.path, "module.js"), "export default 'loaded'");
  await Deno.writeTextFile(
    join(folder.path, "worker.js"),
    'import answer from "./module.js"; self.postMessage(answer);',
  );
  const { stdout } = await ending(spawn(`
    const worker = new Worker("file://${folder.path}/worker.js", {
      type: "module",
      deno: { permissions: ${JSON.stringify(NOTHING)} },
    });
    worker.onmessage = ({ data }) => (console.log(data), worker.terminate());
  `));
  assert.equal(stdout, "loaded\n");
});
