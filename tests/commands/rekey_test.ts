import { deepEqual, equal, match } from "node:assert/strict";
import { Home } from "./harness.ts";

Deno.test("rekey tells first, does it when told, and says what it does not protect from", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const made = await home.keepsake(["keygen", "--output", home.at("new/new.txt")]);
  equal(made.status, 0, made.stderr);
  const [recipient] = /age1\w+/.exec(await Deno.readTextFile(home.at("new/new.txt")))!;
  await Deno.writeTextFile(home.at(".config/keepsake/recipients.txt"), `${recipient}\n`);

  equal((await home.keepsake(["rekey"])).status, 3);
  equal((await home.keepsake(["rekey", "--plan", "--apply"])).status, 3);
  const before = await home.list(".local/share/keepsake/backups");
  const plan = await home.keepsake(["rekey", "--plan"]);
  equal(plan.status, 0, plan.stderr);
  match(plan.stdout, /^due {5}claude {2}\S+ .* local {2}becomes \d{8}T\d{6}Z-\w{12}$/m);
  const quietly = await home.keepsake(["rekey", "--plan", "--quiet"]);
  deepEqual(quietly, { ...plan, stderr: "" });
  deepEqual(await home.list(".local/share/keepsake/backups"), before);
  const done = await home.keepsake(["rekey", "--apply", "--identity", home.at("new/new.txt")]);
  equal(done.status, 0, done.stderr);
  match(done.stderr, /^The identity at hand opens what will be encrypted$/m);
  match(done.stdout, /^rekeyed {2}claude {2}\S+ .* local {2}is now \d{8}T\d{6}Z-\w{12}$/m);
  match(done.stderr, /^Note: this keeps a former identity out of what is stored from now on/m);
  match(done.stderr, /^ {2}- who kept the file key of an archive/m);

  const identity = ["--identity", home.at("new/new.txt")];
  equal((await home.keepsake(["verify", ...identity])).status, 0);
  equal((await home.keepsake(["verify"])).status, 3);
  const again = await home.keepsake(["rekey", "--apply", "--json", ...identity]);
  const { ok, snapshots: [one] } = JSON.parse(again.stdout);
  deepEqual([ok, one.status, one.renamed], [true, "current", null]);
});

Deno.test("rekey takes nothing away for recipients that nobody at hand has the identity of", async () => {
  await using home = await Home.make();
  await home.furnish();
  equal((await home.keepsake(["run", "--quiet"])).status, 0);
  const made = await home.keepsake(["keygen", "--output", home.at("gone/gone.txt")]);
  equal(made.status, 0, made.stderr);
  const [recipient] = /age1\w+/.exec(await Deno.readTextFile(home.at("gone/gone.txt")))!;
  await Deno.remove(home.at("gone/gone.txt"));
  await Deno.writeTextFile(home.at(".config/keepsake/recipients.txt"), `${recipient}\n`);
  const before = await home.list(".local/share/keepsake/backups");
  const own = home.at(".config/keepsake/identity.txt");

  const foreign =
    /The identity ".*identity\.txt" belongs to none of the recipients that "encrypt" /;
  match((await home.keepsake(["plan"])).stdout.replaceAll(/\s+/g, " "), foreign);
  const { keys } = JSON.parse((await home.keepsake(["plan", "--json"])).stdout);
  deepEqual(keys.map(({ code }: { code: string }) => code), ["one-recipient", "identity-foreign"]);
  match((await home.keepsake(["run", "--dry-run"])).stderr, foreign);
  equal((await home.keepsake(["rekey", "--plan", "--skip-key-check"])).status, 3);
  for (const more of [[], ["--identity", own], ["--quiet"]]) {
    const { status, stdout, stderr } = await home.keepsake(["rekey", "--apply", ...more]);
    deepEqual([status, stdout], [3, ""], stderr);
    match(stderr, /^Error: Cannot open what "encrypt" encrypts with ".*": it belongs to other /m);
    match(stderr, /^ {2}.*; --skip-key-check goes on without knowing whether it can be opened$/m);
  }
  const told = await home.keepsake(["rekey", "--apply", "--json"]);
  const { ok, error } = JSON.parse(told.stdout);
  deepEqual([ok, error.code, told.status], [false, "identity-wrong", 3]);
  deepEqual(await home.list(".local/share/keepsake/backups"), before);
  const unlike = { env: { KEEPSAKE_IDENTITY: home.at("nowhere.txt") } };
  equal((await home.keepsake(["rekey", "--apply"], unlike)).status, 3);

  const risky = await home.keepsake(["rekey", "--apply", "--skip-key-check"]);
  equal(risky.status, 0, risky.stderr);
  match(risky.stderr, /^Warning: nobody has looked whether the identity is there /m);
  match(risky.stdout, /^rekeyed /m);
});
