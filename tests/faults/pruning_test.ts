/** Retention at work: real runs, on a clock of their own, into a real directory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Catalog } from "../../pipeline/catalog.ts";
import type { Event, Pruning, RunReport } from "../../pipeline/events.ts";
import { listSnapshots } from "../../pipeline/list.ts";
import { type PruneOptions, prunePipeline } from "../../pipeline/prune.ts";
import { statusOf } from "../../pipeline/status.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { complaints, filesIn, Sandbox, type Stages } from "./harness.ts";

type Keys = Readonly<Record<string, unknown>>;

/** Snapshot `m` into `backups`, where these keys hold. */
function keeping(keys: Keys): Stages {
  return (sandbox) =>
    [
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree], compress: "none" }),
      sandbox.stage("local", {
        ...{ id: "backups", path: sandbox.destination(), plaintext: true },
        ...keys,
      }),
    ].join("");
}

/** The same, encrypted and past a gate. */
function sealed(keys: Keys): Stages {
  return (sandbox) =>
    [
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }),
      sandbox.stage("hash-gate"),
      sandbox.stage("encrypt", { to: [sandbox.recipient] }),
      sandbox.stage("local", { id: "backups", path: sandbox.destination(), ...keys }),
    ].join("");
}

const FILES = { "a.txt": "a", "b.txt": "b" };

/** A sandbox with a snapshot for each of so many days, of which all stay. */
async function withDays(days: number, stages = keeping): Promise<Sandbox> {
  const sandbox = await Sandbox.make(stages({}), FILES);
  for (let day = 1; day <= days; day++) await runOn(sandbox, day);
  return sandbox;
}

function dayOf(day: number): () => Date {
  return () => new Date(Date.UTC(2026, 9, day, 3));
}

async function runOn(sandbox: Sandbox, day: number): Promise<RunReport> {
  sandbox.change();
  return await sandbox.backUp({ clock: dayOf(day) });
}

async function pruneOn(
  sandbox: Sandbox,
  day: number,
  options: PruneOptions = {},
): Promise<Pruning> {
  const { destinations } = await prunePipeline(sandbox.pipeline, {
    clock: dayOf(day),
    ...options,
  });
  return destinations[0]!;
}

/** The days of what is kept there: `m 01`. */
function stored(sandbox: Sandbox): string[] {
  const manifests = [...filesIn(sandbox.destination()).keys()]
    .filter((path) => path.includes(".json"));
  return manifests.map((path) => path.replace(/^(.*)\/\d{6}(\d\d)T.*$/, "$1 $2")).toSorted();
}

/** Archives that no manifest stands beside, and manifests without an archive. */
function halves(sandbox: Sandbox): { archives: string[]; manifests: string[] } {
  const names = new Map<string, string[]>();
  for (const path of filesIn(sandbox.destination()).keys()) {
    const [, name, kind] = /^(.*?)\.(tar|json)/.exec(path)!;
    names.set(name!, [...names.get(name!) ?? [], kind!]);
  }
  const alone = (kind: string) =>
    [...names].filter(([, kinds]) => kinds.length === 1 && kinds[0] === kind).map(([name]) => name);
  return { archives: alone("tar"), manifests: alone("json") };
}

function fates({ items }: Pruning): string[] {
  return items.map(({ name, what, keep, removed, reasons }) => {
    const fate = keep ? "keep" : removed ? "removed" : "remove";
    return `${name.slice(6, 8)} ${what === "archive" ? "archive " : ""}${fate}: ${
      reasons.join("; ")
    }`;
  });
}

Deno.test("a run removes what its destination does not keep, and tells so", async () => {
  using sandbox = await withDays(3, sealed);
  await sandbox.configure(sealed({ keep_last: 2 }));
  const events: Event[] = [];
  sandbox.change();
  const report = await sandbox.backUp({
    clock: dayOf(4),
    listener: (event) => events.push(event),
  });
  assert.deepEqual(stored(sandbox), ["m 03", "m 04"]);
  assert.deepEqual(halves(sandbox), { archives: [], manifests: [] });
  const [pruning] = report.pruned!;
  assert.equal(pruning?.id, "backups");
  assert.deepEqual(fates(pruning), [
    "01 removed: beyond keep_last = 2",
    "02 removed: beyond keep_last = 2",
  ]);
  assert.deepEqual(
    events.filter(({ type }) => type === "snapshot-removed").map((event) =>
      "snapshot" in event && event.snapshot?.slice(0, 10)
    ),
    ["m/20261001", "m/20261002"],
  );
  // Nothing is missed that was removed on purpose.
  assert.equal(await sandbox.verifyAll(), 2);
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
  const unchanged = await sandbox.backUp({ clock: dayOf(5) });
  assert.deepEqual(unchanged.pruned?.[0]?.items, []);
});

Deno.test("without a keep_ key nothing is ever removed, and nobody looks", async () => {
  using sandbox = await withDays(2);
  const { policy, items } = await pruneOn(sandbox, 20);
  assert.deepEqual({ policy, items }, { policy: [], items: [] });
  assert.deepEqual(stored(sandbox), ["m 01", "m 02"]);
});

Deno.test("a deleted file stays restorable for as long as it may not be forgotten", async () => {
  using sandbox = await Sandbox.make(keeping({ keep_last: 1 }), FILES);
  sandbox.write("deleted.txt", "precious");
  await runOn(sandbox, 2);
  await runOn(sandbox, 3);
  await Deno.remove(join(sandbox.tree, "deleted.txt"));
  for (const day of [5, 6]) await runOn(sandbox, day);
  assert.deepEqual(stored(sandbox), ["m 03", "m 06"]);
  const found = await sandbox.restore("20261003");
  assert.ok(found.some((line) => line.startsWith("deleted.txt ")), found.join("\n"));
  assert.deepEqual(fates(await pruneOn(sandbox, 6, { dryRun: true })), [
    "03 keep: the only copy of 1 file that no newer kept snapshot holds: tree/deleted.txt",
    "06 keep: newest; last 1 of 1",
  ]);

  await sandbox.configure(keeping({ keep_last: 1, forget_deleted: true }));
  await runOn(sandbox, 7);
  assert.deepEqual(stored(sandbox), ["m 07"]);
});

Deno.test("a dry run tells the fate of every snapshot and removes nothing", async () => {
  using sandbox = await withDays(3);
  await sandbox.configure(keeping({ keep_last: 1 }));
  const before = filesIn(sandbox.destination());
  assert.deepEqual(fates(await pruneOn(sandbox, 4, { dryRun: true })), [
    "01 remove: beyond keep_last = 1",
    "02 remove: beyond keep_last = 1",
    "03 keep: newest; last 1 of 1",
  ]);
  assert.deepEqual(filesIn(sandbox.destination()), before);
});

Deno.test("what a snapshot holds is known for as long as some destination has it", async () => {
  const both: Stages = (sandbox) =>
    sealed({ keep_last: 1 })(sandbox) +
    sandbox.stage("local", { id: "usb", path: sandbox.destination("usb"), keep_last: 2 });
  using sandbox = await Sandbox.make(both, FILES);
  for (const day of [1, 2, 3]) await runOn(sandbox, day);
  assert.deepEqual(stored(sandbox), ["m 03"]);
  const [first, ...others] = fates(await pruneOn(sandbox, 3, { destination: "usb" }));
  assert.deepEqual([first?.slice(0, 8), others.length], ["02 keep:", 1]);
});

Deno.test("after a run that failed nothing is removed, by it or by hand", async () => {
  using sandbox = await withDays(3);
  await sandbox.configure(keeping({ keep_last: 1 }));
  sandbox.change();
  // A name that is no UTF-8 cannot be read, not even by root.
  const shell = ["-c", `printf lost > "$0/$(printf 'odd\\377')"`, sandbox.tree];
  assert.ok((await new Deno.Command("sh", { args: shell }).output()).success);
  const report = await sandbox.run({ clock: dayOf(4) });
  assert.equal(report.snapshots[0]?.unreadable.length, 1);
  assert.equal(report.pruned, undefined);
  assert.deepEqual(stored(sandbox), ["m 01", "m 02", "m 03", "m 04"]);
  const pruning = await pruneOn(sandbox, 4);
  assert.ok(pruning.items.every(({ keep }) => keep));
  assert.equal(pruning.items[0]?.reasons[0], "the last run of it did not succeed");
});

Deno.test("nothing is removed where this run stored nothing, though it did elsewhere", async () => {
  const both: Stages = (sandbox) =>
    keeping({})(sandbox) + sandbox.stage("local", {
      ...{ id: "usb", path: sandbox.destination("usb"), plaintext: true },
      ...{ secrets: "block", keep_last: 1 },
    });
  using sandbox = await Sandbox.make(
    (sandbox) => both(sandbox).replace("keep_last = 1", ""),
    FILES,
  );
  for (const day of [1, 2]) await runOn(sandbox, day);
  await sandbox.configure(both);
  sandbox.write("token.txt", `ghp_${"a1B2".repeat(9)}`);
  const report = await sandbox.run({ clock: dayOf(3) });
  assert.deepEqual(report.snapshots[0]!.destinations.map(({ status }) => status), ["ok", "failed"]);
  assert.equal(filesIn(sandbox.destination("usb")).size, 4);
});

Deno.test("a dry run says nothing of how the last one fared", async () => {
  using sandbox = await withDays(2);
  await sandbox.configure(keeping({ keep_last: 1 }));
  await sandbox.backUp({ clock: dayOf(3), dryRun: true });
  assert.equal(fates(await pruneOn(sandbox, 3))[0], "01 removed: beyond keep_last = 1");
});

Deno.test("a run that was killed, or is unknown, is none that succeeded", async () => {
  using sandbox = await withDays(3);
  await sandbox.configure(keeping({ keep_last: 1 }));
  const [manifest] = [...filesIn(sandbox.destination()).keys()]
    .filter((path) => path.includes("20261001") && path.includes(".json"));
  await Deno.remove(join(sandbox.destination(), manifest!));
  const catalog = Catalog.open(sandbox.state, () => {}, new Date());
  const [first] = catalog.deliveriesTo(sandbox.destination());
  catalog.pruning.finish([{ ...first!, location: sandbox.destination() }]);
  catalog.runs.begin(new Date());
  catalog[Symbol.dispose]();
  const killed = await pruneOn(sandbox, 3);
  assert.ok(killed.items.every(({ keep }) => keep));
  assert.equal(killed.items[0]?.what, "archive");
  assert.equal(killed.items[0]?.reasons[0], "the last run did not end in order: run again first");

  await Deno.remove(join(sandbox.state, "catalog.db"));
  const unknown = await pruneOn(sandbox, 3);
  assert.equal(unknown.items[0]?.reasons[0], "no run of it is known here: run first");
  assert.deepEqual(stored(sandbox), ["m 02", "m 03"]);
  assert.equal(halves(sandbox).archives.length, 1);
});

Deno.test("snapshots of m and of m-work never touch each other's copies", async () => {
  const two = (keys: Keys): Stages => (sandbox) =>
    sandbox.stage("snapshot", { id: "m-work", paths: [sandbox.tree] }) + keeping(keys)(sandbox);
  using sandbox = await Sandbox.make(two({}), FILES);
  for (const day of [1, 2]) await runOn(sandbox, day);
  await sandbox.configure(two({ keep_last: 1 }));
  sandbox.change();
  await sandbox.backUp({ clock: dayOf(3), only: ["m"] });
  assert.deepEqual(stored(sandbox), ["m 03", "m-work 01", "m-work 02"]);

  const renamed: Stages = (sandbox) =>
    two({ keep_last: 1 })(sandbox).replace('id = "m-work"', 'id = "m-play"');
  const elsewhere: Stages = (sandbox) =>
    two({ keep_last: 1, only: ["m"] })(sandbox) +
    sandbox.stage("local", { id: "usb", path: sandbox.destination("usb"), plaintext: true });
  for (const stages of [renamed, elsewhere]) {
    await sandbox.configure(stages);
    const { items } = await pruneOn(sandbox, 3);
    const work = items.filter(({ id }) => id === "m-work");
    assert.equal(work.length, 2);
    for (const { keep, reasons } of work) {
      assert.deepEqual([keep, reasons], [true, [
        "no snapshot stage of this pipeline stores it here",
      ]]);
    }
  }
});

Deno.test("what a lost catalog knew is read off the manifests, where an identity is at hand", async () => {
  using sandbox = await withDays(2, sealed);
  await sandbox.configure(sealed({ keep_last: 1 }));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await runOn(sandbox, 4);
  // A run has no identity: it keeps what it does not know.
  assert.deepEqual(stored(sandbox), ["m 01", "m 02", "m 04"]);

  const identity = await Deno.readTextFile(sandbox.identityFile);
  await Deno.remove(sandbox.identityFile);
  assert.deepEqual(
    fates(await pruneOn(sandbox, 4))[0],
    "01 keep: what it holds is not known here",
  );
  assert.deepEqual(stored(sandbox), ["m 01", "m 02", "m 04"]);

  await Deno.writeTextFile(sandbox.identityFile, identity);
  await pruneOn(sandbox, 4);
  assert.deepEqual(stored(sandbox), ["m 04"]);
});

Deno.test("what another machine or pipeline stored under the same id stays, and takes nobody's place", async () => {
  using sandbox = await withDays(4);
  const [, second, third] = [...filesIn(sandbox.destination()).keys()].toSorted()
    .filter((path) => path.includes(".json")).map((path) => join(sandbox.destination(), path));
  const manifest = JSON.parse(await Deno.readTextFile(second!));
  await Deno.writeTextFile(second!, JSON.stringify({ ...manifest, host: "elsewhere" }));
  const another = JSON.parse(await Deno.readTextFile(third!));
  await Deno.writeTextFile(third!, JSON.stringify({ ...another, pipeline: "other" }));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await sandbox.configure(keeping({ keep_last: 2 }));
  await runOn(sandbox, 5);
  assert.deepEqual(fates(await pruneOn(sandbox, 6)), [
    "01 removed: beyond keep_last = 2",
    '02 keep: it was made on "elsewhere": prune it there, or remove it by hand',
    '03 keep: it was made by the pipeline "other": prune it with that, or remove it by hand',
    "04 keep: last 2 of 2",
    "05 keep: newest; last 1 of 2",
  ]);
});

Deno.test("what a run found held stays, though it knows what it holds, until prune sees who made it", async () => {
  using sandbox = await withDays(1, sealed);
  await Deno.remove(join(sandbox.state, "catalog.db")); // As if another machine had made it.
  await sandbox.configure(sealed({ keep_last: 1 }));
  const { snapshots } = await sandbox.backUp({ clock: dayOf(2) });
  assert.equal(snapshots[0]?.destinations[0]?.status, "unchanged");
  for (const day of [3, 4]) await runOn(sandbox, day);
  assert.deepEqual(stored(sandbox), ["m 01", "m 04"]);
  await pruneOn(sandbox, 4);
  assert.deepEqual(stored(sandbox), ["m 04"]);
});

Deno.test("what nobody could look into stays, and takes nobody's place, whatever may be forgotten", async () => {
  using sandbox = await withDays(2, sealed);
  await Deno.remove(join(sandbox.state, "catalog.db")); // As if another machine had made them.
  await sandbox.configure(sealed({ keep_last: 2, forget_deleted: true }));
  for (const day of [3, 4, 5]) await runOn(sandbox, day);
  assert.deepEqual(stored(sandbox), ["m 01", "m 02", "m 04", "m 05"]);

  await Deno.remove(sandbox.identityFile);
  assert.deepEqual(fates(await pruneOn(sandbox, 5)).slice(0, 2), [
    "01 keep: what it holds is not known here",
    "02 keep: what it holds is not known here",
  ]);
});

Deno.test("the last verified snapshot stays", async () => {
  using sandbox = await withDays(2);
  await verifySnapshots({ pipeline: sandbox.pipeline });
  await sandbox.configure(keeping({ keep_last: 1 }));
  for (const day of [3, 4]) await runOn(sandbox, day);
  assert.deepEqual(stored(sandbox), ["m 02", "m 04"]);
  await verifySnapshots({ pipeline: sandbox.pipeline });
  await runOn(sandbox, 5);
  assert.deepEqual(stored(sandbox), ["m 04", "m 05"]);
});

for (const state of ["cut short", "found damaged"] as const) {
  Deno.test(`a snapshot whose archive was ${state} takes nobody's place`, async () => {
    using sandbox = await withDays(3);
    const [newest] = [...filesIn(sandbox.destination()).keys()]
      .filter((path) => path.includes("20261003") && path.includes(".tar"));
    const path = join(sandbox.destination(), newest!);
    if (state === "cut short") await Deno.truncate(path, 100);
    else {
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.fill(0, 600, 700));
      await verifySnapshots({ pipeline: sandbox.pipeline });
    }
    await sandbox.configure(keeping({ keep_last: 1 }));
    assert.deepEqual(fates(await pruneOn(sandbox, 3)), [
      "01 removed: beyond keep_last = 1",
      "02 keep: newest complete one; last 1 of 1, of the complete ones",
      "03 keep: newest; last 1 of 1",
    ]);
  });
}

Deno.test("a manifest that has lost its archive takes nobody's place, also where a lost catalog knew it", async () => {
  using sandbox = await withDays(3);
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await runOn(sandbox, 4);
  const [archive] = [...filesIn(sandbox.destination()).keys()]
    .filter((path) => path.includes("20261003") && path.includes(".tar"));
  await Deno.remove(join(sandbox.destination(), archive!));
  await sandbox.configure(keeping({ keep_last: 2 }));
  assert.deepEqual(fates(await pruneOn(sandbox, 4)), [
    "01 removed: beyond keep_last = 2",
    "02 keep: last 2 of 2, of the complete ones",
    "03 keep: last 2 of 2",
    "04 keep: newest; last 1 of 2",
  ]);
});

Deno.test("a snapshot that was verified, and whose manifest is damaged since, is not the last verified one", async () => {
  using sandbox = await withDays(3);
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await runOn(sandbox, 4);
  const manifests = [...filesIn(sandbox.destination()).keys()].toSorted()
    .filter((path) => path.includes(".json"));
  for (const path of manifests.slice(1, 3)) {
    const [snapshot] = path.split(".");
    await verifySnapshots({ pipeline: sandbox.pipeline, snapshot });
  }
  await Deno.writeTextFile(join(sandbox.destination(), manifests[2]!), "{");
  await sandbox.configure(keeping({ keep_last: 1, forget_deleted: true }));
  assert.deepEqual(fates(await pruneOn(sandbox, 4)), [
    "01 removed: beyond keep_last = 1",
    "02 keep: last verified one",
    "03 removed: beyond keep_last = 1",
    "04 keep: newest; last 1 of 1",
  ]);
});

Deno.test("an archive without a manifest goes when this machine left it, and stays in any doubt", async () => {
  using sandbox = await withDays(4);
  await sandbox.configure(keeping({ keep_last: 9 }));
  const pathOf = (day: string, kind: string) =>
    join(
      sandbox.destination(),
      [...filesIn(sandbox.destination()).keys()]
        .find((path) => path.includes(`202610${day}`) && path.includes(kind))!,
    );
  // 01: killed between archive and manifest. 02: the manifest was lost. 04: may still come.
  for (const day of ["01", "02", "04"]) await Deno.remove(pathOf(day, ".json"));
  const foreign = "m/20261002T000000Z-0123456789ab.tar.zst.age";
  await Deno.writeTextFile(join(sandbox.destination(), foreign), "of another machine");
  const catalog = Catalog.open(sandbox.state, () => {}, new Date());
  const [first] = catalog.deliveriesTo(sandbox.destination());
  catalog.pruning.finish([{ ...first!, location: sandbox.destination() }]);
  catalog[Symbol.dispose]();
  const archive = "an archive that";
  assert.deepEqual(fates(await pruneOn(sandbox, 5)), [
    "01 archive removed: left by a run that was cut short",
    "02 archive keep: an archive without a manifest, of another machine as far as is known",
    `02 archive keep: ${archive} lost its manifest, and can be unpacked without`,
    "03 keep: newest; last 1 of 9",
    `04 archive keep: ${archive} may be about to get its manifest`,
  ]);
  assert.equal(halves(sandbox).archives.length, 3);
});

Deno.test("an archive that lost its manifest stays where a lost catalog knew it, whatever another place tells", async () => {
  const both = (sandbox: Sandbox) =>
    sealed({ keep_last: 3 })(sandbox) +
    sandbox.stage("local", { id: "usb", path: sandbox.destination("usb"), keep_last: 9 });
  using sandbox = await withDays(3, () => both);
  const usb = sandbox.destination("usb");
  const lost = [...filesIn(usb).keys()].find((path) => /20261002.*\.json/.test(path))!;
  await Deno.remove(join(usb, lost));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await runOn(sandbox, 4);
  await pruneOn(sandbox, 5);
  const { destinations: [, pruning] } = await prunePipeline(sandbox.pipeline, { clock: dayOf(5) });
  assert.equal(
    fates(pruning!)[1],
    "02 archive keep: an archive that lost its manifest, and can be unpacked without",
  );
});

Deno.test("an archive that lost its manifest stays where its destination was moved to", async () => {
  using sandbox = await withDays(3);
  const lost = [...filesIn(sandbox.destination()).keys()].find((path) =>
    /20261001.*json/.test(path)
  );
  await Deno.remove(join(sandbox.destination(), lost!));
  await Deno.rename(sandbox.destination(), sandbox.destination("moved"));
  await sandbox.configure((sandbox) =>
    keeping({ keep_last: 9 })(sandbox).replace(/\/backups"/, '/moved"')
  );
  sandbox.change();
  assert.deepEqual((await sandbox.backUp({ clock: dayOf(4) })).pruned?.[0]?.items, []);
  assert.equal(
    fates(await pruneOn(sandbox, 4))[0],
    "01 archive keep: an archive that lost its manifest, and can be unpacked without",
  );
});

Deno.test("a destination that cannot be pruned fails, and the run with it; nothing is lost", async () => {
  using sandbox = await withDays(2);
  await sandbox.configure(keeping({ keep_last: 1 }));
  const away = `${sandbox.destination()}-away`;
  await Deno.rename(sandbox.destination(), away);
  const { destinations, status } = await prunePipeline(sandbox.pipeline, { clock: dayOf(3) });
  assert.equal(status, 2);
  assert.equal(destinations[0]?.failure?.code, "destination-unreachable");
  await Deno.rename(away, sandbox.destination());
  assert.deepEqual(stored(sandbox), ["m 01", "m 02"]);
});

Deno.test("a removal that was begun and never came far is judged anew, and misses nothing", async () => {
  using sandbox = await withDays(2);
  await sandbox.configure(keeping({ keep_last: 9 }));
  const location = sandbox.destination();
  const catalog = Catalog.open(sandbox.state, () => {}, new Date());
  const [first] = catalog.deliveriesTo(location);
  catalog.pruning.begin([{ ...first!, location }]);
  assert.equal(catalog.deliveriesTo(location).length, 1);
  await pruneOn(sandbox, 3);
  assert.equal(catalog.deliveriesTo(location).length, 2);
  catalog[Symbol.dispose]();
});

Deno.test("verify misses nothing that is pruned while it looks", async () => {
  using sandbox = await withDays(2);
  const location = sandbox.destination();
  let looked = false;
  const { ok, verifications } = await verifySnapshots({
    pipeline: sandbox.pipeline,
    all: true,
    // Everything is listed, and nothing has been fetched.
    listener: ({ type }) => {
      if (type !== "stage-started" || looked) return;
      looked = true;
      // What pruning does, in its order.
      const catalog = Catalog.open(sandbox.state, () => {}, new Date());
      catalog.pruning.begin([{ ...catalog.deliveriesTo(location)[0]!, location }]);
      catalog[Symbol.dispose]();
      for (const path of filesIn(location).keys()) {
        if (path.includes("20261001")) Deno.removeSync(join(location, path));
      }
    },
  });
  assert.deepEqual(verifications.map(({ status }) => status), ["ok"]);
  assert.ok(ok);
});

Deno.test("what was removed by hand is missed until verify is told to forget it", async () => {
  using sandbox = await withDays(3);
  for (const path of filesIn(sandbox.destination()).keys()) {
    if (path.includes("20261001")) await Deno.remove(join(sandbox.destination(), path));
  }
  const { pipeline } = sandbox;
  const known = () =>
    statusOf(pipeline, new Date()).places.map(({ count, missing }) => [count, missing]);
  assert.deepEqual(known(), [[3, 0]]);
  const before = await verifySnapshots({ pipeline });
  assert.equal(before.status, 4);
  assert.deepEqual(before.verifications.map(({ status }) => status), ["ok", "damaged"]);
  const { message, hint } = before.verifications.at(-1)!.failure!;
  assert.match(message, /its manifest is gone/);
  assert.match(hint ?? "", /no other destination has it.*verify --forget-missing/);
  assert.doesNotMatch(hint ?? "", /--force/);
  assert.deepEqual(known(), [[2, 1]]);
  const told = await verifySnapshots({ pipeline, forgetMissing: true });
  assert.deepEqual([told.ok, told.status], [true, 0]);
  assert.deepEqual(told.verifications.map(({ status }) => status), ["ok", "forgotten"]);
  assert.deepEqual(known(), [[2, 0]]);
  const after = await verifySnapshots({ pipeline, all: true });
  assert.deepEqual([after.status, after.verifications.length], [0, 2]);
  assert.deepEqual(complaints(await runOn(sandbox, 4)), []);
});

Deno.test("a run notices what is gone, says so once it ends, and status tells of it", async () => {
  using sandbox = await withDays(2);
  for (const path of filesIn(sandbox.destination()).keys()) {
    if (path.includes("20261001")) await Deno.remove(join(sandbox.destination(), path));
  }
  const said: string[] = [];
  await sandbox.backUp({
    listener: (event) => void (event.type === "log" && said.push(event.message)),
  });
  assert.match(said.join("\n"), /1 of 2 snapshots that were stored there are gone/);
  const [place] = statusOf(sandbox.pipeline, new Date()).places;
  assert.deepEqual([place?.count, place?.missing], [2, 1]);
});

Deno.test("a manifest that has lost its archive is no snapshot, and there is a way out", async () => {
  using sandbox = await withDays(2);
  const [archive = ""] = [...filesIn(sandbox.destination()).keys()]
    .filter((path) => path.includes("20261001") && path.includes(".tar"));
  await Deno.remove(join(sandbox.destination(), archive));
  const { pipeline } = sandbox;
  const { snapshots } = await listSnapshots({ pipeline });
  assert.deepEqual(snapshots.map(({ destinations, torn }) => [destinations, torn]), [
    [[], ["backups"]],
    [["backups"], []],
  ]);
  const { status, verifications } = await verifySnapshots({ pipeline });
  assert.equal(status, 4);
  const { message, hint } = verifications.find((one) => one.status === "damaged")!.failure!;
  assert.match(message, /^Cannot find ".*tar.*": it is not there, though its manifest is/);
  const manifest = /remove "([^"]+)" as well/.exec(hint ?? "")![1]!;
  const [place] = statusOf(pipeline, new Date()).places;
  assert.deepEqual([place?.count, place?.missing], [1, 1]);
  await Deno.remove(join(sandbox.destination(), manifest));
  assert.equal((await verifySnapshots({ pipeline, forgetMissing: true })).status, 0);
  assert.equal((await verifySnapshots({ pipeline, all: true })).status, 0);
});

Deno.test("a clock that went back, or leapt ahead, removes nothing that is not beyond the rules", async () => {
  using sandbox = await withDays(3);
  await sandbox.configure(keeping({ keep_within: "2d" }));
  sandbox.change();
  await sandbox.backUp({ clock: () => new Date("2036-01-01T00:00:00Z") });
  assert.deepEqual(stored(sandbox), ["m 01", "m 02", "m 03"]);
  await runOn(sandbox, 4);
  assert.deepEqual(stored(sandbox), ["m 01", "m 01", "m 03"]);
  sandbox.change();
  await sandbox.backUp({ clock: () => new Date("1971-01-01T00:00:00Z") });
  assert.equal(stored(sandbox).length, 4);
});
