import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Catalog } from "../../pipeline/catalog.ts";
import { loadPipeline } from "../../pipeline/config/load.ts";
import type { Pipeline } from "../../pipeline/config/pipeline.ts";
import { drillPipeline, judge } from "../../pipeline/drill.ts";
import type { Listener } from "../../pipeline/events.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { openScratch } from "../../pipeline/scratch.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import type { Trouble } from "../../pipeline/watch/troubles.ts";
import { World } from "../end_to_end/world.ts";

const DAY = 86_400_000;
const at = (day: number) => () => new Date(Date.UTC(2026, 0, 1) + day * DAY);

/** Each look at the clock finds it a minute later. */
function slowAt(day: number) {
  let minutes = 0;
  return () => new Date(at(day)().getTime() + 60_000 * minutes++);
}

/** A world with a database in it, two destinations, and these keys at the second. */
async function furnished(keys = "", destination = "backups") {
  const world = await World.make();
  const database = new DatabaseSync(join(world.source, "notes.db"));
  database.exec("CREATE TABLE t (a); INSERT INTO t VALUES ('tea')");
  database.close();
  const second = `[[stage]]\nuse = "local"\nid = "usb"\npath = ${
    JSON.stringify(world.at("usb"))
  }\n${keys}\n`;
  return { world, pipeline: await world.pipeline(world.usual({ destination }) + second) };
}

async function fileIn(world: World, folder: string, ending: string): Promise<string> {
  const names = Object.keys(await world.files(folder));
  return world.at(folder, names.filter((name) => name.includes(ending)).toSorted().at(-1)!);
}

Deno.test("drill brings back, looks inside, notes what it proved and leaves no plaintext", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await rejects(drillPipeline(pipeline), { code: "snapshot-missing" });
  await rejects(drillPipeline(pipeline, { destination: "nas" }), { code: "usage" });
  await runPipeline(pipeline, { clock: at(0) });
  const { ok, status, drills } = await drillPipeline(pipeline, { clock: at(1) });
  deepEqual([ok, status], [true, 0]);
  deepEqual(drills.map((drill) => [drill.destination, drill.verdict]), [
    ["local", "proven"],
    ["usb", "proven"],
  ]);
  deepEqual([drills[0]!.lines, drills[0]!.databases], [9000, 1]);
  deepEqual(Object.keys(await world.files("state", "claude", "drill")), ["lock"]);
  const catalog = Catalog.openIfThere(pipeline.state)!;
  const [proof] = catalog.proofs.at(world.at("usb"));
  deepEqual([proof!.since, proof!.proven, proof!.verdict], [at(0)(), at(1)(), "proven"]);
  deepEqual([...catalog.pruning.verifications(world.at("usb")).values()], ["ok"]);
  catalog[Symbol.dispose]();
});

Deno.test("drill fails for damage, is inconclusive without an identity, and forgets no earlier proof", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await runPipeline(pipeline, { clock: at(0) });
  await drillPipeline(pipeline, { clock: at(1) });
  const archive = await fileIn(world, "usb", ".tar.");
  const bytes = await Deno.readFile(archive);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(archive, bytes);
  const damaged = await drillPipeline(pipeline, { clock: at(2) });
  equal(damaged.status, 4);
  deepEqual(damaged.drills.map(({ verdict }) => verdict), ["proven", "failed"]);
  await Deno.remove(world.identity);
  const blind = await drillPipeline(pipeline, { clock: at(3), destination: "local" });
  deepEqual([blind.status, blind.drills.map(({ verdict }) => verdict)], [3, ["inconclusive"]]);
  const catalog = Catalog.openIfThere(pipeline.state)!;
  const [local] = catalog.proofs.at(world.at("backups"));
  const [usb] = catalog.proofs.at(world.at("usb"));
  deepEqual([local!.proven, local!.drilled, local!.verdict], [at(2)(), at(2)(), "inconclusive"]);
  deepEqual([usb!.proven, usb!.drilled, usb!.verdict], [at(1)(), at(2)(), "failed"]);
  deepEqual([...catalog.pruning.verifications(world.at("usb")).values()], ["damaged"]);
  // Who could not look has found out nothing.
  deepEqual([...catalog.pruning.verifications(world.at("backups")).values()], ["ok"]);
  catalog[Symbol.dispose]();
});

Deno.test("drill fails for what came back as it was and is of no use, and for what is gone", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await Deno.writeTextFile(join(world.source, "projects", "x.jsonl"), "{}\n{oops\n{}\n");
  await runPipeline(pipeline);
  const { status, drills: [local] } = await drillPipeline(pipeline, { destination: "local" });
  equal(status, 4);
  deepEqual(local!.flaws, [{ path: ".claude/projects/x.jsonl", reason: "line 2 is no JSON" }]);
  match(local!.failure!.message, /^Cannot use "\.claude\/projects\/x\.jsonl" of "claude\//);
  {
    // All came back: what that is worth is not the destination's doing.
    using catalog = Catalog.openIfThere(pipeline.state)!;
    deepEqual([...catalog.pruning.verifications(world.at("backups")).values()], ["ok"]);
  }
  await Deno.remove(await fileIn(world, "usb", ".json."));
  const { drills: [usb] } = await drillPipeline(pipeline, { destination: "usb" });
  deepEqual([usb!.verdict, usb!.failure!.code], ["failed", "snapshot-missing"]);
  await Deno.remove(world.at("backups"), { recursive: true });
  const { drills: [gone], status: two } = await drillPipeline(pipeline, { destination: "local" });
  deepEqual([gone!.verdict, gone!.id, two], ["inconclusive", "claude", 2]);
});

Deno.test("a drill that is interrupted at one destination has noted what it found at another", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await runPipeline(pipeline, { clock: at(0) });
  await Deno.truncate(await fileIn(world, "backups", ".tar."), 100);
  const stop = new AbortController();
  const listener: Listener = (event) => {
    if (event.type === "stage-started" && event.stage === "usb") stop.abort(new Error("Stop"));
  };
  await rejects(drillPipeline(pipeline, { signal: stop.signal, listener }), { message: "Stop" });
  using catalog = Catalog.openIfThere(pipeline.state)!;
  deepEqual([...catalog.pruning.verifications(world.at("backups")).values()], ["damaged"]);
});

Deno.test("run drills when that is due, and ends with 2 when a proof is overdue", async () => {
  const { world, pipeline } = await furnished('drill_every = "7d"\nmax_unproven = "14d"');
  using _ = world;
  const first = await runPipeline(pipeline, { clock: slowAt(0) });
  deepEqual([first.status, first.drills?.map(({ verdict }) => verdict)], [0, ["proven"]]);
  for (const day of [1, 2, 6]) {
    equal((await runPipeline(pipeline, { clock: slowAt(day) })).drills, undefined);
  }
  const second = await runPipeline(pipeline, { clock: at(7) });
  deepEqual(second.drills?.map(({ destination }) => destination), ["usb"]);
  await Deno.rename(world.identity, world.at("elsewhere"));
  const blind = await runPipeline(pipeline, { clock: at(16) });
  deepEqual([blind.status, blind.drills?.map(({ verdict }) => verdict)], [0, ["inconclusive"]]);
  equal(blind.unproven, undefined);
  const late = await runPipeline(pipeline, { clock: at(23) });
  equal(late.status, 2);
  deepEqual(late.unproven?.map(({ destination, id, proven }) => [destination, id, proven]), [
    ["usb", "claude", at(7)()],
  ]);
  await Deno.rename(world.at("elsewhere"), world.identity);
  equal((await runPipeline(pipeline, { clock: at(24) })).status, 0);
  const archive = await fileIn(world, "usb", ".tar.");
  const bytes = await Deno.readFile(archive);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(archive, bytes);
  const failed = await runPipeline(pipeline, { clock: at(32) });
  deepEqual([failed.status, failed.ok, failed.unproven], [2, false, undefined]);
  deepEqual(failed.drills?.map(({ verdict }) => verdict), ["failed"]);
});

Deno.test("a file that nobody could look into makes a drill neither proven nor failed", () => {
  const unchecked = [{ path: "a.db", reason: "it is in use" }];
  const inspection = { lines: 0, databases: 0, flaws: [], unchecked };
  const about = { id: "m", name: "n", destination: "usb", files: 1, bytes: 1, seconds: 1 };
  const { verdict, failure } = judge({ ...about, status: "ok", inspection }, "/usb");
  deepEqual([verdict, failure?.code], ["inconclusive", "stage-failed"]);
});

Deno.test("an id that was renamed, and removed by hand, is to be proven no more", async () => {
  const { world, pipeline } = await furnished('max_unproven = "14d"');
  using _ = world;
  await runPipeline(pipeline, { clock: at(0) });
  const archive = await fileIn(world, "usb", ".tar.");
  await Deno.truncate(archive, 100);
  equal((await drillPipeline(pipeline, { clock: at(1), destination: "usb" })).status, 4);
  const file = world.at("claude.toml");
  const text = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, text.replace('id = "claude"', 'id = "renamed"'));
  const renamed = await loadPipeline(file, { environment: {}, home: world.at("home") });
  await runPipeline(renamed, { clock: at(2) });
  await Deno.remove(world.at("usb", "claude"), { recursive: true });
  const [{ subject }] = troublesOf(renamed) as [Trouble];
  equal(subject, "drill usb/claude");
  const catalog = Catalog.openIfThere(pipeline.state)!;
  for (const kind of ["proof", "store"] as const) {
    catalog.watch.raise({ subject: `${kind} usb/claude`, message: "It is so", hint: "" }, at(3)());
  }
  catalog[Symbol.dispose]();
  await verifySnapshots({ pipeline: renamed, forgetMissing: true });
  deepEqual(troublesOf(renamed), []);
  using later = Catalog.openIfThere(pipeline.state)!;
  later.watch.raise({ subject: "proof usb/renamed", message: "It is late", hint: "" }, at(19)());
  equal((await drillPipeline(renamed, { clock: at(20) })).ok, true);
  deepEqual(troublesOf(renamed), []);
  const { status, unproven } = await runPipeline(renamed, { clock: at(21) });
  deepEqual([status, unproven], [0, undefined]);
});

function troublesOf({ state }: Pipeline): Trouble[] {
  const catalog = Catalog.openIfThere(state)!;
  const { troubles } = catalog.watch;
  catalog[Symbol.dispose]();
  return troubles;
}

Deno.test("what a drill that was killed left behind is gone after the next run; one at work is left alone", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  const left = join(pipeline.state, "drill", "scratch");
  await Deno.mkdir(left, { recursive: true });
  await Deno.writeTextFile(join(left, "x"), "plaintext");
  await runPipeline(pipeline);
  await rejects(Deno.lstat(left), Deno.errors.NotFound);
  {
    await using scratch = await openScratch(pipeline.state);
    await runPipeline(pipeline, { force: true });
    equal((await Deno.lstat(scratch.path)).isDirectory, true);
    await rejects(drillPipeline(pipeline), { code: "run-in-progress" });
  }
  equal((await drillPipeline(pipeline)).ok, true);
});
