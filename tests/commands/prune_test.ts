import { deepEqual, equal, match } from "node:assert/strict";
import { acquireLock } from "../../pipeline/lock.ts";
import { Home } from "./harness.ts";

/** A home with so many snapshots, where from now on the newest is kept alone. */
async function homeWith(count: number): Promise<Home> {
  const home = await Home.make();
  await home.furnish();
  for (let index = 0; index < count; index++) {
    await home.write(".claude/CLAUDE.md", `Be kind ${index}.\n`);
    equal((await home.keepsake(["run", "--quiet"])).status, 0);
  }
  const file = home.at(".config/keepsake/pipeline.toml");
  await Deno.writeTextFile(file, "keep_last = 1\n", { append: true });
  return home;
}

Deno.test("prune tells beforehand, removes, and leaves nothing to do", async () => {
  await using home = await homeWith(2);
  const backups = ".local/share/keepsake/backups";
  const before = await home.list(backups);
  const dry = await home.keepsake(["prune", "--dry-run"]);
  deepEqual([dry.status, dry.stderr], [0, ""]);
  match(dry.stdout, /^local: keep_last = 1$/m);
  match(dry.stdout, /^remove {2}claude {2}\S+ +\S+ \w+ {2}beyond keep_last = 1$/m);
  match(dry.stdout, /^keep {4}claude {2}\S+ +\S+ \w+ {2}newest; last 1 of 1$/m);
  match(dry.stdout, /^1 snapshot would be removed \(\S+ \w+\), 1 would stay$/m);
  deepEqual(await home.list(backups), before);

  const { status, stdout, stderr } = await home.keepsake(["prune", "--json"]);
  deepEqual([status, stderr], [0, ""]);
  const { ok, dry_run, destinations: [local] } = JSON.parse(stdout);
  deepEqual([ok, dry_run], [true, false]);
  deepEqual(Object.keys(local), ["id", "location", "policy", "removal", "items"]);
  deepEqual(local.items.map(({ keep, removed }: Record<string, unknown>) => [keep, removed]), [
    [false, true],
    [true, false],
  ]);
  deepEqual(Object.keys(local.items[0]), [
    ...["id", "name", "what", "created", "bytes", "keep", "removed", "reasons"],
  ]);
  equal((await home.list(backups)).length, 2);

  match((await home.keepsake(["prune"])).stdout, /^Nothing was removed, 1 stays$/m);
  deepEqual(await home.keepsake(["prune", "--quiet"]), { status: 0, stdout: "", stderr: "" });
});

Deno.test("run says what it removed, on the terminal and as JSON", async () => {
  await using home = await homeWith(1);
  await home.write(".claude/CLAUDE.md", "Be kinder.\n");
  const { status, stderr } = await home.keepsake(["run"]);
  equal(status, 0, stderr);
  match(stderr, /^ {13}removed 1 snapshot past its keep_ keys \(\S+ \w+\)$/m);
  await home.write(".claude/CLAUDE.md", "Be kindest.\n");
  const { pruned } = JSON.parse((await home.keepsake(["run", "--json"])).stdout);
  deepEqual(pruned.map(({ id }: { id: string }) => id), ["local"]);
  deepEqual(pruned[0].items.map(({ removed }: { removed: boolean }) => removed), [true]);
});

Deno.test("prune ends with 3 for what is no destination, and with 11 beside a run", async () => {
  await using home = await Home.make();
  await home.furnish();
  const unknown = await home.keepsake(["prune", "usb"]);
  equal(unknown.status, 3);
  equal(
    unknown.stderr,
    'Error: Cannot use "usb": there is no such destination\n  Name one of "local"\n',
  );
  const state = home.at(".local/state/keepsake/claude");
  await Deno.mkdir(state, { recursive: true });
  const lock = await acquireLock(`${state}/lock`);
  try {
    equal((await home.keepsake(["prune"])).status, 11);
  } finally {
    lock[Symbol.dispose]();
  }
  const bare = await home.keepsake(["prune"]);
  deepEqual(bare, {
    status: 0,
    stdout: "local: nothing is ever removed, it has no keep_ key\n",
    stderr: "",
  });
});
