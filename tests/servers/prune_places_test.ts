/** Pruning works at every destination of the registry: a new one is covered at once. */
import assert from "node:assert/strict";
import { prunePipeline } from "../../pipeline/prune.ts";
import { Sandbox, type Stages } from "../faults/harness.ts";
import { PLACES, type Written } from "./places.ts";

function into(use: string, options: Written, keys: Written): Stages {
  return (sandbox) =>
    [
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }),
      sandbox.stage("hash-gate"),
      sandbox.stage("encrypt", { to: [sandbox.recipient] }),
      sandbox.stage(use, { id: "place", ...options, ...keys }),
    ].join("");
}

for (const [use, { unless, open }] of Object.entries(PLACES)) {
  Deno.test({
    name:
      `destination "${use}" is pruned by a run and by hand, and never of the only copy${unless}`,
    ignore: unless !== "",
    async fn() {
      await using ground = await open();
      const { options } = await ground.site();
      using sandbox = await Sandbox.make(into(use, options, {}), { "a.txt": "a", "b.txt": "b" });
      const runOn = async (day: number) => {
        sandbox.change();
        return await sandbox.backUp({ clock: () => new Date(Date.UTC(2026, 9, day)) });
      };
      const days = async () => (await sandbox.names()).map((name) => name.slice(8, 10));
      await runOn(1);
      await runOn(2);
      await Deno.remove(`${sandbox.tree}/b.txt`);
      await sandbox.configure(into(use, options, { keep_last: 1 }));
      const { pruned } = await runOn(3);
      assert.deepEqual(pruned?.[0]?.items.map(({ removed }) => removed), [true]);
      assert.deepEqual(await days(), ["02", "03"]);
      assert.equal(await sandbox.verifyAll(), 2);
      assert.ok((await sandbox.restore("20261002")).some((line) => line.startsWith("b.txt ")));

      await sandbox.configure(into(use, options, { keep_last: 1, forget_deleted: true }));
      const { destinations: [place], status } = await prunePipeline(sandbox.pipeline);
      assert.equal(status, 0, place?.failure?.message);
      assert.deepEqual(await days(), ["03"]);
      assert.deepEqual(await sandbox.restore(), sandbox.contents());
    },
  });
}
