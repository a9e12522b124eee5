import assert from "node:assert/strict";
import { StageWorker } from "../../../pipeline/worker/host.ts";
import type { SourceResult } from "../../../stages/contract.ts";
import { World } from "../../end_to_end/world.ts";
import { SourceTree } from "../../stages/formats/snapshot/source_tree.ts";

for (const codec of ["zstd", "none"] as const) { // Without one, a writer loads what hashes first.
  Deno.test(`a call whose only reader is lost before it begins fails, and does not hang (${codec})`, async () => {
    using world = await World.make();
    using worker = new StageWorker("snapshot", { read: [world.source] }, { operation: "run" });
    const { port1, port2 } = new MessageChannel();
    const options = { paths: [world.source], exclude: [], compress: codec };
    const calling = worker.call<SourceResult>({
      operation: "run",
      context: { options },
      output: { ports: [port1], coding: { way: "encode", codec } },
    }, { signal: AbortSignal.timeout(10_000) });
    worker.detach(0, "its worker died");
    await assert.rejects(calling, { code: "stream-broken", message: /its worker died/ });
    port2.close();
  });
}

Deno.test("a worker that is silent for longer than it announced is taken for dead", async () => {
  using tree = new SourceTree({
    "stage.js": `export default {
      scan({ silence, options }) {
        silence(options.announced);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, options.silent);
        return Promise.resolve("done");
      },
    };`,
  });
  const call = async (announced: number, silent: number) => {
    using worker = new StageWorker(`file://${tree.at("stage.js")}`, {}, { patience: 2000 });
    const context = { options: { announced, silent } };
    // Nor is it taken for stuck meanwhile.
    return (await worker.call({ operation: "scan", context }, { stall: 3000 })).result;
  };
  await Promise.all([
    call(60_000, 4000).then((result) => assert.equal(result, "done")),
    assert.rejects(call(4000, 60_000), { message: /it gave no sign of life for 4 s/ }),
  ]);
});
