import { deepEqual, equal, match } from "node:assert/strict";
import { oldDenoWarning } from "../../commands/deno_version.ts";
import { Home } from "./harness.ts";

Deno.test("plan shows what would run, and runs nothing", async () => {
  await using home = await Home.make();
  await home.furnish();
  const before = await home.list(".");
  const { status, stdout, stderr } = await home.keepsake(["plan"]);
  equal(status, 0, stderr);
  match(stdout, /^claude {2}~\/\.config\/keepsake\/pipeline\.toml$/m);
  match(stdout, /^ {2}claude +reads ~\/\.claude$/m);
  match(stdout, /^ {2}encrypt +nothing$/m);
  match(stdout, /^Promise 2 holds: no stage can both read plaintext and reach the network$/m);
  deepEqual(await home.list("."), before);
});

Deno.test("plan --json shows all eight permission keys of every stage, and the verdict", async () => {
  await using home = await Home.make();
  await home.furnish();
  const { stdout, stderr } = await home.keepsake(["plan", "--json"]);
  equal(stderr, "");
  const plan = JSON.parse(stdout);
  deepEqual(Object.keys(plan), ["pipeline", "file", "state", "stages", "second_promise"]);
  deepEqual(plan.second_promise, { holds: true, breaches: [] });
  for (const stage of plan.stages) {
    deepEqual(Object.keys(stage), [
      ...["id", "use", "kind", "location", "inputs", "permissions"],
      ...["sees_plaintext", "reaches_network", "sandboxed"],
    ]);
    deepEqual(Object.keys(stage.permissions).toSorted(), [
      ...["env", "ffi", "import", "net", "read", "run", "sys", "write"],
    ]);
    for (const granted of Object.values(stage.permissions)) {
      equal(granted === false || Array.isArray(granted), true);
    }
  }
});

Deno.test("a Deno with known ways out of its sandbox is told of", () => {
  equal(oldDenoWarning("2.9.6"), undefined);
  equal(oldDenoWarning("2.10.0"), undefined);
  equal(oldDenoWarning("3.0.0-rc.1"), undefined);
  match(oldDenoWarning("2.9.5") ?? "", /^Deno 2\.9\.5 is older than 2\.9\.6: /);
  match(oldDenoWarning("2.4.2") ?? "", /Backups work all the same$/);
  match(oldDenoWarning("1.46.3") ?? "", /older/);
});
