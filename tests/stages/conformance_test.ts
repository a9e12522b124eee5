/** What every stage must keep to. Runs over the registry: a new stage is covered at once. */
import assert from "node:assert/strict";
import { join } from "node:path";
import * as v from "valibot";
import { exampleOf, OPERATIONS, operationsOf, rowsOf } from "../../pipeline/config/describe.ts";
import type { PipelineStage } from "../../pipeline/config/pipeline.ts";
import { pruneGrants, rekeyGrants, runGrants, union, withPrograms } from "../../pipeline/grants.ts";
import { planOf } from "../../pipeline/plan.ts";
import { permissionsOf, resolveGrants } from "../../pipeline/worker/host.ts";
import type { Grants, Operation } from "../../stages/contract.ts";
import { stages, USUAL_TRANSFORM } from "../../stages/mod.ts";
import { attemptEverything } from "../platform/attempts.ts";
import { Folder, NOTHING, probe } from "../platform/probe.ts";

const KEYS = ["env", "ffi", "import", "net", "read", "run", "sys", "write"] as const;

const PIPELINE = { file: "/p.toml", name: "p", state: "/state/p", identity: undefined };

/** What a stage of its kind need not have. */
const MAY_LACK: readonly Operation[] = ["survey", "rewrap"];

/** Files in stages/ that are no stage. */
const SHARED = ["contract.ts", "errors.ts", "mod.ts", "options.ts"];

Deno.test("stages/mod.ts lists every stage file, under its name with hyphens", async () => {
  const entries = await Array.fromAsync(Deno.readDir(new URL("../../stages/", import.meta.url)));
  const files = entries.filter(({ isFile, name }) => isFile && !SHARED.includes(name));
  const names = files.map(({ name }) => name.replace(/\.ts$/, "").replaceAll("_", "-"));
  assert.deepEqual(Object.keys(stages).toSorted(), names.toSorted());
});

Deno.test("the usual transform is one of the stages", async () => {
  assert.equal((await stages[USUAL_TRANSFORM]!()).default.kind, "transform");
});

for (const [use, load] of Object.entries(stages)) {
  const { default: stage } = await load();
  const options = v.parse(stage.options, exampleOf(stage));
  const inPipeline: PipelineStage = {
    id: use,
    use,
    at: "stage[1]",
    stage,
    options,
    only: undefined,
    input: undefined,
    plaintext: false,
  };

  Deno.test(`stage "${use}" is called what its file is called`, () => {
    assert.equal(stage.name, use);
    assert.match(use, /^[a-z0-9-]{1,32}$/);
  });

  Deno.test(`stage "${use}" documents itself and each of its options`, () => {
    assert.match(stage.summary, /^[A-Z].*[^.]$/);
    assert.match(stage.description, /^[A-Z][^]*\.$/);
    for (const row of rowsOf(stage.options.entries)) {
      assert.match(row.name, /^[a-z][a-z0-9_]*$/);
      assert.match(row.summary, /^[A-Z].*\.$/, row.name);
    }
  });

  Deno.test(`stage "${use}" has the operations of its kind`, () => {
    const asked = operationsOf(stage.kind);
    for (const operation of OPERATIONS) {
      if (!asked.includes(operation)) assert.ok(!(operation in stage), operation);
      else if (!MAY_LACK.includes(operation)) assert.ok(operation in stage, operation);
    }
  });

  Deno.test(`stage "${use}" asks for the same permissions each time, and never for everything`, () => {
    for (const operation of OPERATIONS) {
      const grants = stage.permissions(options, operation);
      assert.deepEqual(stage.permissions(options, operation), grants);
      for (const [key, list] of Object.entries(grants)) {
        assert.ok(KEYS.includes(key as "env"), key);
        assert.ok(Array.isArray(list), `${operation} ${key}`);
        for (const item of list) assert.ok(!["", "*", "/"].includes(item), `${operation} ${key}`);
      }
    }
  });

  if (stage.kind !== "destination") {
    Deno.test(`stage "${use}", which reads plaintext, asks for no way to the network`, () => {
      for (const operation of OPERATIONS) {
        const { net = [], run = [] }: Grants = stage.permissions(options, operation);
        assert.deepEqual({ operation, net, run }, { operation, net: [], run: [] });
      }
    });
  }

  if (stage.kind === "destination") {
    Deno.test(`who looks at what stage "${use}" has stored, or fetches it, may write nowhere`, () => {
      for (const operation of ["list", "fetch"] as const) {
        const { write = [] }: Grants = stage.permissions(options, operation);
        assert.deepEqual({ operation, write }, { operation, write: [] });
      }
    });
  }

  Deno.test(`no worker of stage "${use}" can do what it was not granted`, async () => {
    using folder = new Folder();
    await Deno.writeTextFile(join(folder.path, "outside.txt"), "plaintext");
    const grants: Readonly<Record<string, Grants>> = {
      "a run": runGrants(inPipeline, join(folder.path, "state")),
      ...Object.fromEntries(
        OPERATIONS.filter((operation) => operation in stage).map((
          operation,
        ) => [operation, withPrograms(stage.permissions(options, operation))]),
      ),
    };
    const distinct = Map.groupBy(Object.keys(grants), (what) => JSON.stringify(grants[what]));
    for (const [what] of distinct.values()) {
      const permissions = permissionsOf(resolveGrants(grants[what!]!));
      assert.deepEqual(Object.keys(permissions), KEYS);
      const outcome = await probe(
        permissions as Deno.PermissionOptionsObject,
        attemptEverything,
        folder.path,
        Deno.execPath(),
      );
      assert.ok("answer" in outcome, JSON.stringify(outcome));
      const granted = KEYS.filter((key) => permissions[key] !== false);
      for (const [attempt, result] of Object.entries(outcome.answer)) {
        const key = attempt.split(" ")[0] as typeof KEYS[number];
        // With some paths granted, these are others; with `run` nothing is promised of the rest.
        if (granted.includes("run") && key === "run") continue;
        assert.equal(result, "denied", `${what}: ${attempt}: ${result}`);
      }
    }
  });

  Deno.test(`plan shows what a worker of stage "${use}" gets in a run and a rekey, to the path`, () => {
    const pipeline = { ...PIPELINE, stages: [inPipeline] };
    const [planned] = planOf(pipeline).stages;
    const granted = union(
      runGrants(inPipeline, PIPELINE.state),
      pruneGrants(inPipeline),
      rekeyGrants(inPipeline),
    );
    assert.deepEqual(planned!.permissions, permissionsOf(resolveGrants(granted)));
  });
}

Deno.test("the attempts of the probe succeed where everything is granted", async () => {
  using folder = new Folder();
  await Deno.writeTextFile(join(folder.path, "outside.txt"), "plaintext");
  const { ffi: _, import: __, ...keys } = NOTHING;
  const all = Object.fromEntries(Object.keys(keys).map((key) => [key, true]));
  const outcome = await probe(
    { ...NOTHING, ...all },
    attemptEverything,
    folder.path,
    Deno.execPath(),
  );
  assert.ok("answer" in outcome);
  // Of /proc, only who may do everything reads.
  const denied = Object.entries(outcome.answer).filter(([, result]) => result === "denied");
  assert.deepEqual(denied.map(([attempt]) => attempt.split(" ")[0]), [
    "read",
    "ffi",
    "import",
    "import",
  ]);
});
