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
  deepEqual(await home.list(".local/share/keepsake/backups"), before);
  const done = await home.keepsake(["rekey", "--apply"]);
  equal(done.status, 0, done.stderr);
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
