import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import {
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption";
import { Catalog } from "../../pipeline/catalog.ts";
import { listSnapshots } from "../../pipeline/list.ts";
import { rekeyPipeline } from "../../pipeline/rekey.ts";
import { runPipeline } from "../../pipeline/run.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import { haveTools, World } from "../end_to_end/world.ts";
import { git } from "../stages/git_harness.ts";

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
  catalog.close();
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
