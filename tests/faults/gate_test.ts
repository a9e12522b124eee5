/** When a destination gets a copy, and when it is left in peace. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { Catalog } from "../../pipeline/catalog.ts";
import type { Listener, RunReport } from "../../pipeline/events.ts";
import { listSnapshots } from "../../pipeline/list.ts";
import { parseKey } from "../../pipeline/names.ts";
import { rekeyPipeline } from "../../pipeline/rekey.ts";
import type { RunOptions } from "../../pipeline/run.ts";
import { statusOf } from "../../pipeline/status.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { complaints, encrypted, exists, filesIn, Sandbox, SLOW, type Stages } from "./harness.ts";

const FEW = { "a.txt": "one", "folder/b.txt": "two", "empty": "" };

Deno.test("a second run of an unchanged tree says so and writes nothing", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const first = await sandbox.backUp();
  assert.deepEqual(statuses(first), { backups: "ok" });
  const stored = filesIn(sandbox.destination());
  assert.equal(stored.size, 2);
  using watch = new Watch([sandbox.destination(), join(sandbox.state, "spool")]);
  const second = await sandbox.backUp();
  assert.deepEqual(statuses(second), { backups: "unchanged" });
  assert.equal(second.ok, true);
  assert.equal(second.snapshots[0]?.name, null);
  assert.deepEqual(filesIn(sandbox.destination()), stored);
  assert.deepEqual(await watch.changes(), []);
});

Deno.test("a dry run is not the last one, and one of a part no backup of everything", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp(at(0));
  await sandbox.backUp({ ...at(1), dryRun: true });
  assert.deepEqual(statusOf(sandbox.pipeline, new Date()).last?.started, at(0).clock!());
  await sandbox.backUp({ ...at(2), only: ["backups"] });
  using catalog = Catalog.openIfThere(sandbox.state)!;
  assert.deepEqual(catalog.runs.last()?.started, at(2).clock!());
  assert.deepEqual(catalog.runs.lastBackup()?.started, at(0).clock!());
});

Deno.test("a destination that holds what it should is known to do so from each run on", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  for (const second of [0, 9]) {
    await sandbox.backUp(at(second));
    const [place] = statusOf(sandbox.pipeline, new Date()).places;
    assert.deepEqual(place?.confirmed, at(second).clock!());
  }
});

Deno.test("a tree whose times changed and nothing else is unchanged", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp();
  const stored = filesIn(sandbox.destination());
  await Deno.utime(join(sandbox.tree, "a.txt"), 1, 1);
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
  await Deno.utime(join(sandbox.tree, "folder"), 2, 2);
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
  assert.deepEqual(filesIn(sandbox.destination()), stored);
  assert.deepEqual([...filesIn(join(sandbox.state, "spool"))], []);
});

Deno.test("a tree that differs in any way that is kept is stored again", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const { tree } = sandbox;
  const changes: Readonly<Record<string, () => Promise<void>>> = {
    async "a byte of a file, with its size and time as they were"() {
      const path = join(tree, "a.txt");
      const { atime, mtime } = await Deno.stat(path);
      await Deno.writeTextFile(path, "oNe");
      await Deno.utime(path, atime!, mtime!);
    },
    "a mode": () => Deno.chmod(join(tree, "a.txt"), 0o755),
    "a name": () => Deno.rename(join(tree, "a.txt"), join(tree, "c.txt")),
    "an empty directory": () => Deno.mkdir(join(tree, "new")),
    async "a link in place of a file"() {
      await Deno.remove(join(tree, "c.txt"));
      await Deno.symlink("folder/b.txt", join(tree, "c.txt"));
    },
    "a file that is gone": () => Deno.remove(join(tree, "empty")),
  };
  await sandbox.backUp(at(0));
  for (const [second, [what, change]] of Object.entries(changes).entries()) {
    await change();
    assert.deepEqual(statuses(await sandbox.backUp(at(second + 1))), { backups: "ok" }, what);
  }
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("a tree that is as it was before the last snapshot is stored a third time", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  for (const [second, content] of ["A", "B", "A"].entries()) {
    sandbox.write("a.txt", content);
    assert.deepEqual(statuses(await sandbox.run(at(second))), { backups: "ok" });
  }
  const names = await sandbox.names();
  assert.equal(names.length, 3);
  assert.equal(names[0]?.slice(-12), names[2]?.slice(-12));
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
  assert.equal(await sandbox.verifyAll(), 3);
});

Deno.test("the same content is stored twice within one second when that is asked for", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const now = new Date("2026-01-02T03:04:05Z");
  await sandbox.backUp({ clock: () => now });
  await sandbox.backUp({ clock: () => now, force: true });
  assert.equal(await sandbox.verifyAll(), 2);
});

Deno.test("what is held is noted by the first run that finds it, also after a dry one and of another machine", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const noted = () => {
    const catalog = Catalog.openIfThere(sandbox.state)!;
    const names = [...filesIn(sandbox.destination()).keys()]
      .flatMap((path) => /([^/]+)\.json/.exec(path)?.[1] ?? []);
    const known = names.map((name) => catalog.contents.known("m", name) !== undefined);
    catalog[Symbol.dispose]();
    return known;
  };
  await sandbox.backUp(at(0));
  assert.deepEqual(noted(), [true]);
  // Another machine stores the same.
  await Deno.rename(sandbox.state, `${sandbox.state}.away`);
  await sandbox.backUp({ ...at(1), force: true });
  await Deno.remove(sandbox.state, { recursive: true });
  await Deno.rename(`${sandbox.state}.away`, sandbox.state);
  assert.deepEqual(noted().toSorted(), [false, true]);
  assert.deepEqual(statuses(await sandbox.backUp(at(2))), { backups: "unchanged" });
  assert.deepEqual(noted(), [true, true]);

  await Deno.remove(join(sandbox.state, "catalog.db"));
  await sandbox.backUp({ ...at(3), dryRun: true });
  assert.deepEqual(statuses(await sandbox.backUp(at(4))), { backups: "unchanged" });
  assert.equal(noted().filter((isNoted) => isNoted).length, 1);
});

Deno.test("an archive without a manifest, as a killed run leaves it, is in nobody's way", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp(at(0));
  await Deno.remove(newest(sandbox, "json"));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  await sandbox.backUp(at(0));
  assert.deepEqual(statuses(await sandbox.backUp(at(0))), { backups: "unchanged" });
  assert.equal(await sandbox.verifyAll(), 1);
});

Deno.test("the newest snapshot is the one that was made last, also when both are of one second", async () => {
  const now = new Date("2026-01-02T03:04:05Z");
  for (const names of ["AB", "BA"]) {
    using sandbox = await Sandbox.make(plain, FEW);
    for (const content of names) {
      sandbox.write("a.txt", content);
      await sandbox.backUp({ clock: () => now });
    }
    assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
    assert.deepEqual(await sandbox.restore(), sandbox.contents());
  }
});

Deno.test("the newest snapshot is the one that was made last, also when the clock went back", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp({ clock: () => new Date("2026-01-02T03:04:05Z") });
  sandbox.change();
  const clock = () => new Date("2025-01-02T03:04:05Z");
  await sandbox.backUp({ clock });
  assert.deepEqual(statuses(await sandbox.backUp({ clock })), { backups: "unchanged" });
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
  // Also where only the destination knows what was made.
  await Deno.remove(join(sandbox.state, "catalog.db"));
  sandbox.change();
  await sandbox.backUp({ clock });
  assert.deepEqual(statuses(await sandbox.backUp({ clock })), { backups: "unchanged" });
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("the newest snapshot is the one that was made last, also where another destination has those before it", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  const on = (day: string) => () => new Date(`2026-11-${day}T00:00:00Z`);
  await sandbox.backUp({ clock: on("20"), only: ["first"] });
  sandbox.change();
  await sandbox.backUp({ clock: on("10"), only: ["second"] });
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("a newest copy that was found damaged counts as not held where its destination was moved to", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp();
  const [archive] = [...filesIn(sandbox.destination()).keys()].filter((path) => /tar/.test(path));
  const path = join(sandbox.destination(), archive!);
  const { size } = await Deno.stat(path);
  await Deno.writeFile(path, new Uint8Array(size));
  assert.equal((await verifySnapshots({ pipeline: sandbox.pipeline })).ok, false);
  await Deno.rename(sandbox.destination(), sandbox.destination("moved"));
  await sandbox.configure((sandbox) => plain(sandbox).replace(/\/backups"/, '/moved"'));
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "ok" });
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
});

Deno.test("a destination that failed gets its copy later, and the others are left in peace", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  await Deno.writeTextFile(sandbox.destination("first"), "in the way");
  const report = await sandbox.run();
  assert.equal(report.status, 2);
  assert.equal(report.ok, false);
  assert.deepEqual(statuses(report), { first: "failed", second: "ok" });
  assert.match(complaints(report).join(), /^first: .*is a file/);
  const stored = filesIn(sandbox.destination("second"));
  assert.equal(stored.size, 2);
  assert.equal(await Deno.readTextFile(sandbox.destination("first")), "in the way");

  assert.deepEqual(statuses(await sandbox.run()), { first: "failed", second: "unchanged" });
  assert.deepEqual(filesIn(sandbox.destination("second")), stored);

  await Deno.remove(sandbox.destination("first"));
  using watch = new Watch([sandbox.destination("second")]);
  assert.deepEqual(statuses(await sandbox.backUp()), { first: "ok", second: "unchanged" });
  assert.deepEqual(await watch.changes(), []);
  assert.deepEqual(filesIn(sandbox.destination("second")), stored);
  assert.equal(filesIn(sandbox.destination("first")).size, 2);
  assert.deepEqual(statuses(await sandbox.backUp()), { first: "unchanged", second: "unchanged" });
  assert.equal(await sandbox.verifyAll(), 2);
});

Deno.test("a destination that is lost while the tree changes catches up with the newest", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  await sandbox.backUp(at(0));
  const aside = sandbox.destination("aside");
  await Deno.rename(sandbox.destination("first"), aside);
  await Deno.writeTextFile(sandbox.destination("first"), "in the way");
  sandbox.change();
  assert.deepEqual(statuses(await sandbox.run(at(1))), { first: "failed", second: "ok" });
  await Deno.remove(sandbox.destination("first"));
  await Deno.rename(aside, sandbox.destination("first"));
  assert.deepEqual(statuses(await sandbox.backUp(at(2))), { first: "ok", second: "unchanged" });
  assert.equal(filesIn(sandbox.destination("first")).size, 4);
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("two destinations on one disk share no bytes: what happens to one copy leaves the other", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  await sandbox.backUp();
  for (const path of filesIn(sandbox.destination("first")).keys()) {
    const file = await Deno.open(join(sandbox.destination("first"), path), { write: true });
    await file.write(new TextEncoder().encode("scribbled over"));
    file.close();
  }
  const damaged = await verify(sandbox);
  assert.deepEqual(damaged, { first: "damaged", second: "ok" });
});

Deno.test("a destination that was emptied gets a copy, and one that is gone is told of", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  const second = sandbox.destination("second");
  await sandbox.backUp();
  await Deno.remove(second, { recursive: true });
  const report = await sandbox.run();
  assert.equal(report.status, 2);
  assert.deepEqual(statuses(report), { first: "unchanged", second: "failed" });
  assert.match(complaints(report).join(), /^second: .*there is no such directory/);
  assert.ok(!exists(second)); // It may be the place of a disk that is not connected.
  await Deno.mkdir(second);
  assert.deepEqual(statuses(await sandbox.backUp()), { first: "unchanged", second: "ok" });
  const { verifySnapshots } = await import("../../pipeline/verify.ts");
  const { status, verifications } = await verifySnapshots({ pipeline: sandbox.pipeline });
  assert.equal(status, 4);
  const told = verifications.map((one) => [one.destination, one.status]);
  assert.deepEqual(told, [["first", "ok"], ["second", "ok"], ["second", "damaged"]]);
  assert.match(verifications.at(-1)?.failure?.hint ?? "", /^Use the one in "first"/);
  const { pipeline } = sandbox;
  assert.equal((await verifySnapshots({ pipeline, forgetMissing: true })).status, 0);
  assert.deepEqual(await verify(sandbox), { first: "ok", second: "ok" });
});

Deno.test("a copy that was found damaged does not count until it is found good, and is made again", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  const { verifySnapshots } = await import("../../pipeline/verify.ts");
  const { statusOf } = await import("../../pipeline/status.ts");
  const places = () => statusOf(sandbox.pipeline, new Date()).places;
  const verified = async () =>
    (await verifySnapshots({ pipeline: sandbox.pipeline, from: "first" })).status;
  await sandbox.backUp(at(0));
  assert.equal(await verified(), 0);
  const path = newestIn(sandbox, "first");
  const whole = await Deno.readFile(path);
  const damaged = whole.map((byte, index) => index === whole.length >> 1 ? byte ^ 1 : byte);
  await Deno.writeFile(path, damaged);
  assert.deepEqual(statuses(await sandbox.backUp(at(1))), {
    first: "unchanged",
    second: "unchanged",
  });

  assert.equal(await verified(), 4);
  const [first, second] = places();
  assert.equal(first?.damaged?.name, parseKey(`m/${basename(path)}`)?.name);
  assert.deepEqual([first?.proven, second?.damaged], [undefined, undefined]);
  // It may be mended by hand.
  await Deno.writeFile(path, whole);
  assert.equal(await verified(), 0);
  assert.ok(places()[0]?.proven);
  assert.deepEqual(statuses(await sandbox.backUp(at(2))), {
    first: "unchanged",
    second: "unchanged",
  });

  await Deno.writeFile(path, damaged);
  assert.equal(await verified(), 4);
  assert.deepEqual(statuses(await sandbox.backUp(at(3))), { first: "ok", second: "unchanged" });
  assert.deepEqual([places()[0]?.damaged, places()[0]?.proven], [undefined, undefined]);
  assert.equal(await verified(), 0);
  assert.ok(places()[0]?.proven);
  assert.equal(filesIn(sandbox.destination("first")).size, 4);
  assert.deepEqual(statuses(await sandbox.backUp(at(4))), {
    first: "unchanged",
    second: "unchanged",
  });
});

Deno.test("a copy that could not be looked at, or whose content is of no use, counts as before", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp(at(0));
  const catalog = Catalog.openIfThere(sandbox.state)!;
  const [held] = await sandbox.held();
  const copy = { id: "m", name: held!.name, location: sandbox.destination() };
  for (const status of ["unknown", "useless"]) {
    catalog.addVerification(copy, new Date(), status);
    assert.deepEqual(statuses(await sandbox.backUp(at(1))), { backups: "unchanged" }, status);
  }
  catalog.addVerification(copy, new Date(), "damaged");
  catalog.addVerification(copy, new Date(), "unknown");
  assert.deepEqual(statuses(await sandbox.backUp(at(2))), { backups: "ok" });
  catalog[Symbol.dispose]();
});

Deno.test("a copy that is not whole does not count, and is made again", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const harms: Readonly<Record<string, () => Promise<void>>> = {
    "its manifest is gone": () => Deno.remove(newest(sandbox, "json")),
    "its archive is gone": () => Deno.remove(newest(sandbox, "tar")),
    async "its archive was cut short"() {
      const archive = newest(sandbox, "tar");
      await Deno.truncate(archive, (await Deno.stat(archive)).size - 1);
    },
    "its manifest is empty": () => Deno.truncate(newest(sandbox, "json"), 0),
  };
  await sandbox.backUp(at(0));
  for (const [second, [what, harm]] of Object.entries(harms).entries()) {
    await harm();
    assert.deepEqual(statuses(await sandbox.backUp(at(second + 1))), { backups: "ok" }, what);
  }
  await Deno.remove(newest(sandbox, "tar"));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  assert.deepEqual(statuses(await sandbox.backUp(at(9))), { backups: "ok" });
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("a copy that was cut short is told of, be it the newest or an older one", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp(at(0));
  await Deno.truncate(newest(sandbox, "tar"), 0);
  for (const second of [1, 2]) {
    sandbox.change();
    const warnings: string[] = [];
    await sandbox.backUp({
      ...at(second),
      listener: (event) => void (event.type === "log" && warnings.push(event.message)),
    });
    const told = `1 of ${second} snapshots that were stored there have another size than they had`;
    assert.ok(warnings.some((message) => message.startsWith(told)), warnings.join("; "));
  }
});

Deno.test("a copy for other recipients does not count, and is made again", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  await sandbox.backUp(at(0));
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const second = await identityToRecipient(await generateX25519Identity());
  const both = (it: Sandbox) =>
    encrypted(it).replace(`["${it.recipient}"]`, (to) => {
      return to.replace("]", `,"${second}"]`);
    });
  await sandbox.configure(both);
  assert.deepEqual(statuses(await sandbox.backUp(at(1))), { backups: "ok" });
  assert.deepEqual(statuses(await sandbox.backUp(at(2))), { backups: "unchanged" });
  await sandbox.configure(encrypted);
  assert.deepEqual(statuses(await sandbox.backUp(at(3))), { backups: "ok" });
});

Deno.test("a run whose catalog is lost or damaged goes by what destinations hold", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  const catalog = join(sandbox.state, "catalog.db");
  const harms: Readonly<Record<string, () => Promise<void>>> = {
    "lost": () => Deno.remove(catalog),
    "cut short": async () => Deno.truncate(catalog, (await Deno.stat(catalog)).size - 4096),
    "no database": () => Deno.writeTextFile(catalog, "scribbled over".repeat(1000)),
    async "damaged in the middle"() {
      const bytes = await Deno.readFile(catalog);
      for (let at = 4096; at < bytes.length; at += 512) bytes.fill(0xa5, at, at + 100);
      await Deno.writeFile(catalog, bytes);
    },
  };
  await sandbox.backUp(at(0));
  for (const [index, [what, harm]] of Object.entries(harms).entries()) {
    const stored = filesIn(sandbox.destination());
    await harm();
    assert.equal((await sandbox.list()).length, index + 1, what);
    const time = at(index + 1);
    assert.deepEqual(statuses(await sandbox.backUp(time)), { backups: "unchanged" }, what);
    assert.deepEqual(filesIn(sandbox.destination()), stored, what);
    sandbox.change();
    assert.deepEqual(statuses(await sandbox.backUp(time)), { backups: "ok" }, what);
  }
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
  assert.equal(await sandbox.verifyAll(), Object.keys(harms).length + 1);
});

Deno.test("for whom a copy is that no catalog knows is not known: a run says so, and it is rekeyed", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  const old = await Deno.readTextFile(sandbox.identityFile);
  await sandbox.backUp(at(0));
  await Deno.remove(join(sandbox.state, "catalog.db"));
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  await sandbox.configure((it) => encrypted(it).replace(it.recipient, recipient));
  const told: string[] = [];
  const listener: Listener = (event) => void (event.type === "log" && told.push(event.message));
  for (const minute of [10, 20]) {
    const report = await sandbox.backUp({ ...at(minute), listener });
    assert.deepEqual(statuses(report), { backups: "unchanged" });
  }
  assert.equal(
    told.filter((line) => /not known for whom "m\/.*" was encrypted/.test(line)).length,
    1,
  );
  const fates = async (planOnly: boolean) => {
    const { snapshots } = await rekeyPipeline(sandbox.pipeline, { planOnly });
    return snapshots.map(({ status }) => status);
  };
  assert.deepEqual(await fates(true), ["due"]);
  await Deno.writeTextFile(sandbox.identityFile, old);
  assert.deepEqual(await fates(false), ["rekeyed"]);
  await Deno.writeTextFile(sandbox.identityFile, identity);
  assert.deepEqual(await fates(true), ["current"]);
  assert.deepEqual(await sandbox.restore(), sandbox.contents());
});

Deno.test("a copy in plaintext that no catalog knows is none of what is encrypted now, nor the reverse", async () => {
  for (const [before, now] of [[plain, encrypted], [encrypted, plain]] as const) {
    using sandbox = await Sandbox.make(before, FEW);
    await sandbox.backUp(at(0));
    await Deno.remove(join(sandbox.state, "catalog.db"));
    await sandbox.configure(now);
    assert.deepEqual(statuses(await sandbox.backUp(at(1))), { backups: "ok" });
    assert.deepEqual(statuses(await sandbox.backUp(at(2))), { backups: "unchanged" });
  }
});

Deno.test("two catalogs that share a destination and an id do not store the same by turns", async () => {
  using sandbox = await Sandbox.make(encrypted, FEW);
  const other = `${sandbox.state}.other`;
  const swap = async () => {
    await Deno.rename(sandbox.state, `${other}.new`);
    if (exists(other)) await Deno.rename(other, sandbox.state);
    await Deno.rename(`${other}.new`, other);
  };
  const told: Record<string, string>[] = [];
  for (let second = 0; second < 6; second++) {
    told.push(statuses(await sandbox.backUp(at(second))));
    await swap();
  }
  const [ok, unchanged] = [{ backups: "ok" }, { backups: "unchanged" }];
  assert.deepEqual(told, [ok, unchanged, unchanged, unchanged, unchanged, unchanged]);
  await Deno.truncate(newestIn(sandbox, "backups"), 100);
  await swap();
  assert.deepEqual(statuses(await sandbox.backUp(at(7))), ok, "The newest is not whole");
});

Deno.test("of two copies for others each, nobody knows which is which once both were moved", async () => {
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const other = await identityToRecipient(await generateX25519Identity());
  const places = (one: string, two: string): Stages => (it) =>
    [
      it.stage("snapshot", { id: "m", paths: [it.tree], compress: "none" }),
      it.stage("hash-gate"),
      it.stage("encrypt", { to: [it.recipient] }),
      it.stage("local", { id: "one", path: it.destination(one) }),
      it.stage("encrypt", { id: "other", to: [other], input: "m" }),
      it.stage("local", { id: "two", path: it.destination(two) }),
    ].join("");
  using sandbox = await Sandbox.make(places("a", "b"), FEW);
  await sandbox.backUp(at(0));
  for (const [from, to] of [["a", "c"], ["b", "d"]] as const) {
    await Deno.rename(sandbox.destination(from), sandbox.destination(to));
  }
  await sandbox.configure(places("c", "d"));
  assert.deepEqual(statuses(await sandbox.backUp(at(1))), { one: "unchanged", two: "unchanged" });
  const [snapshot] = await sandbox.list();
  using catalog = Catalog.openIfThere(sandbox.state)!;
  for (const place of ["c", "d"]) {
    assert.equal(catalog.delivery("m", snapshot!.name, sandbox.destination(place))?.way, "");
  }
});

Deno.test("what was moved with its destination is what it was, and for whom it was", async () => {
  const stages = (id: string, recipient: string) => (it: Sandbox) =>
    encrypted(it).replace(it.destination(), it.destination(id)).replace(it.recipient, recipient);
  using sandbox = await Sandbox.make(encrypted, FEW);
  const move = async (from: string, to: string, recipient = sandbox.recipient) => {
    await Deno.rename(sandbox.destination(from), sandbox.destination(to));
    await sandbox.configure(stages(to, recipient));
  };
  await sandbox.backUp(at(0));
  await move("backups", "second");
  for (const second of [1, 2]) {
    assert.deepEqual(statuses(await sandbox.backUp(at(second))), { backups: "unchanged" });
  }
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  await move("second", "third", await identityToRecipient(await generateX25519Identity()));
  assert.deepEqual(statuses(await sandbox.backUp(at(3))), { backups: "ok" });
  assert.deepEqual(statuses(await sandbox.backUp(at(4))), { backups: "unchanged" });
});

Deno.test("no bit of the catalog can be flipped so that a run or a list is a bug", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp();
  const stored = filesIn(sandbox.destination());
  const path = join(sandbox.state, "catalog.db");
  const good = await Deno.readFile(path);
  for (let round = 0; round < (SLOW ? 200 : 2); round++) {
    const bad = good.slice();
    const [at = 0, bit = 0] = crypto.getRandomValues(new Uint32Array(2));
    bad[at % bad.length]! ^= 1 << (bit % 8);
    await Deno.writeFile(path, bad);
    const where = `bit ${bit % 8} of byte ${at % bad.length}`;
    const { snapshots } = await listSnapshots({ pipeline: sandbox.pipeline });
    assert.equal(snapshots.length, 1, where);
    const report = await sandbox.run();
    assert.equal(report.status, 0, where);
    for (const [file, hash] of stored) {
      assert.equal(filesIn(sandbox.destination()).get(file), hash, where);
    }
  }
});

Deno.test("two pipelines that share a destination keep out of each other's way", async () => {
  using sandbox = await Sandbox.make(namedSnapshot("m"), FEW);
  using other = await Sandbox.make(undefined, { "other.txt": "other" });
  const shared = (id: string) => (it: Sandbox) =>
    namedSnapshot(id)(it).replace(it.destination(), sandbox.destination());
  await sandbox.configure(shared("m"), "mine");
  await other.configure(shared("m-work"), "yours");
  await sandbox.backUp();
  await other.backUp();
  const stored = filesIn(sandbox.destination());
  assert.equal(stored.size, 4);
  assert.deepEqual(statuses(await sandbox.backUp()), { backups: "unchanged" });
  assert.deepEqual(statuses(await other.backUp()), { backups: "unchanged" });
  other.change();
  await Promise.all([other.backUp(), sandbox.backUp()]);
  assert.equal(filesIn(join(sandbox.destination(), "m")).size, 2);
  assert.equal(filesIn(join(sandbox.destination(), "m-work")).size, 4);
  assert.deepEqual(await sandbox.restore("m"), sandbox.contents());
  assert.deepEqual(await other.restore("m-work"), other.contents());
});

Deno.test("two snapshots of one pipeline go by their own content", async () => {
  const two = (it: Sandbox) =>
    [
      it.stage("snapshot", { id: "m", paths: [join(it.tree, "m")] }),
      it.stage("snapshot", { id: "m-work", paths: [join(it.tree, "work")] }),
      it.stage("hash-gate"),
      it.stage("local", { id: "backups", path: it.destination(), plaintext: true }),
    ].join("");
  using sandbox = await Sandbox.make(two, { "m/a": "a", "work/b": "b" });
  await sandbox.backUp(at(0));
  sandbox.write("work/b", "changed");
  await sandbox.backUp(at(1));
  assert.equal(filesIn(join(sandbox.destination(), "m")).size, 2);
  assert.equal(filesIn(join(sandbox.destination(), "m-work")).size, 4);
  assert.equal(await sandbox.verifyAll(), 3);
});

Deno.test("what a source has spooled is gone before the next begins, stored or not", async () => {
  const ids = ["first", "second", "third"];
  const stages = (sandbox: Sandbox) =>
    [
      ...ids.map((id) => sandbox.stage("snapshot", { id, paths: [sandbox.tree] })),
      sandbox.stage("hash-gate"),
      sandbox.stage("encrypt", { to: [sandbox.recipient] }),
      ...["usb", "nas"].map((id) => sandbox.stage("local", { id, path: sandbox.destination(id) })),
    ].join("");
  using sandbox = await Sandbox.make(stages, FEW);
  const waiting: number[] = [];
  const run = async () => {
    waiting.length = 0;
    const { stages } = await sandbox.backUp({
      listener: (event) =>
        event.type === "stage-started" && ids.includes(event.stage) &&
        waiting.push(filesIn(join(sandbox.state, "spool")).size),
    });
    return stages.flatMap(({ use, status }) => use === "snapshot" ? [status] : []);
  };
  assert.deepEqual(await run(), ["ok", "ok", "ok"]);
  assert.deepEqual(waiting, [0, 0, 0]);
  // Each is read anew, and its archive made before the gate says that nothing had changed.
  const later = new Date(Date.now() + 5000);
  await Deno.utime(join(sandbox.tree, "a.txt"), later, later);
  assert.deepEqual(await run(), ["unchanged", "unchanged", "unchanged"]);
  assert.deepEqual(waiting, [0, 0, 0]);
});

Deno.test("a source that is gone is told of, and what is stored of it stays", async () => {
  using sandbox = await Sandbox.make(plain, FEW);
  await sandbox.backUp();
  const stored = filesIn(sandbox.destination());
  await Deno.rename(sandbox.tree, `${sandbox.tree}-moved`);
  await assert.rejects(sandbox.run(), { code: "source-missing" });
  assert.deepEqual(filesIn(sandbox.destination()), stored);
  assert.ok(!exists(join(sandbox.state, "spool")));
});

Deno.test("what a snapshot holds stays known where one of its copies is given up", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  await sandbox.backUp(at(1));
  sandbox.change();
  await sandbox.backUp(at(2));
  const { pipeline, state } = sandbox;
  const names = await sandbox.names();
  await Deno.remove(sandbox.destination("second/m"), { recursive: true });
  assert.equal((await verifySnapshots({ pipeline, forgetMissing: true })).ok, true);
  using catalog = Catalog.openIfThere(state)!;
  assert.deepEqual(catalog.contents.origins().map((one) => `${one.id}/${one.name}`), names);
});

Deno.test("a place that held snapshots and is not there has not lost them: it cannot be asked", async () => {
  using sandbox = await Sandbox.make(twoDestinations, FEW);
  await sandbox.backUp();
  const { pipeline } = sandbox;
  const place = sandbox.destination("second");
  await Deno.rename(place, `${place}.unmounted`);
  const { lost, failures } = await listSnapshots({ pipeline });
  assert.deepEqual([lost, failures.map(({ failure }) => failure.code)], [
    [],
    ["destination-unreachable"],
  ]);
  const { status, verifications } = await verifySnapshots({ pipeline });
  assert.equal(status, 2);
  assert.deepEqual(verifications.map(({ destination, status }) => [destination, status]), [
    ["first", "ok"],
  ]);
  // Where all that can be asked has lost everything, that is told.
  await Deno.remove(sandbox.destination("first/m"), { recursive: true });
  const left = await verifySnapshots({ pipeline });
  assert.deepEqual([left.status, left.verifications.length, left.failures.length], [4, 1, 1]);
});

/** As {@linkcode encrypted}, but in plaintext: the gate decides alike, and sooner. */
function plain(sandbox: Sandbox): string {
  return destinations(sandbox, "backups");
}

/** Two destinations of one stream. */
function twoDestinations(sandbox: Sandbox): string {
  return destinations(sandbox, "first", "second");
}

function destinations(sandbox: Sandbox, ...ids: readonly string[]): string {
  const locals = ids.map((id) =>
    sandbox.stage("local", { id, path: sandbox.destination(id), plaintext: true })
  );
  const source = sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] });
  return [source, sandbox.stage("hash-gate"), ...locals].join("");
}

function namedSnapshot(id: string): (sandbox: Sandbox) => string {
  return (sandbox) => encrypted(sandbox).replace('id = "m"', `id = "${id}"`);
}

/** The archive at a destination that holds one. */
function newestIn(sandbox: Sandbox, id: string): string {
  const archives = [...filesIn(sandbox.destination(id)).keys()].filter((path) =>
    /\.tar/.test(path)
  );
  return join(sandbox.destination(id), archives.toSorted().at(-1)!);
}

/** How each destination of the one snapshot fared. */
function statuses({ snapshots }: RunReport): Record<string, string> {
  assert.equal(snapshots.length, 1);
  return Object.fromEntries(snapshots[0]!.destinations.map(({ id, status }) => [id, status]));
}

/** How the newest snapshot at each destination verifies. */
async function verify(sandbox: Sandbox): Promise<Record<string, string>> {
  const { verifySnapshots } = await import("../../pipeline/verify.ts");
  const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline });
  return Object.fromEntries(verifications.map(({ destination, status }) => [destination, status]));
}

/** The newest archive (`tar`) or manifest (`json`). */
function newest(sandbox: Sandbox, kind: string): string {
  const paths = [...filesIn(sandbox.destination()).keys()];
  const newest = paths.filter((path) => path.includes(`.${kind}`)).toSorted().at(-1);
  assert.ok(newest);
  return join(sandbox.destination(), newest);
}

/** A run at a time of its own: so that its snapshot has a name of its own. */
function at(second: number): RunOptions {
  return { clock: () => new Date(Date.UTC(2026, 0, 2, 3, 4, second)) };
}

/** Watches directories for whatever is written below them. */
class Watch implements Disposable {
  readonly #watcher: Deno.FsWatcher;
  readonly #folder: string;
  readonly #seen: string[] = [];
  readonly #reading: Promise<void>;
  #mark = Promise.withResolvers<void>();

  constructor(directories: readonly string[]) {
    this.#folder = Deno.makeTempDirSync({ prefix: "keepsake-faults-" });
    this.#watcher = Deno.watchFs([this.#folder, ...directories.filter(exists)]);
    this.#reading = this.#read();
  }

  /** What was changed so far. */
  async changes(): Promise<readonly string[]> {
    await Deno.writeTextFile(join(this.#folder, "mark"), "");
    await this.#mark.promise; // Events come in their order.
    return this.#seen;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #read(): Promise<void> {
    for await (const { kind, paths } of this.#watcher) {
      if (paths.some((path) => path.startsWith(this.#folder))) this.#mark.resolve();
      else if (kind !== "access") this.#seen.push(`${kind} ${paths}`);
    }
  }
}
