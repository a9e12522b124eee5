import { deepEqual, equal, match, ok } from "node:assert/strict";
import { Home } from "./harness.ts";

Deno.test("keygen makes an identity that only its owner can read, and says what losing it means", async () => {
  await using home = await Home.make();
  const { status, stdout, stderr } = await home.keepsake(["keygen"]);
  equal(status, 0, stderr);
  match(stdout, /^age1[0-9a-z]{58}\n$/);
  match(stderr, /Losing the identity loses the backups/);
  match(stderr, /Keep a copy of it away from this machine/);
  match(stderr, new RegExp(home.at(".config/keepsake/identity.txt")));

  const identity = await Deno.readTextFile(home.at(".config/keepsake/identity.txt"));
  const [created, recipient, secret, end] = identity.split("\n");
  match(created!, /^# created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  equal(recipient, `# public key: ${stdout.trim()}`);
  match(secret!, /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/);
  equal(end, "");
  equal(await Deno.readTextFile(home.at(".config/keepsake/recipients.txt")), stdout);
  equal(await modeOf(home.at(".config/keepsake")), 0o700);
  equal(await modeOf(home.at(".config/keepsake/identity.txt")), 0o600);
  equal(await modeOf(home.at(".config/keepsake/recipients.txt")), 0o600);
});

Deno.test("keygen never overwrites, and adds recipients to those that are there", async () => {
  await using home = await Home.make();
  const first = await home.keepsake(["keygen", "--output", "key.txt"]);
  const before = await Deno.readTextFile(home.at("key.txt"));
  const again = await home.keepsake(["keygen", "--output", "key.txt"]);
  equal(again.status, 3);
  equal(again.stdout, "");
  match(again.stderr, /^Error: Cannot write ".*key\.txt": it exists already\n/);
  const directory = await home.keepsake(["keygen", "--output", home.path]);
  equal(directory.status, 3);
  match(
    directory.stderr,
    /^Error: Cannot write ".*": it is a directory\n {2}Put that right, or name/,
  );
  equal(await Deno.readTextFile(home.at("key.txt")), before);

  const second = await home.keepsake(["keygen", "-o", "second.txt"]);
  equal(await Deno.readTextFile(home.at("recipients.txt")), first.stdout + second.stdout);
});

Deno.test("keygen --pq makes a post-quantum identity", async () => {
  await using home = await Home.make();
  const { status, stdout } = await home.keepsake(["keygen", "--pq"]);
  equal(status, 0);
  match(stdout, /^age1pq1[0-9a-z]{1000,}\n$/);
  const identity = await Deno.readTextFile(home.at(".config/keepsake/identity.txt"));
  match(identity, /\nAGE-SECRET-KEY-PQ-1[0-9A-Z]+\n$/);
});

Deno.test("keygen says what is wrong with the place it cannot write to", async () => {
  await using home = await Home.make();
  await home.write("file", "");
  const { status, stderr } = await home.keepsake(["keygen", "--output", "file/key.txt"]);
  equal(status, 3);
  match(stderr, /^Error: Cannot write ".*\/file\/key\.txt": a part of its path is no directory\n/);
});

Deno.test("keygen makes no identity whose recipient could not be kept, or only beside the secret", async () => {
  await using home = await Home.make();
  await home.write("a/recipients.txt/file", "");
  for (
    const [file, said] of [
      ["a/key.txt", `Cannot read "${home.at("a/recipients.txt")}": it is a directory`],
      ["b/recipients.txt", `Cannot write "${home.at("b/recipients.txt")}": its recipient is to be`],
      ["b/Recipients.txt", `Cannot write "${home.at("b/Recipients.txt")}": its recipient is to be`],
    ]
  ) {
    const { status, stdout, stderr } = await home.keepsake(["keygen", "-o", file!]);
    deepEqual([status, stdout], [3, ""]);
    ok(stderr.startsWith(`Error: ${said}`), stderr);
  }
  deepEqual(await home.list("."), ["a/recipients.txt/file"]);
});

Deno.test("stock age reads what keygen makes", { ignore: !await hasAge() }, async () => {
  await using home = await Home.make();
  await home.keepsake(["keygen", "--output", "key.txt"]);
  const { stdout, stderr, status } = await home.bash(
    "echo hello | age -R recipients.txt | age -d -i key.txt",
  );
  equal(stderr, "");
  equal(stdout, "hello\n");
  equal(status, 0);
});

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o7777;
}

async function hasAge(): Promise<boolean> {
  try {
    return (await new Deno.Command("age", { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}
