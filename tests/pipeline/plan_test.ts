import assert from "node:assert/strict";
import { join } from "node:path";
import type { Pipeline, PipelineStage } from "../../pipeline/config/pipeline.ts";
import { planOf } from "../../pipeline/plan.ts";
import { defineDestination, options, type Stage } from "../../stages/contract.ts";
import { stages } from "../../stages/mod.ts";

const REMOTE: Stage = defineDestination({
  name: "remote",
  summary: "Sends archives elsewhere",
  description: "Stands for any destination that reaches the network.",
  options: options({}),
  permissions: () => ({ net: ["backup.example:443"] }),
  takesFiles: false,
  location: () => "https://backup.example",
  addressForm: "nothing",
  fromAddress: () => undefined,
  run: () => Promise.reject(new Error("never run")),
  list: () => Promise.reject(new Error("never run")),
  fetch: () => Promise.reject(new Error("never run")),
  remove: () => Promise.reject(new Error("never run")),
});

async function pipelineOf(...uses: readonly (string | Stage)[]): Promise<Pipeline> {
  const given: Readonly<Record<string, Record<string, unknown>>> = {
    snapshot: { paths: ["/home/me/.claude"], exclude: [], compress: "zstd" },
    encrypt: { to: ["age1…"] },
    local: { path: "/mnt/backup" },
  };
  const list = await Promise.all(uses.map(async (use, index): Promise<PipelineStage> => {
    const stage = typeof use === "string" ? (await stages[use]!()).default : use;
    const at = `stage[${index + 1}]`;
    const rest = { only: undefined, input: undefined, plaintext: true };
    return {
      id: stage.name,
      use: stage.name,
      at,
      stage,
      options: given[stage.name] ?? {},
      ...rest,
    };
  }));
  const file = "/home/me/pipeline.toml";
  return { file, name: "claude", state: "/state/claude", identity: undefined, stages: list };
}

Deno.test("plan shows eight permission keys of every stage, and what stages take from which", async () => {
  const { stages } = planOf(await pipelineOf("snapshot", "hash-gate", "local", "encrypt", REMOTE));
  for (const { permissions } of stages) assert.equal(Object.keys(permissions).length, 8);
  assert.deepEqual(stages.map(({ id, inputs }) => [id, ...inputs]), [
    ["snapshot"],
    ["hash-gate"],
    ["local", "snapshot"],
    ["encrypt", "snapshot"],
    ["remote", "encrypt"],
  ]);
  assert.deepEqual(stages[0]!.permissions.read, ["/home/me/.claude"]);
  assert.deepEqual(stages[2]!.permissions.write, ["/mnt/backup", "/state/claude/spool/to-local"]);
});

Deno.test("plan shows where links lead that a stage follows", async () => {
  const base = await Deno.realPath(await Deno.makeTempDir());
  const at = (...parts: string[]) => join(base, ...parts);
  try {
    for (const folder of ["from/own", "elsewhere/moved", "to"]) {
      await Deno.mkdir(at(folder), { recursive: true });
    }
    await Deno.writeTextFile(at("file"), "");
    await Deno.symlink("../elsewhere/moved", at("from/moved"));
    await Deno.symlink("../file", at("from/file"));
    await Deno.symlink("gone", at("from/gone"));
    const { stages: [first], ...pipeline } = await pipelineOf("digest");
    const options = { from: at("from"), to: at("to") };
    const plan = planOf({ ...pipeline, stages: [{ ...first!, options }] });
    const { read, write } = plan.stages[0]!.permissions;
    assert.deepEqual(read, [at("from"), at("to"), at("elsewhere/moved")]);
    assert.deepEqual(write, [at("to")]);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test("plan shows where a drill of a run puts what it looks into", async () => {
  const pipeline = await pipelineOf("snapshot", "encrypt", REMOTE);
  const { read, write } = planOf({ ...pipeline, drillEvery: 1 }).stages[0]!.permissions;
  assert.deepEqual(read, ["/home/me/.claude", "/state/claude/drill/scratch"]);
  assert.deepEqual(write, ["/state/claude/drill/scratch"]);
  const own = pipeline.stages.map((stage) => ({ ...stage, drillEvery: 1 }));
  assert.deepEqual(planOf({ ...pipeline, stages: own }).stages[0]!.permissions.write, write);
  assert.equal(planOf(pipeline).stages[0]!.permissions.write, false);
});

Deno.test("plan shows where links lead, as that is granted as well", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-plan-" }));
  try {
    await Deno.mkdir(`${folder}/real`);
    await Deno.symlink(`${folder}/real`, `${folder}/link`);
    const pipeline = await pipelineOf("snapshot", "local");
    const [source, destination] = pipeline.stages;
    const stages = [
      { ...source!, options: { ...source!.options, paths: [`${folder}/link`] } },
      { ...destination!, options: { path: `${folder}/link/later` } },
    ];
    const [reads, writes] = planOf({ ...pipeline, stages }).stages;
    assert.deepEqual(reads!.permissions.read, [`${folder}/link`, `${folder}/real`]);
    assert.deepEqual(
      (writes!.permissions.write as string[]).filter((path) => path.startsWith(folder)),
      [`${folder}/link/later`, `${folder}/real/later`],
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the second promise holds when what reaches the network gets ciphertext only", async () => {
  const { stages, secondPromise } = planOf(
    await pipelineOf("snapshot", "hash-gate", "local", "encrypt", REMOTE),
  );
  assert.deepEqual(stages.map(({ seesPlaintext }) => seesPlaintext), [
    true,
    false,
    true,
    true,
    false,
  ]);
  assert.deepEqual(stages.map(({ reachesNetwork }) => reachesNetwork).indexOf(true), 4);
  assert.deepEqual(secondPromise, { holds: true, breaches: [] });
});

Deno.test("plan shows what removes and what rekeys, and what that could reach", async () => {
  const permissions: Stage["permissions"] = (_, operation) =>
    operation === "remove" || operation === "rewrap" ? { net: [`${operation}.example`] } : {};
  const encrypt = { ...(await stages["encrypt"]!()).default, permissions } as Stage;
  const pipeline = await pipelineOf("snapshot", encrypt, { ...REMOTE, permissions } as Stage);
  const [snapshot, seal, remote] = pipeline.stages as [PipelineStage, PipelineStage, PipelineStage];
  const reach = (policy: PipelineStage["retention"]) =>
    planOf({ ...pipeline, stages: [snapshot, seal, { ...remote, retention: policy }] })
      .stages.map(({ permissions }) => permissions.net);
  assert.deepEqual(reach(undefined), [false, ["rewrap.example"], false]);
  const policy = { last: 1, forgetDeleted: false };
  assert.deepEqual(reach(policy), [false, ["rewrap.example"], ["remove.example"]]);
});

Deno.test("the second promise is broken by a remote destination of plaintext, and plan says so", async () => {
  const { secondPromise } = planOf(await pipelineOf("snapshot", REMOTE, "encrypt", "local"));
  assert.deepEqual(secondPromise, {
    holds: false,
    breaches: ['"remote" reads plaintext and reaches the network (https://backup.example)'],
  });
});

Deno.test("a stage that may start programs counts as unsandboxed and as on the network", async () => {
  const program: Stage = { ...REMOTE, permissions: () => ({ run: ["/usr/bin/git"] }) };
  const { stages } = planOf(await pipelineOf("snapshot", "encrypt", program));
  assert.equal(stages[2]!.sandboxed, false);
  assert.equal(stages[2]!.reachesNetwork, true);
});

Deno.test("a plan says what becomes of secrets at each destination", async () => {
  const policies = async (...uses: readonly (string | Stage)[]) =>
    planOf(await pipelineOf(...uses)).stages.flatMap(({ secrets }) => secrets ?? []);
  assert.deepEqual(await policies("snapshot", "local", REMOTE), ["warn", "block"]);
  assert.deepEqual(await policies("snapshot", "encrypt", "local", REMOTE), ["allow", "allow"]);
  // What reaches it of one snapshot is encrypted, and of the other is not.
  const mixed = await pipelineOf("snapshot", "encrypt", REMOTE);
  const [snapshot, ...below] = mixed.stages;
  const other = { ...snapshot!, id: "other" };
  const [encrypt, remote] = below.map((stage) => ({ ...stage }));
  const stages = [snapshot!, other, { ...encrypt!, only: ["other"] }, remote!];
  const plan = planOf({ ...mixed, stages });
  assert.equal(plan.stages.at(-1)?.secrets, "block");
  assert.equal(plan.stages.at(-1)?.seesPlaintext, true);
  assert.equal(plan.secondPromise.holds, false);
  const own = [{ ...remote!, secrets: "warn" as const }];
  assert.equal(planOf({ ...mixed, stages: [snapshot!, ...own] }).stages.at(-1)?.secrets, "warn");
});
