import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { join } from "node:path";
import {
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption";
import { Catalog } from "../../pipeline/catalog.ts";
import { wayTo } from "../../pipeline/holdings.ts";
import { listSnapshots } from "../../pipeline/list.ts";
import { placesOf } from "../../pipeline/places.ts";
import { type Rekeyed, rekeyPipeline } from "../../pipeline/rekey.ts";
import { routesOf } from "../../pipeline/routes.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { haveTools, World } from "../end_to_end/world.ts";
import { works } from "../platform/probe.ts";
import { git } from "../stages/git_harness.ts";
import { filesIn, namesIn, Sandbox } from "./harness.ts";
import { killAt } from "./killing.ts";

/** A world with two snapshots, a second apart, at two places, and a file that names other keys now. */
async function furnished(generate = generateX25519Identity) {
  const world = await World.make();
  const usb = `[[stage]]\nuse = "local"\nid = "usb"\npath = "${world.at("usb")}"\n`;
  const before = await world.pipeline(world.usual() + usb);
  let second = 0;
  const clock = () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++));
  await runPipeline(before, { clock });
  await Deno.writeTextFile(`${world.source}/CLAUDE.md`, "# Be kinder\n");
  await runPipeline(before, { clock });
  const identity = await generate();
  const other = world.at("new.txt");
  await Deno.writeTextFile(other, `${identity}\n`);
  world.recipient = await identityToRecipient(identity);
  const pipeline = await world.pipeline(world.usual() + usb);
  return { world, pipeline, other, clock };
}

async function bytesOf(world: World, folder: string): Promise<Map<string, Uint8Array>> {
  const names = Object.keys(await world.files(folder)).toSorted();
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readFile(world.at(folder, name))] as const),
    ),
  );
}

function secondOf(name: string): number {
  return Number(name.slice(9, 15));
}

/** What stands behind the header of an age file. */
function payload(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(bytes);
  const [line] = /\n--- [^\n]*\n/.exec(text)!;
  return bytes.subarray(text.indexOf(line) + line.length);
}

Deno.test("rekeying changes who can open what is stored, and not what is", async () => {
  const { world, pipeline, other, clock } = await furnished();
  using _ = world;
  const before = await bytesOf(world, "usb");
  const plan = await rekeyPipeline(pipeline, { planOnly: true });
  deepEqual(plan.snapshots.map(({ status }) => status), ["due", "due", "due", "due"]);
  deepEqual(await bytesOf(world, "usb"), before);

  const { ok, snapshots } = await rekeyPipeline(pipeline, { planOnly: false });
  equal(ok, true, JSON.stringify(snapshots));
  const stamps = snapshots.map(({ status, renamed }) => `${status} ${renamed?.slice(0, 16)}`);
  deepEqual(stamps.slice(0, 2), stamps.slice(2), "A snapshot is called the same at both places");
  deepEqual(snapshots.map(({ name, renamed }) => secondOf(renamed!) - secondOf(name)), [
    1,
    1,
    1,
    1,
  ]);
  const after = await bytesOf(world, "usb");
  const archives = (files: typeof before) =>
    [...files].filter(([name]) => name.includes(".tar.")).map(([, bytes]) => bytes);
  deepEqual(archives(after).map(payload), archives(before).map(payload));
  notEqual(archives(after)[0]!.length, 0);
  deepEqual([...after.keys()].filter((name) => before.has(name)), []);
  deepEqual((await bytesOf(world, "backups")).size, 4);

  const asked = { pipeline, all: true } as const;
  const mine = await verifySnapshots({ ...asked, identityFiles: [other] });
  deepEqual([mine.ok, mine.verifications.length], [true, 4]);
  const former = await verifySnapshots({ ...asked, identityFiles: [world.identity] });
  deepEqual(
    former.verifications.map(({ failure }) => failure?.code),
    Array(4).fill("identity-wrong"),
  );
  const { snapshots: listed } = await listSnapshots({ pipeline });
  deepEqual(listed.map(({ files, destinations }) => [files! > 5, destinations]), [
    [true, ["local", "usb"]],
    [true, ["local", "usb"]],
  ]);

  const again = await rekeyPipeline(pipeline, { planOnly: false, identityFiles: [other] });
  deepEqual(again.snapshots.map(({ status }) => status), Array(4).fill("current"));
  const run = await runPipeline(pipeline, { clock });
  deepEqual(run.snapshots[0]!.destinations.map(({ status }) => status), ["unchanged", "unchanged"]);
});

Deno.test(
  {
    name: `what was rekeyed opens with stock age, also for post-quantum recipients${
      haveTools("age", "zstd", "tar") ? "" : " (without age, zstd, tar)"
    }`,
    ignore: !haveTools("age", "zstd", "tar"),
  },
  async () => {
    for (const generate of [generateX25519Identity, generateHybridIdentity]) {
      const { world, pipeline, other } = await furnished(generate);
      using _ = world;
      equal((await rekeyPipeline(pipeline, { planOnly: false, destination: "usb" })).ok, true);
      const proof = await verifySnapshots({ pipeline, from: "usb", identityFiles: [other] });
      equal(proof.ok, true);
      if (generate === generateHybridIdentity) continue; // Debian's age is older than that.
      const names = Object.keys(await world.files("usb")).toSorted();
      const name = names.findLast((key) => key.includes(".tar."))!;
      const line = `age -d -i ${other} ${
        world.at("usb", name)
      } | zstd -d | tar xOf - .claude/AGENTS.md`;
      const { stdout } = await new Deno.Command("bash", { args: ["-c", line] }).output();
      equal(new TextDecoder().decode(stdout), "# Be kinder\n");
    }
  },
);

Deno.test("without an identity that opens it, and where it is damaged, all stays as it was", async () => {
  const { world, pipeline, other } = await furnished();
  using _ = world;
  const before = await bytesOf(world, "usb");
  const blind = await rekeyPipeline(pipeline, { planOnly: false, identityFiles: [other] });
  deepEqual([blind.ok, blind.status], [false, 2]);
  deepEqual(blind.snapshots.map(({ failure }) => failure?.code), Array(4).fill("identity-wrong"));
  deepEqual(await bytesOf(world, "usb"), before);
  const [name] = [...before.keys()].filter((key) => key.includes(".tar."));
  const damaged = before.get(name!)!.slice();
  damaged[damaged.length - 100]! ^= 1;
  await Deno.writeFile(world.at("usb", name!), damaged);
  const { snapshots: [first, second] } = await rekeyPipeline(pipeline, {
    planOnly: false,
    destination: "usb",
  });
  deepEqual([first!.failure?.code, second!.status], ["snapshot-damaged", "rekeyed"]);
  deepEqual(await Deno.readFile(world.at("usb", name!)), damaged);
});

Deno.test("what was cut short is finished: neither two of one nor a half stays", async () => {
  const { world, pipeline, other } = await furnished();
  using _ = world;
  const before = await bytesOf(world, "usb");
  const { snapshots } = await rekeyPipeline(pipeline, { planOnly: false, destination: "usb" });
  const [first, second] = snapshots as [typeof snapshots[0], typeof snapshots[0]];
  // As if it had ended right before the old one of the first was removed, and amid storing the other.
  for (const [name, bytes] of before) {
    await Deno.writeFile(world.at("usb", name), bytes!);
  }
  const half = Object.keys(await world.files("usb"))
    .find((key) => key.includes(second!.renamed!) && key.includes(".json."))!;
  await Deno.remove(world.at("usb", half));
  const catalog = Catalog.openIfThere(pipeline.state)!;
  const location = world.at("usb");
  for (const { id, name, renamed } of [first!, second!]) {
    catalog.rekeys.begin({ id, name, location, renamed: renamed! });
  }
  catalog[Symbol.dispose]();
  const identityFiles = [world.identity, other];
  const again = await rekeyPipeline(pipeline, {
    planOnly: false,
    destination: "usb",
    identityFiles,
  });
  equal(again.ok, true, JSON.stringify(again));
  equal(Object.keys(await world.files("usb")).length, 4);
  const proof = await verifySnapshots({ pipeline, from: "usb", all: true, identityFiles: [other] });
  deepEqual([proof.ok, proof.verifications.length, proof.strays.length], [true, 2, 0]);
});

Deno.test({
  name: `a repository is rekeyed like a directory, and its history is said to keep the old${
    haveTools("git") ? "" : " (without git)"
  }`,
  ignore: !haveTools("git"),
  async fn() {
    using world = await World.make();
    const remote = world.at("backup.git");
    await Promise.resolve(git("init", "-q", "--bare", "--initial-branch=main", remote));
    const stages = () =>
      world.usual().replace(/use = "local"\s+path = .*/, `use = "git"\nremote = "${remote}"`);
    await runPipeline(await world.pipeline(stages()));
    const identity = await generateX25519Identity();
    await Deno.writeTextFile(world.at("new.txt"), `${identity}\n`);
    world.recipient = await identityToRecipient(identity);
    const pipeline = await world.pipeline(stages());
    const report = await rekeyPipeline(pipeline, { planOnly: false });
    deepEqual([report.ok, report.histories], [true, ["git"]], JSON.stringify(report));
    const identityFiles = [world.at("new.txt")];
    const { ok, verifications } = await verifySnapshots({ pipeline, all: true, identityFiles });
    deepEqual([ok, verifications.length], [true, 1]);
    const from = `git+${remote}`;
    const old = await verifySnapshots({
      pipeline: undefined,
      from,
      identityFiles: [world.identity],
    });
    equal(old.ok, false);
  },
});

Deno.test("rekeying needs room for one archive at a time", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  const waiting: number[] = [];
  const { snapshots } = await rekeyPipeline(pipeline, {
    planOnly: false,
    listener: ({ type }) =>
      type === "stage-started" && waiting.push(filesIn(join(pipeline.state, "spool")).size),
  });
  deepEqual(snapshots.map(({ status }) => status), Array(4).fill("rekeyed"));
  deepEqual(waiting, [0, 0, 0, 0]);
});

Deno.test("a catalog that is damaged is put aside, and rekey says so", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await Deno.writeTextFile(join(pipeline.state, "catalog.db"), "this is no database".repeat(99));
  const told: string[] = [];
  const { ok } = await rekeyPipeline(pipeline, {
    planOnly: true,
    listener: (event) => event.type === "log" && told.push(event.message),
  });
  equal(ok, true);
  match(told.join(), /^The catalog was damaged and begun anew; the old one is "[^"]+damaged-\d+"$/);
});

Deno.test("what is not encrypted is left alone, and a destination that is not there is refused", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(`
    [[stage]]
    use = "snapshot"
    id = "claude"
    paths = ["${world.source}"]
    [[stage]]
    use = "local"
    path = "${world.at("plain")}"
    plaintext = true
  `);
  await runPipeline(pipeline);
  const { snapshots: [one] } = await rekeyPipeline(pipeline, { planOnly: false });
  deepEqual([one!.status, one!.reason], ["left", "it is not encrypted"]);
  await rejects(rekeyPipeline(pipeline, { planOnly: true, destination: "nas" }), (error: Error) => {
    match(error.message, /there is no such destination/);
    return true;
  });
});

Deno.test("what was made in the last second that a name can tell is left, under its name", async () => {
  const { world, pipeline } = await furnished();
  using _ = world;
  await Deno.writeTextFile(`${world.source}/CLAUDE.md`, "# Be kindest\n");
  world.recipient = await identityToRecipient(await generateX25519Identity());
  const clock = () => new Date("9999-12-31T23:59:59.500Z");
  await runPipeline(await world.pipeline(world.usual()), { clock });
  const { snapshots } = await rekeyPipeline(pipeline, { planOnly: true });
  const last = snapshots.filter(({ name }) => name.startsWith("9999"));
  deepEqual(last.map(({ status }) => status), ["left"]);
});

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

/** Stages with one snapshot and encryption for these besides the sandbox's own recipient. */
type StagesFor = (sandbox: Sandbox, others: readonly string[]) => string;

const atUsb = (rules = {}): StagesFor => (sandbox, others) =>
  [
    sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }),
    sandbox.stage("encrypt", { to: [sandbox.recipient, ...others] }),
    sandbox.stage("local", { id: "usb", path: sandbox.destination("usb"), ...rules }),
  ].join("");

const alsoAtNas: StagesFor = (sandbox, others) =>
  atUsb()(sandbox, others) +
  sandbox.stage("local", { id: "nas", path: sandbox.destination("nas") });

/** Snapshots, one a day, and a pipeline file that names one more recipient since. */
async function backedUp(count: number, stages: StagesFor) {
  const sandbox = await Sandbox.make((sandbox) => stages(sandbox, []), { "a.txt": "1" });
  let day = 1;
  const run = async () => {
    sandbox.change();
    return await sandbox.backUp({ clock: () => new Date(Date.UTC(2026, 0, day++)) });
  };
  for (let index = 0; index < count; index++) await run();
  const configure = async (add = "") => {
    const other = await identityToRecipient(await generateX25519Identity());
    return await sandbox.configure((sandbox) => stages(sandbox, [other]) + add);
  };
  await configure();
  return { sandbox, run, configure };
}

/** The same, rekeyed by a process that was killed when the first one at `usb` was stored anew. */
async function cutShort(count: number, stages: StagesFor) {
  const furniture = await backedUp(count, stages);
  const { sandbox } = furniture;
  await killRekey(sandbox);
  equal(namesIn(sandbox.destination("usb/m")).length, 2 * (count + 1));
  return furniture;
}

async function killRekey(sandbox: Sandbox, ...more: readonly string[]): Promise<void> {
  const { code } = await killAt(sandbox, ["rekey", "--apply", ...more], {
    ...{ calls: "unlink", delay: 100_000, after: 1 },
    // It has its name then, and loses the one under which it was written.
    counts: (call) => /\/usb\/m\/\.[^"]+\.json[^"]*\.part"\) = 0/.test(call),
  });
  equal(code, 137);
}

/** A bucket in which `answer` says what there is. */
function bucket(answer: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const endpoint = `http://127.0.0.1:${server.addr.port}`;
  const stage = async (sandbox: Sandbox) => {
    const keys = join(sandbox.folder, "keys");
    await Deno.writeTextFile(keys, "[default]\naws_access_key_id = A\naws_secret_access_key = B\n");
    const credentials = `file:${keys}`;
    return sandbox.stage("s3", { bucket: "backups", endpoint, credentials });
  };
  return { server, stage };
}

function listing(...keys: readonly string[]): Response {
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`);
  return new Response(
    `<ListBucketResult><Name>backups</Name>${contents.join("")}</ListBucketResult>`,
  );
}

Deno.test({
  name: `the one copy stays that a rekeying left, however late its place is there${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox, configure } = await cutShort(1, atUsb());
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    const [manifest] = namesIn(`${usb}/m`);
    match(manifest!, /T000000Z-.*\.json/);
    await Deno.remove(`${usb}/m/${manifest}`);
    const before = filesIn(usb);
    await Deno.rename(usb, `${usb}.off`);
    let asked = 0;
    const { server, stage } = bucket(async () => {
      if (asked++ === 0) await Deno.rename(`${usb}.off`, usb);
      return listing();
    });
    await using _server = server;
    await configure(await stage(sandbox));
    const { failures } = await rekeyPipeline(sandbox.pipeline, { planOnly: false });
    deepEqual([failures.map(({ destination }) => destination), asked], [["usb"], 1]);
    deepEqual(filesIn(usb), before);
    await configure();
    equal((await rekeyPipeline(sandbox.pipeline, { planOnly: false })).ok, true);
    equal(namesIn(`${usb}/m`).length, 2);
    equal(await sandbox.verifyAll(), 1);
  },
});

Deno.test({
  name: `a place that is away keeps no other one from being rekeyed${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox } = await cutShort(1, alsoAtNas);
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    await Deno.rename(usb, `${usb}.off`);
    const { code, stdout, stderr } = await sandbox.keepsake(["rekey", "--apply", "--json"]);
    equal(code, 2, stderr);
    const { snapshots, failures } = JSON.parse(stdout);
    const told = snapshots.map((one: Rekeyed) => `${one.destination} ${one.status}`);
    deepEqual([told, failures.length], [["nas rekeyed"], 1]);
  },
});

Deno.test("what could not be finished at a place is told among what was done", async () => {
  const { sandbox, configure } = await backedUp(1, atUsb());
  using _ = sandbox;
  const [name] = (await sandbox.names()).map((name) => name.slice(2)) as [string];
  const renamed = name.replace("T000000Z", "T000009Z");
  const keys = [name, renamed].flatMap((name) =>
    [".tar.zst.age", ".json.zst.age"].map((ending) => `m/${name}${ending}`)
  );
  const { server, stage } = bucket(({ method }) =>
    method === "GET" ? listing(...keys) : new Response(null, { status: 403 })
  );
  await using _server = server;
  const pipeline = await configure(await stage(sandbox));
  const catalog = Catalog.openIfThere(pipeline.state)!;
  const { location } = placesOf(pipeline).find(({ id }) => id === "s3")!;
  catalog.rekeys.begin({ id: "m", name, location, renamed });
  const way = wayTo(pipeline.stages.at(-1)!, routesOf(pipeline.stages)[0]!);
  catalog.addDelivery({ id: "m", name: renamed, location, way, bytes: 2 }, new Date(), 0);
  catalog[Symbol.dispose]();
  const { snapshots } = await rekeyPipeline(pipeline, { planOnly: false });
  const told = snapshots.map((one) => `${one.destination} ${one.name} ${one.status}`);
  deepEqual(told, [`s3 ${name} failed`, `usb ${name} rekeyed`, `s3 ${renamed} current`]);
  equal(snapshots[0]!.failure?.code, "destination-refused");
});

/** A snapshot for the sandbox's own recipient, and its copy for `theirs`, which no one here can open. */
async function cutShortForOthers() {
  const { sandbox } = await backedUp(1, atUsb());
  const before = filesIn(sandbox.destination("usb"));
  const [name] = (await sandbox.names()).map((name) => name.slice(2)) as [string];
  const theirs = await identityToRecipient(await generateX25519Identity());
  const nameRecipients = (...to: readonly string[]) =>
    sandbox.configure((sandbox) =>
      atUsb()(sandbox, []).replace(`["${sandbox.recipient}"]`, JSON.stringify(to))
    );
  await nameRecipients(theirs);
  await killRekey(sandbox, "--skip-key-check");
  const renamed = name.replace("T000000Z", "T000001Z");
  const rekey = async (planOnly: boolean) => {
    const { snapshots } = await rekeyPipeline(sandbox.pipeline, { planOnly });
    return snapshots.map((one) => [one.status, one.name, one.renamed, one.failure?.code]);
  };
  return { sandbox, before, name, renamed, theirs, nameRecipients, rekey };
}

Deno.test({
  name: `of two that a rekeying left, the one stays that can be opened${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox, before, name, renamed, theirs, nameRecipients, rekey } =
      await cutShortForOthers();
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    const both = filesIn(usb);
    equal(both.size, 4);
    const again = name.replace("T000000Z", "T000001Z");
    // For whom the new one is was not noted.
    deepEqual(await rekey(true), [
      ["due", renamed, name, undefined],
      ["due", name, again, undefined],
    ]);
    await nameRecipients(sandbox.recipient);
    // As if it had been noted.
    const catalog = Catalog.openIfThere(sandbox.state)!;
    const bytes = namesIn(`${usb}/m`).filter((one) => one.startsWith(renamed))
      .reduce((sum, one) => sum + Deno.statSync(`${usb}/m/${one}`).size, 0);
    const way = `for ${theirs}`;
    catalog.addDelivery({ id: "m", name: renamed, location: usb, way, bytes }, new Date(), 0);
    catalog[Symbol.dispose]();
    deepEqual(await rekey(true), [
      ["due", renamed, name, undefined],
      ["current", name, null, undefined],
    ]);
    deepEqual(filesIn(usb), both);
    deepEqual(await rekey(false), [
      ["rekeyed", renamed, name, undefined],
      ["current", name, null, undefined],
    ]);
    deepEqual(filesIn(usb), before);
    equal(await sandbox.verifyAll(), 1);
    deepEqual(await rekey(false), [["current", name, null, undefined]]);
  },
});

Deno.test({
  name:
    `what a rekeying left stays where nothing of it opens, and where a copy is damaged${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox, name, renamed, rekey, nameRecipients } = await cutShortForOthers();
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    const [archive, manifest] = [".tar.zst.age", ".json.zst.age"].map((ending) =>
      `${usb}/m/${name}${ending}`
    ) as [string, string];
    const removed = await Deno.readFile(manifest);
    await Deno.remove(manifest); // It is what goes first.
    const left = filesIn(usb);
    for (const planOnly of [true, false]) {
      deepEqual(await rekey(planOnly), [
        ["failed", name, null, "identity-wrong"],
        planOnly
          ? ["due", renamed, name.replace("T000000Z", "T000002Z"), undefined]
          : ["failed", renamed, null, "identity-wrong"],
      ]);
      deepEqual(filesIn(usb), left);
    }
    await Deno.writeFile(manifest, removed);
    await Deno.truncate(archive, 100);
    await nameRecipients(sandbox.recipient);
    const both = filesIn(usb);
    deepEqual((await rekey(false))[0], ["failed", name, null, "identity-wrong"]);
    deepEqual(filesIn(usb), both);
  },
});

Deno.test({
  name: `of two that a rekeying left, one that is known to be damaged goes${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox } = await cutShort(1, atUsb());
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    const renamed = namesIn(`${usb}/m`).findLast((name) => name.includes(".tar."))!;
    const bytes = await Deno.readFile(`${usb}/m/${renamed}`);
    bytes[bytes.length - 1]! ^= 1;
    await Deno.writeFile(`${usb}/m/${renamed}`, bytes);
    equal((await verifySnapshots({ pipeline: sandbox.pipeline, all: true })).ok, false);
    equal((await rekeyPipeline(sandbox.pipeline, { planOnly: false })).ok, true);
    using catalog = Catalog.openIfThere(sandbox.state)!;
    deepEqual([...catalog.pruning.verifications(usb).values()], ["ok"]);
    equal(await sandbox.verifyAll(), 1);
  },
});

Deno.test({
  name: `what a rekeying left is missed when it is gone${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox } = await cutShort(1, atUsb());
    using _ = sandbox;
    const usb = sandbox.destination("usb");
    // What was begun is ended, and nothing else is done.
    await sandbox.configure((sandbox) =>
      sandbox.stage("snapshot", { id: "m", paths: [sandbox.tree] }) +
      sandbox.stage("local", { id: "usb", path: usb, plaintext: true })
    );
    const { snapshots } = await rekeyPipeline(sandbox.pipeline, { planOnly: false });
    deepEqual(snapshots.map(({ status }) => status), ["rekeyed", "left"]);
    const names = await sandbox.names();
    await Deno.remove(`${usb}/m`, { recursive: true });
    const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline, all: true });
    deepEqual(verifications.map(({ id, name, failure }) => [`${id}/${name}`, failure?.code]), [
      [names[0], "snapshot-missing"],
    ]);
  },
});

async function expectOneName(sandbox: Sandbox): Promise<void> {
  const { ok, snapshots } = await rekeyPipeline(sandbox.pipeline, { planOnly: false });
  equal(ok, true, JSON.stringify(snapshots));
  deepEqual(snapshots.filter(({ status }) => status === "left"), []);
  deepEqual(
    namesIn(sandbox.destination("nas/m")),
    namesIn(sandbox.destination("usb/m")),
  );
  equal(await sandbox.verifyAll(), 4);
}

Deno.test("a destination that is rekeyed after another one takes over its names", async () => {
  const { sandbox, configure } = await backedUp(2, alsoAtNas);
  using _ = sandbox;
  await rekeyPipeline(sandbox.pipeline, { planOnly: false, destination: "usb" });
  await expectOneName(sandbox);
  for (const destination of ["usb", "nas"]) {
    await configure();
    await rekeyPipeline(sandbox.pipeline, { planOnly: false, destination });
  }
  await configure();
  await expectOneName(sandbox);
});

Deno.test({
  name:
    `a snapshot is called the same everywhere after a rekeying that was cut short${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox } = await cutShort(2, alsoAtNas);
    using _ = sandbox;
    await expectOneName(sandbox);
  },
});

Deno.test({
  name: `pruning counts what a rekeying left twice as one${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const { sandbox, run } = await cutShort(4, atUsb({ keep_last: 4 }));
    using _ = sandbox;
    const [oldest, ...others] = await sandbox.names();
    const { pruned } = await run();
    deepEqual(pruned!.flatMap(({ items }) => items.map(({ id, name }) => `${id}/${name}`)), [
      oldest,
    ]);
    deepEqual((await sandbox.names()).slice(0, -1), others);
    equal((await rekeyPipeline(sandbox.pipeline, { planOnly: false })).ok, true);
    equal(await sandbox.verifyAll(), 4);
  },
});

for (const how of ["finished", "cut short"]) {
  const isCut = how === "cut short";
  Deno.test({
    name: `the last verified snapshot stays after a rekeying that was ${how}${
      isCut ? unlessTraces : ""
    }`,
    ignore: isCut && !traces,
    async fn() {
      const { sandbox, run, configure } = await backedUp(1, atUsb({ keep_last: 1 }));
      using _ = sandbox;
      equal(await sandbox.verifyAll(), 1);
      if (isCut) {
        await killRekey(sandbox);
        equal((await rekeyPipeline(sandbox.pipeline, { planOnly: false })).ok, true);
      }
      for (let times = 0; times < 2; times++) await run();
      await configure();
      equal((await rekeyPipeline(sandbox.pipeline, { planOnly: false })).ok, true);
      const [verified] = await sandbox.names();
      await run();
      deepEqual([(await sandbox.names())[0], (await sandbox.names()).length], [verified, 2]);
    },
  });
}
