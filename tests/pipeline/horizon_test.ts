import assert from "node:assert/strict";
import { join } from "node:path";
import { renderHorizon, renderHorizonReport } from "../../commands/ui/horizon_view.ts";
import { Catalog } from "../../pipeline/catalog.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import { endangered, horizonOf, reportOf, sweptBy } from "../../pipeline/horizon.ts";
import { runPipeline } from "../../pipeline/mod.ts";
import { World } from "../end_to_end/world.ts";

const DAY = 86_400_000;
const CREATED = "20260102T030405Z-0123456789ab";

/** A world with two plaintext destinations and no sweep that this machine's settings decide. */
async function makeWorld(): Promise<{ world: World; pipeline: Pipeline; logs: string[] }> {
  const world = await World.make();
  await Deno.writeTextFile(join(world.source, "settings.json"), '{"cleanupPeriodDays": 10}');
  const local = (path: string) =>
    `[[stage]]\nuse = "local"\nid = "${path}"\nplaintext = true\npath = ${
      JSON.stringify(world.at(path))
    }\n`;
  const pipeline = await world.pipeline(`
    [[stage]]
    use = "snapshot"
    id = "claude"
    paths = [${JSON.stringify(world.source)}]
    [[stage]]
    use = "hash-gate"
    ${local("near")}${local("far")}`);
  const project = join(world.source, "projects", "-home-me-work");
  const logs = ["a", "b", "session"].map((name) => join(project, `${name}.jsonl`));
  for (const log of logs) await Deno.writeTextFile(log, '{"cwd":"/nowhere"}\n');
  return { world, pipeline, logs };
}

function age(path: string, days: number, now: Date): void {
  const time = new Date(now.getTime() - days * DAY);
  Deno.utimeSync(path, time, time);
}

function held(pipeline: Pipeline, now: Date): Record<string, readonly string[]> {
  const { conversations } = horizonOf(pipeline, now)!;
  return Object.fromEntries(
    conversations.map(({ path, destinations }) => [path.replace(/.*\//, ""), destinations]),
  );
}

Deno.test("the horizon tells each conversation's last day, and which go soon and are nowhere", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  const now = new Date();
  age(logs[0]!, 12, now);
  age(logs[1]!, 8.5, now);
  age(logs[2]!, 7.9, now);
  const horizon = horizonOf(pipeline, now)!;
  assert.deepEqual(horizon.sweeps.map(({ days }) => days), [10]);
  const days = horizon.conversations.map(({ path, goes }) => [
    path,
    Math.round((goes.getTime() - now.getTime()) / DAY * 10) / 10,
  ]);
  assert.deepEqual(days, [[logs[0], -2], [logs[1], 1.5], [logs[2], 2.1]]);
  assert.deepEqual(endangered(horizon).map(({ path }) => path), logs.slice(0, 2));
  const at = (days: number) => sweptBy(horizon, new Date(now.getTime() + days * DAY)).length;
  assert.deepEqual([at(0), at(2), at(3)], [1, 2, 3]);
});

Deno.test("a copy that preserve keeps is told of, as long as it is all there is, and is no destination", async () => {
  const { world, logs } = await makeWorld();
  using _ = world;
  const from = join(world.source, "projects");
  const to = world.at("preserved");
  const pipeline = await world.pipeline(`
    [[stage]]
    use = "preserve"
    from = ${JSON.stringify(from)}
    to = ${JSON.stringify(to)}
    [[stage]]
    use = "snapshot"
    id = "claude"
    paths = [${JSON.stringify(world.source)}]
    [[stage]]
    use = "local"
    plaintext = true
    path = ${JSON.stringify(world.at("near"))}`);
  for (const log of logs) age(log, 12, new Date());
  const preserved = () => {
    const { endangered } = reportOf(horizonOf(pipeline, new Date())!);
    return endangered.map(({ path, preserved }) => [path.replace(/.*\//, ""), preserved]);
  };
  assert.deepEqual(preserved().map(([, places]) => places), [[], [], []]);
  await runPipeline(pipeline, { only: ["preserve"] });
  assert.deepEqual(preserved().map(([, places]) => places), [[to], [to], [to]]);
  await Deno.writeTextFile(logs[0]!, "more\n", { append: true });
  await Deno.mkdir(logs[1]!.replace(".jsonl", ""));
  await Deno.writeTextFile(join(logs[1]!.replace(".jsonl", ""), "new.txt"), "new");
  for (const log of logs) age(log, 12, new Date());
  age(join(logs[1]!.replace(".jsonl", ""), "new.txt"), 12, new Date());
  // Times that were set anew are others, too, by more than a file system may err.
  age(logs[2]!, 12.5, new Date());
  assert.deepEqual(preserved().map(([, places]) => places), [[], [], []]);
  await runPipeline(pipeline, { only: ["preserve"] });
  assert.deepEqual(preserved().map(([, places]) => places), [[to], [to], [to]]);
  const all = renderHorizonReport(reportOf(horizonOf(pipeline, new Date())!), undefined);
  const said = `are in no destination; all 3 are preserved on this machine, in ${to}:`;
  assert.ok(all[0]!.endsWith(said), all[0]);
  await runPipeline(pipeline);
  assert.deepEqual(preserved(), []);
});

Deno.test("settings that pause the sweep are told, and nothing is said to go then", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  const now = new Date();
  age(logs[0]!, 100, now);
  const file = join(world.source, "settings.json");
  await Deno.writeTextFile(file, '{"cleanupPeriodDays": 0}');
  const { endangered, paused } = reportOf(horizonOf(pipeline, now)!);
  assert.deepEqual(endangered, []);
  assert.deepEqual(sweptBy(horizonOf(pipeline, now)!, now), []);
  assert.deepEqual(paused.map(({ path }) => path), [file]);
  const said = renderHorizon(horizonOf(pipeline, now)!, undefined).join("\n");
  assert.ok(said.includes(`deletes no conversations in ${world.source} for now, because of`), said);
  assert.ok(!said.includes("keeps conversations for"), said);
});

Deno.test("a conversation that is to be kept for more days than there are goes on the last of all", async () => {
  const { world, pipeline } = await makeWorld();
  using _ = world;
  await Deno.writeTextFile(join(world.source, "settings.json"), '{"cleanupPeriodDays": 1e12}');
  const { conversations } = horizonOf(pipeline, new Date())!;
  assert.equal(conversations[0]!.goes.getTime(), 8.64e15);
});

Deno.test("a conversation is safe where its newest state was delivered, and not where it went on since", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  const past = new Date(Date.now() - DAY);
  for (const log of logs) age(log, 9, new Date());
  const report = await runPipeline(pipeline, { clock: () => past });
  assert.equal(report.status, 0);
  assert.deepEqual(report.horizon?.endangered, []);
  const everywhere = ["near", "far"];
  const all = { "a.jsonl": everywhere, "b.jsonl": everywhere, "session.jsonl": everywhere };
  assert.deepEqual(held(pipeline, past), all);
  await Deno.writeTextFile(logs[0]!, "more\n", { append: true });
  assert.deepEqual(held(pipeline, past), { ...all, "a.jsonl": [] });
  // A new file beside it is a part of it.
  await Deno.mkdir(join(logs[1]!.slice(0, -6), "subagents"), { recursive: true });
  await Deno.writeTextFile(join(logs[1]!.slice(0, -6), "subagents", "agent-1.jsonl"), "");
  assert.deepEqual(held(pipeline, past), { ...all, "a.jsonl": [], "b.jsonl": [] });
  const second = await runPipeline(pipeline, { only: ["near"] });
  assert.equal(second.status, 0);
  const now = new Date();
  assert.deepEqual(held(pipeline, now), { ...all, "a.jsonl": ["near"], "b.jsonl": ["near"] });
  const [newest] = second.snapshots;

  // What was pruned, is being removed, is missing, or was found damaged does not count.
  const catalog = Catalog.open(pipeline.state, () => assert.fail(), now);
  const spot = { id: "claude", name: newest!.name!, location: world.at("near") };
  catalog.pruning.begin([spot]);
  assert.deepEqual(held(pipeline, now), { ...all, "a.jsonl": [], "b.jsonl": [] });
  catalog.pruning.cancel([spot]);
  catalog.addVerification(spot, now, "damaged");
  assert.deepEqual(held(pipeline, now)["a.jsonl"], []);
  catalog.addVerification(spot, now, "ok");
  assert.deepEqual(held(pipeline, now)["a.jsonl"], ["near"]);
  catalog.missing.note(spot.id, spot.location, [spot.name]);
  assert.deepEqual(held(pipeline, now)["a.jsonl"], []);
  catalog.missing.note(spot.id, spot.location, []);
  assert.deepEqual(held(pipeline, now)["a.jsonl"], ["near"]);
  catalog.pruning.finish([spot]);
  assert.deepEqual(held(pipeline, now)["a.jsonl"], []);
  catalog[Symbol.dispose]();
});

Deno.test("what was gone when a snapshot was made, and came back as it was, is not safe by that", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  for (const log of logs) age(log, 9, new Date());
  const { snapshots: [first] } = await runPipeline(pipeline);
  await Deno.rename(logs[0]!, world.at("aside"));
  assert.equal((await runPipeline(pipeline)).status, 0);
  await Deno.rename(world.at("aside"), logs[0]!);
  using catalog = Catalog.open(pipeline.state, () => assert.fail(), new Date());
  catalog.pruning.finish([{ id: "claude", name: first!.name!, location: world.at("near") }]);
  assert.deepEqual(held(pipeline, new Date())["a.jsonl"], ["far"]);
});

Deno.test("a file with a new time and the old content is safe once a run has read it", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  assert.equal((await runPipeline(pipeline)).status, 0);
  const later = new Date(Date.now() + 1000);
  await Deno.utime(logs[0]!, later, later);
  assert.deepEqual(held(pipeline, later)["a.jsonl"], []);
  const after = new Date(later.getTime() + 1);
  const touched = await runPipeline(pipeline, { clock: () => after });
  assert.deepEqual(touched.snapshots.map(({ name }) => name), [null]);
  assert.deepEqual(held(pipeline, after)["a.jsonl"], ["near", "far"]);
});

Deno.test("a run whose clock was ahead makes nothing safe, until one found all of it by another", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  const ahead = new Date(Date.now() + 1500 * DAY);
  assert.equal((await runPipeline(pipeline, { clock: () => ahead })).status, 0);
  await Deno.writeTextFile(logs[0]!, "more\n", { append: true });
  const now = new Date();
  assert.deepEqual(held(pipeline, now)["a.jsonl"], []);
  await Deno.writeTextFile(logs[0]!, '{"cwd":"/nowhere"}\n');
  age(logs[0]!, 9, now);
  assert.deepEqual((await runPipeline(pipeline)).snapshots.map(({ name }) => name), [null]);
  assert.deepEqual(held(pipeline, new Date())["a.jsonl"], ["near", "far"]);
});

Deno.test("a lost catalog knows nothing, and all again when the next run found nothing new", async () => {
  const { world, pipeline } = await makeWorld();
  using _ = world;
  assert.equal((await runPipeline(pipeline)).status, 0);
  for (const name of ["catalog.db", "catalog.db-wal", "catalog.db-shm"]) {
    await Deno.remove(join(pipeline.state, name)).catch(() => {});
  }
  assert.deepEqual(held(pipeline, new Date())["a.jsonl"], []);
  const again = await runPipeline(pipeline);
  assert.deepEqual(again.snapshots.map(({ name }) => name), [null]);
  assert.deepEqual(held(pipeline, new Date())["a.jsonl"], ["near", "far"]);
});

Deno.test("what could not be read for certain, and another root of the same name, make nothing safe", async () => {
  const { world, pipeline, logs } = await makeWorld();
  using _ = world;
  await Deno.mkdir(pipeline.state, { recursive: true });
  const catalog = Catalog.open(pipeline.state, () => assert.fail(), new Date());
  const created = new Date(Date.now() + 1000);
  const path = ".claude/projects/-home-me-work/a.jsonl";
  const file = { kind: "file", path, mode: 0o600, mtime: 0, size: 0, sha256: "" } as const;
  const add = (name: string, root: string, unreadable: readonly string[]) => {
    catalog.contents.add("claude", name, {
      created,
      roots: [{ name: ".claude", path: root }],
      entries: [file],
      unreadable: unreadable.map((path) => ({ path, reason: "it changed" })),
    });
    const delivery = { id: "claude", name, location: world.at("far"), way: "", bytes: 1 };
    catalog.addDelivery(delivery, created, 1);
  };
  add(CREATED, world.source, [logs[0]!]);
  assert.deepEqual(held(pipeline, created)["a.jsonl"], []);
  add(CREATED.replace("05Z", "06Z"), world.at("other", ".claude"), []);
  assert.deepEqual(held(pipeline, created)["a.jsonl"], []);
  add(CREATED.replace("05Z", "07Z"), world.source, []);
  assert.deepEqual(held(pipeline, created)["a.jsonl"], ["far"]);
  catalog[Symbol.dispose]();
});

Deno.test("a pipeline that reads nothing of Claude Code's has no horizon", async () => {
  const { world } = await makeWorld();
  using _ = world;
  const path = world.at("notes");
  await Deno.mkdir(path);
  const text = world.usual().replace(JSON.stringify(world.source), JSON.stringify(path));
  assert.equal(horizonOf(await world.pipeline(text), new Date()), undefined);
});
