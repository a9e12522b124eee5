import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { acceptLosses, openSuspicions } from "../../../pipeline/accept.ts";
import { listSnapshots } from "../../../pipeline/list.ts";
import { prunePipeline } from "../../../pipeline/prune.ts";
import { runPipeline } from "../../../pipeline/run.ts";
import { World } from "../../end_to_end/world.ts";

const PROJECT = "projects/-home-me-work";

/** A world in which everything can be lost, and where one snapshot is kept. */
async function furnished() {
  const world = await World.make();
  const at = (path: string) => join(world.source, path);
  await Deno.writeTextFile(at("settings.json"), '{"hooks":{"Stop":[{"hooks":[]}]}}');
  await Deno.writeTextFile(at(`${PROJECT}/memory/tea.md`), "green");
  await Deno.writeTextFile(at(`${PROJECT}/memory/MEMORY.md`), "- tea\n".repeat(20));
  const pipeline = await world.pipeline(`${world.usual()}\nkeep_last = 1\nforget_deleted = true\n`);
  let second = 0;
  const clock = () => new Date(Date.UTC(2026, 0, 1, 0, 0, second += 10));
  const run = async () => {
    const report = await runPipeline(pipeline, { clock });
    equal(report.status, 0, JSON.stringify(report));
    return report.snapshots[0]!;
  };
  return { world, pipeline, at, run };
}

Deno.test("whatever goes missing marks the snapshot, with what it was and how to get it back", async () => {
  const { world, pipeline, at, run } = await furnished();
  using _ = world;
  const good = await run();
  equal(good.suspect, undefined);
  await Deno.writeTextFile(at(`${PROJECT}/session.jsonl`), "{}\n", { append: true });
  await Deno.writeTextFile(at("CLAUDE.md"), "# Be kinder\n");
  const fine = await run();
  equal(fine.suspect, undefined, "A log that grew, and a file that changed, are nothing special");

  await Deno.remove(at(`${PROJECT}/memory/tea.md`));
  await Deno.writeTextFile(at(`${PROJECT}/memory/MEMORY.md`), "- tea\n".repeat(10));
  await Deno.writeTextFile(at("settings.json"), "{}");
  const log = await Deno.readFile(at(`${PROJECT}/session.jsonl`));
  log[5]! ^= 1;
  await Deno.writeFile(at(`${PROJECT}/session.jsonl`), log);
  await Deno.writeTextFile(at(`${PROJECT}/session.jsonl`), "{}\n", { append: true });
  const bad = await run();
  deepEqual(bad.suspect!.shrinkages.map(({ path, what }) => `${path} ${what}`), [
    `.claude/${PROJECT}/memory/MEMORY.md index-halved`,
    `.claude/${PROJECT}/memory/tea.md memory-gone`,
    `.claude/${PROJECT}/session.jsonl log-rewritten`,
    ".claude/settings.json hooks-lost",
  ]);
  deepEqual(bad.suspect!.news, bad.suspect!.shrinkages);
  deepEqual([bad.suspect!.since, bad.suspect!.good], [bad.name, fine.name]);
  const { snapshots } = await listSnapshots({ pipeline });
  deepEqual(snapshots.map(({ name, suspect }) => [name, suspect]), [
    [fine.name, false],
    [bad.name, true],
  ]);
});

Deno.test("nothing is pruned while something is missing, it is news once, and ends when it is back", async () => {
  const { world, pipeline, at, run } = await furnished();
  using _ = world;
  const count = async () => (await listSnapshots({ pipeline })).snapshots.length;
  const good = await run();
  await Deno.remove(at(`${PROJECT}/memory/tea.md`));
  const bad = await run();
  await Deno.writeTextFile(at("CLAUDE.md"), "# Be kinder\n");
  const later = await run();
  deepEqual([later.suspect!.news, later.suspect!.since, later.suspect!.good], [
    [],
    bad.name,
    good.name,
  ]);
  equal((await run()).suspect!.since, bad.name, "An unchanged run reminds of it");
  equal(await count(), 3);
  const { destinations: [pruned] } = await prunePipeline(pipeline, { dryRun: true });
  for (const { keep, reasons } of pruned!.items) {
    equal(keep, true);
    match(reasons[0]!, /^paused: something seems to be lost since .*, see "keepsake accept"$/);
  }
  await Deno.writeTextFile(at(`${PROJECT}/memory/tea.md`), "green");
  equal((await run()).suspect, undefined);
  deepEqual(openSuspicions(pipeline), []);
  equal(await count(), 1);
});

Deno.test("accepting ends it: the files are not missed any more, and pruning goes on", async () => {
  const { world, pipeline, at, run } = await furnished();
  using _ = world;
  deepEqual(await acceptLosses(pipeline, undefined), []);
  await run();
  await Deno.remove(at(`${PROJECT}/memory/tea.md`));
  await run();
  await rejects(acceptLosses(pipeline, "other"), { code: "usage" });
  equal((await acceptLosses(pipeline, "claude")).length, 1);
  deepEqual(openSuspicions(pipeline), []);
  await Deno.writeTextFile(at("CLAUDE.md"), "# Be kinder\n");
  equal((await run()).suspect, undefined);
  const { snapshots } = await listSnapshots({ pipeline });
  deepEqual(snapshots.map(({ suspect }) => suspect), [false]);
});

Deno.test("what no destination took is compared again by the next run", async () => {
  const { world, pipeline, at, run } = await furnished();
  using _ = world;
  await run();
  await Deno.remove(at(`${PROJECT}/memory/tea.md`));
  const dry = await runPipeline(pipeline, { dryRun: true });
  equal(dry.snapshots[0]!.suspect, undefined);
  equal((await run()).suspect!.news.length, 1);
});

Deno.test("what one id lost is accepted alone", async () => {
  const { world, at } = await furnished();
  using _ = world;
  const source = (id: string) =>
    `[[stage]]\nuse = "snapshot"\nid = "${id}"\npaths = ["${world.source}"]\n`;
  const local = `[[stage]]\nuse = "local"\nplaintext = true\npath = "${world.at("plain")}"\n`;
  const pipeline = await world.pipeline(source("claude") + source("other") + local);
  await runPipeline(pipeline);
  await Deno.remove(at(`${PROJECT}/memory/tea.md`));
  await runPipeline(pipeline);
  deepEqual((await acceptLosses(pipeline, "claude")).map(({ id }) => id), ["claude"]);
  deepEqual(openSuspicions(pipeline).map(({ id }) => id), ["other"]);
});
