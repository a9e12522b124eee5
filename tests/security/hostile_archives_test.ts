/** Archives that were made to do harm are unpacked beside a canary that must not notice. */
import { deepEqual as assertEquals, equal, match, ok } from "node:assert/strict";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../stages/contract.ts";
import { StageError } from "../../stages/errors.ts";
import { checkEntries, checkNamesForWindows } from "../../stages/formats/snapshot/entry_rules.ts";
import { unpack } from "../../stages/formats/snapshot/unpack.ts";
import {
  bytesOf,
  END,
  entriesOf,
  inPieces,
  type Member,
  memberBytes,
  sealed,
  tarOf,
} from "../stages/formats/tar/tar_bytes.ts";
import {
  type Attack,
  ATTACKS,
  HONEST,
  LEVELS,
  picture,
  plantCanary,
  X,
} from "./hostile_archives.ts";

for (const attack of ATTACKS) {
  Deno.test(`unpack writes nothing outside its target when ${attack.when}`, () =>
    assertHarmless(attack));
}

Deno.test("unpack is tried with at least sixty hostile archives, no two under one name", () => {
  ok(ATTACKS.length >= 60, String(ATTACKS.length));
  equal(new Set(ATTACKS.map(({ when }) => when)).size, ATTACKS.length);
});

Deno.test("unpack stops at the first entry that the manifest does not list, of a million", async () => {
  const member = memberBytes({ path: "x/file" });
  let given = 0;
  async function* million() {
    yield memberBytes(X);
    for (; given < 1_000_000; given++) yield await Promise.resolve(member);
  }
  const entries = entriesOf([X, { path: "x/file" }]);
  await assertRefused(() => start({ input: million(), entries }), /not in the manifest/);
  equal(given, 1);
});

Deno.test("unpack stops at the first byte after the end, of an endless stream of zeros", async () => {
  let given = 0;
  async function* endless() {
    yield tarOf(HONEST);
    for (; given < 1000; given++) yield await Promise.resolve(new Uint8Array(2 ** 16));
  }
  await assertRefused(
    () => start({ input: endless(), entries: entriesOf(HONEST) }),
    /after its end/,
  );
  equal(given, 0);
});

Deno.test("unpack compares a hundred thousand entries", async () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `x/${100_000 + index}`);
  const empty = entriesOf([{ path: "x/100000" }])[0]!;
  const block = memberBytes({ path: "x/100000" });
  async function* input() {
    for (const name of names) {
      block.set(bytesOf(name));
      yield await Promise.resolve(sealed(block));
    }
    yield END;
  }
  const entries = names.map((path) => ({ ...empty, path }));
  assertEquals(await start({ input: input(), entries }), { files: 100_000, bytes: 0 });
});

Deno.test("checkEntries takes a million entries, and paths as deep and long as they may be", () => {
  const base = { kind: "directory", mode: 0o755, mtime: 0 } as const;
  checkEntries(Array.from({ length: 1e6 }, (_, index) => ({ ...base, path: `x/${index}` })));
  checkEntries([
    { ...base, path: `x/${LEVELS}d` },
    { ...base, path: `x/${"n".repeat(1020)}` },
    { ...base, path: `x/${"\u{1f4be}".repeat(255)}` },
    { ...base, path: `${"ü".repeat(127)}/`.repeat(250) + "x" },
  ]);
});

Deno.test("checkEntries counts levels also where each has an entry of its own", () => {
  const entries: Entry[] = [];
  for (let path = "d"; entries.length < 5000; path += "/d") {
    entries.push({ path, kind: "directory", mode: 0o755, mtime: 0 });
  }
  checkEntries(entries);
  const one = { ...entries[0]!, path: `${entries.at(-1)!.path}/d` };
  assertRefusal(thrownBy(() => checkEntries([...entries, one])), /more than 5000 levels/);
});

Deno.test("checkEntries with roots refuses what stands in a directory that is not listed", () => {
  const members: Member[] = [
    { path: "conf/one.json" },
    X,
    { path: "x/d", type: "5" },
    { path: "x/d/file" },
    { path: "y/x", type: "5" },
    { path: "y/x/file" },
  ];
  const roots = ["conf/one.json", "x", "y/x"];
  checkEntries(entriesOf(members), roots);
  for (const [index, says] of [[1, /"x\/d" .* no root/], [2, /"x\/d\/file" .* no root/]] as const) {
    const entries = entriesOf(members.toSpliced(index, 1));
    checkEntries(entries);
    assertRefusal(thrownBy(() => checkEntries(entries, roots)), says);
  }
  const error = thrownBy(() => checkEntries(entriesOf(members), roots.slice(1)));
  assertRefusal(error, /"conf\/one\.json" .* no root/);
});

Deno.test("checkNamesForWindows refuses what Windows would take for something else", () => {
  checkNamesForWindows(
    ["x/.claude/a b.txt", "x/con-text/nullable/com10.txt", "x/ü"],
  );
  const names = [
    "a\\b",
    "..\\..\\canary",
    "C:",
    "C:canary",
    "file:stream",
    "a?b",
    "a*",
    "a<b",
    "a>b",
    'a"b',
    "a|b",
    "a\nb",
    "dot.",
    "space ",
    "...",
    "nul",
    "NUL.txt",
    "Con",
    "aux.tar.gz",
    "prn ",
    "COM1",
    "com¹",
    "lpt9.log",
    "CONIN$",
    "con .txt",
  ];
  for (const name of names) {
    const error = thrownBy(() => checkNamesForWindows(["x/fine", `x/${name}/file`]));
    assertRefusal(error, /Windows cannot hold the name/, "target-refused");
  }
});

/** Unpacks it in several ways next to a canary, and looks at all that is there before and after. */
async function assertHarmless(attack: Attack): Promise<void> {
  const base = await Deno.makeTempDir({ prefix: "keepsake-hostile-" });
  try {
    const canary = join(base, "canary");
    await plantCanary(canary);
    const members = typeof attack.members === "function" ? attack.members(canary) : attack.members;
    const archive = attack.archive?.(canary) ?? tarOf(members);
    const entries = attack.entries ?? entriesOf(members);
    const before = picture(base);
    for (const length of [100, 2 ** 20]) {
      const target = join(base, "target");
      await Deno.mkdir(target);
      const into = { x: join(target, "x") };
      const job = () => start({ input: inPieces(archive, length), entries, into });
      if (attack.says) await assertRefused(job, attack.says, attack.code);
      else {
        await job();
        const left = readdirSync(target, { recursive: true }) as string[];
        assertEquals(left.sort(), ["x", ...attack.leaves ?? []].sort());
      }
      for (const name of readdirSync(target, { recursive: true }) as string[]) {
        const stat = lstatSync(join(target, name));
        ok(stat.isFile() || stat.isDirectory(), name);
        if (stat.isFile()) equal(stat.nlink, 1);
        equal(stat.mode & 0o7000, 0);
      }
      await Deno.remove(target, { recursive: true });
      assertEquals(picture(base), before);
    }
    // Compared with a manifest that knows of none of it, and nowhere to write.
    if (!attack.entries && members !== HONEST) {
      const input = inPieces(archive, 1000);
      await assertRefused(() => start({ input, entries: entriesOf([X]) }), /./);
    }
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

interface Job {
  readonly input: AsyncIterable<Uint8Array>;
  readonly entries: readonly Entry[];
  readonly into?: Readonly<Record<string, string>>;
}

function start({ input, entries, into }: Job) {
  const { signal } = new AbortController();
  return unpack({ input, entries, into, wanted: undefined, signal, log() {}, progress() {} });
}

async function assertRefused(
  job: () => Promise<unknown>,
  says: RegExp,
  code?: string,
): Promise<void> {
  const answer = await job().then(() => "no refusal", (error: unknown) => error);
  assertRefusal(answer, says, code);
}

function assertRefusal(error: unknown, says: RegExp, code = "snapshot-damaged"): void {
  ok(error instanceof StageError, String(error));
  match(error.message, says);
  equal(error.code, code);
  ok(error.hint);
  ok(error.message.length < 1000, "the message is short");
}

function thrownBy(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
}
