import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import {
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption";
import { readIdentities } from "../../pipeline/identities.ts";
import {
  findForeign,
  judgeKeys,
  type KeyFacts,
  lookAtKeys,
  proveKeys,
} from "../../pipeline/keys.ts";
import { World } from "../end_to_end/world.ts";

const FINE: KeyFacts = {
  sealing: [{ id: "encrypt", recipients: ["age1a", "age1b"] }],
  identity: { path: "/home/me/.config/keepsake/identity.txt", mode: 0o100600 },
  sources: [{ id: "claude", path: "/home/me/.claude" }],
  destinations: [{ id: "local", path: "/home/me/.local/share/keepsake/backups" }],
};

Deno.test("keys that lie where they should are fine, and each that does not is told", () => {
  const at = (path: string, mode = 0o100600) => ({ identity: { path, mode } });
  const cases: readonly [facts: Partial<KeyFacts>, codes: readonly string[]][] = [
    [{}, []],
    [{ sealing: [{ id: "encrypt", recipients: ["age1a"] }] }, ["one-recipient"]],
    [{ sealing: [] }, []],
    [{ identity: undefined }, []],
    [at("/home/me/.claude/keys/identity.txt"), ["identity-in-source"]],
    [at("/home/me/.claude-keys/identity.txt"), []],
    [at("/home/me/.local/share/keepsake/backups/identity.txt"), ["identity-beside-backups"]],
    [at("/home/me/.local/share/keepsake/backups/claude/x"), ["identity-beside-backups"]],
    [at("/home/me/.local/share/keepsake/identity.txt"), ["identity-beside-backups"]],
    [at("/home/me/.local/share/other/identity.txt"), []],
    [at("/identity.txt", 0o100644), ["identity-beside-backups", "identity-readable"]],
    [at("/etc/identity.txt", 0o100640), ["identity-readable"]],
    [{ identity: { path: "C:\\identity.txt", mode: null } }, []],
  ];
  for (const [facts, codes] of cases) {
    const warnings = judgeKeys({ ...FINE, ...facts });
    deepEqual(warnings.map(({ code }) => code), codes, JSON.stringify(facts));
  }
});

Deno.test("where things lie is found out by their true places", async () => {
  using world = await World.make();
  await Deno.mkdir(world.at("keys"));
  await Deno.rename(world.identity, world.at("keys", "identity.txt"));
  await Deno.symlink(world.at("keys", "identity.txt"), world.identity);
  const pipeline = await world.pipeline(world.usual());
  deepEqual((await lookAtKeys(pipeline)).map(({ code }) => code), ["one-recipient"]);
  await Deno.chmod(world.at("keys", "identity.txt"), 0o644);
  await Deno.remove(world.identity);
  await Deno.rename(world.at("keys", "identity.txt"), `${world.source}/identity.txt`);
  await Deno.symlink(`${world.source}/identity.txt`, world.identity);
  deepEqual((await lookAtKeys(pipeline)).map(({ code }) => code), [
    ...["one-recipient", "identity-in-source", "identity-readable"],
  ]);
  await Deno.symlink(world.source, world.at("link"));
  const linked = await world.pipeline(world.usual().replace(world.source, world.at("link")));
  equal((await lookAtKeys(linked))[1]!.code, "identity-in-source");
  // Also those that are named by hand, each once.
  await Deno.mkdir(world.at("backups"));
  await Deno.writeTextFile(world.at("backups", "other.txt"), "", { mode: 0o600 });
  const named = [world.at("backups", "other.txt"), world.identity, world.at("gone")];
  deepEqual((await lookAtKeys(pipeline, named)).map(({ code }) => code), [
    ...["one-recipient", "identity-in-source", "identity-readable", "identity-beside-backups"],
  ]);
});

Deno.test("an identity that belongs to none of the recipients is told, and one that does to any is not", async () => {
  using world = await World.make();
  const codes = async (believe = false) => {
    const found = await findForeign(await world.pipeline(world.usual()), { believe });
    return found.map(({ code }) => code);
  };
  deepEqual(await codes(), []);
  const own = world.recipient;
  for (const generate of [generateX25519Identity, generateHybridIdentity]) {
    const gone = await generate();
    const stranger = await identityToRecipient(gone);
    world.recipient = stranger;
    deepEqual(await codes(), ["identity-foreign"]);
    deepEqual(await codes(true), ["identity-foreign"]);
    world.recipient = `${stranger}", "${own}`;
    deepEqual(await codes(), []);
    world.recipient = stranger;
    const text = await Deno.readTextFile(world.identity);
    await Deno.writeTextFile(world.identity, `# a second one\n${gone}\n`, { append: true });
    deepEqual(await codes(), []);
    // A note of somebody's is believed where time counts, and there alone.
    await Deno.writeTextFile(world.identity, `# public key: ${stranger}\r\n${text}`);
    deepEqual([await codes(true), await codes()], [[], ["identity-foreign"]]);
    await Deno.writeTextFile(world.identity, text);
  }
  const pipeline = await world.pipeline(world.usual());
  for (const text of ["", "age-encryption.org/v1\n", "AGE-PLUGIN-YUBIKEY-1\n"]) {
    await Deno.writeTextFile(world.identity, text);
    deepEqual(await findForeign(pipeline), []);
  }
  await Deno.remove(world.identity);
  deepEqual(await findForeign(pipeline), []);
  deepEqual(await findForeign({ ...pipeline, identity: undefined }), []);
});

Deno.test("a challenge that is sealed for a pipeline proves the identity, and no other", async () => {
  using world = await World.make();
  const pipeline = await world.pipeline(world.usual());
  equal(await proveKeys(pipeline, undefined), 1);
  const other = world.at("other.txt");
  const identity = await generateX25519Identity();
  await Deno.writeTextFile(other, `${identity}\n`);
  await rejects(proveKeys(pipeline, [other]), { code: "identity-wrong" });
  equal(await proveKeys(pipeline, [other, world.identity]), 1);
  const own = world.recipient;
  world.recipient = await identityToRecipient(identity);
  const stages = [...pipeline.stages, ...(await world.pipeline(world.usual())).stages];
  await rejects(proveKeys({ ...pipeline, stages }, undefined), { code: "identity-wrong" });
  world.recipient = own;
  world.recipient += `", "${await identityToRecipient(identity)}`;
  equal(await proveKeys(await world.pipeline(world.usual()), [other]), 1);
  await Deno.remove(world.identity);
  await rejects(proveKeys(pipeline, undefined), { code: "identity-wrong" });
  await rejects(proveKeys({ ...pipeline, identity: undefined }, undefined), {
    message: "Cannot prove that the identity is held: none is named",
  });
});

Deno.test({
  name: "an identity that a pipe hands over is there for all who ask, and not for the first alone",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const pipe = join(folder, "pipe");
    const identity = await generateX25519Identity();
    equal((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success, true);
    const script = `printf '%s\\n' "$1" > "$0"`;
    const writer = new Deno.Command("sh", { args: ["-c", script, pipe, identity] }).spawn();
    deepEqual(await readIdentities([pipe]), [identity]);
    equal((await writer.status).success, true);
    deepEqual(await readIdentities([pipe]), [identity]);
    await Deno.remove(folder, { recursive: true });
  },
});
