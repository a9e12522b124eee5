import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pipeline, PipelineStage } from "../../pipeline/config/pipeline.ts";
import { lookAhead } from "../../pipeline/outlook.ts";
import type { Stage } from "../../stages/contract.ts";
import { stages } from "../../stages/mod.ts";
import { mayReadAll } from "../rights.ts";

// Of root it is believed that it may do all.
const isRoot = mayReadAll() || Deno.uid() === 0;
const unlessRefused = isRoot ? " (ignored: root may write all)" : "";

async function pipelineOf(
  paths: readonly string[],
  destination: string,
  others: readonly string[] = [],
  state = join(tmpdir(), "no-state"),
): Promise<Pipeline> {
  const stageOf = (id: string, stage: Stage, options: Record<string, unknown>): PipelineStage => {
    const rest = { only: undefined, input: undefined, plaintext: true };
    return { id, use: stage.name, at: id, stage, options, ...rest };
  };
  const [snapshot, local] = await Promise.all(
    ["snapshot", "local"].map(async (name) => (await stages[name]!()).default),
  );
  const more = { exclude: [], compress: "none" };
  return {
    ...{ file: "/pipeline.toml", name: "claude", state, identity: undefined },
    stages: [
      stageOf("claude", snapshot!, { paths, ...more }),
      ...(others.length === 0 ? [] : [stageOf("other", snapshot!, { paths: others, ...more })]),
      stageOf("local", local!, { path: destination }),
    ],
  };
}

Deno.test("lookAhead() finds nothing where all is there, and makes nothing", async () => {
  const base = await Deno.makeTempDir();
  await Deno.writeTextFile(join(base, "file"), "");
  const well = await lookAhead(await pipelineOf([base, join(base, "file")], base));
  assert.deepEqual(well, { findings: [], status: 0 });
  const place = join(base, "new");
  const { findings, status } = await lookAhead(await pipelineOf([base], place));
  const found = { stage: "local", path: place, state: "new", reason: "it does not exist" };
  assert.deepEqual([findings, status], [[found], 0]);
  await assert.rejects(Deno.stat(place));
  await Deno.remove(base, { recursive: true });
});

Deno.test("lookAhead() takes a source that a stage of the same run makes for no fault", async () => {
  const base = await Deno.makeTempDir();
  const made = join(base, "digests");
  const { stages: [source, ...rest], ...pipeline } = await pipelineOf([base, made], base);
  const { default: stage } = await stages["digest"]!();
  const options = { from: base, to: made };
  const digest = { ...source!, id: "digest", use: "digest", at: "digest", stage, options };
  const { findings, status } = await lookAhead({ ...pipeline, stages: [digest, source!, ...rest] });
  const found = { stage: "claude", path: made, state: "new", reason: "it does not exist" };
  assert.deepEqual([findings, status], [[found], 0]);
  await Deno.remove(base, { recursive: true });
});

Deno.test("lookAhead() tells what is missing, what cannot be read and what is in the way", async () => {
  const base = await Deno.makeTempDir();
  const file = join(base, "file");
  await Deno.writeTextFile(file, "");
  await Deno.symlink("circle", join(base, "circle"));
  await Deno.symlink("gone", join(base, "dangling"));
  const at = (...names: string[]) => names.map((name) => join(base, name));
  const cases = [
    [at("gone", "file"), base, [], ["claude missing"], 2],
    [at("gone"), base, [], ["claude missing"], 3],
    [at("gone"), base, at("away"), ["claude missing", "other missing"], 3],
    [at("gone"), base, at("file"), ["claude missing"], 2],
    [at("circle"), base, [], ["claude unreadable"], 2],
    [at("file"), join(base, "dangling"), [], ["local blocked"], 2],
    [at("file"), file, [], ["local blocked"], 2],
    [at("file"), join(file, "below"), [], ["local blocked"], 2],
  ] as const;
  for (const [paths, destination, others, expected, status] of cases) {
    const outlook = await lookAhead(await pipelineOf(paths, destination, others));
    const found = outlook.findings.map(({ stage, state }) => `${stage} ${state}`);
    assert.deepEqual([found, outlook.status], [expected, status], paths.join());
  }
  await Deno.remove(base, { recursive: true });
});

Deno.test("lookAhead() tells where no state can be kept, as no run could begin", async () => {
  const base = await Deno.makeTempDir();
  const file = join(base, "file");
  await Deno.writeTextFile(file, "");
  await Deno.symlink("gone", join(base, "dangling"));
  await Deno.mkdir(join(base, "closed/lock"), { recursive: true });
  const cases = [
    [join(base, "new/below"), undefined],
    [base, undefined],
    [file, "it is no directory"],
    [join(file, "below"), "a file is in its way"],
    [join(base, "dangling"), "its link leads nowhere"],
    [join(base, "closed"), "it is a directory"],
  ] as const;
  for (const [state, reason] of cases) {
    const { findings, status } = await lookAhead(await pipelineOf([base], base, [], state));
    const found = { stage: null, path: state, state: "blocked", reason };
    assert.deepEqual([findings, status], reason === undefined ? [[], 0] : [[found], 3], state);
  }
  assert.deepEqual((await Array.fromAsync(Deno.readDir(base))).length, 3);
  await Deno.remove(base, { recursive: true });
});

Deno.test({
  name: `lookAhead() tells of a directory that its user may not write to${unlessRefused}`,
  ignore: unlessRefused !== "",
  async fn() {
    const base = await Deno.makeTempDir();
    await Deno.chmod(base, 0o500);
    for (const path of [base, join(base, "new")]) {
      const { findings } = await lookAhead(await pipelineOf([base], join(path, "x"), [], path));
      assert.deepEqual(findings.map(({ stage, state, reason }) => [stage, state, reason]), [
        [null, "blocked", "permission denied"],
        ["local", "blocked", "permission denied"],
      ]);
    }
    await Deno.remove(base, { recursive: true });
  },
});
