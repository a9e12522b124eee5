import assert from "node:assert/strict";
import { StageWorker } from "../../../pipeline/worker/host.ts";
import type { SourceResult } from "../../../stages/contract.ts";
import { World } from "../../end_to_end/world.ts";

Deno.test("a call whose only reader is lost before it begins fails, and does not hang", async () => {
  using world = await World.make();
  using worker = new StageWorker("snapshot", { read: [world.source] }, { operation: "run" });
  const { port1, port2 } = new MessageChannel();
  const options = { paths: [world.source], exclude: [], compress: "zstd" };
  const calling = worker.call<SourceResult>({
    operation: "run",
    context: { options },
    output: { ports: [port1], coding: { way: "encode", codec: "zstd" } },
  });
  worker.detach(0, "its worker died");
  await assert.rejects(calling, { code: "stream-broken", message: /its worker died/ });
  port2.close();
});
