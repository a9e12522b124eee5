/**
 * Archives that were made to do harm, sealed and stored like any other and restored as a user would:
 * to the last link and with everything published. Nothing outside the target may notice.
 */
import assert from "node:assert/strict";
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Codec, Entry } from "../../stages/contract.ts";
import { type Attack, ATTACKS, HONEST, X } from "../security/hostile_archives.ts";
import { entriesOf, type Member, tarOf } from "../stages/formats/tar/tar_bytes.ts";
import { rejection } from "./harness.ts";
import { HostilePlace } from "./hostile_place.ts";

const CODECS: readonly Codec[] = ["zstd", "gzip", "none"];

/** What is found before the archive is looked at. */
const MANIFEST_SAYS = /^Cannot use the manifest of |: it is no root, and the directory .* listed/;

for (const [index, attack] of ATTACKS.entries()) {
  Deno.test(`restore changes nothing outside its target when ${attack.when}`, async () => {
    using place = await HostilePlace.make();
    const { members } = attack;
    const listed = typeof members === "function" ? members(place.canary) : members;
    const archive = attack.archive?.(place.canary) ?? tarOf(listed);
    const entries = attack.entries ?? entriesOf(listed);
    await place.plant({ entries, archive, codec: CODECS[index % CODECS.length]! });
    const before = place.outside();
    if (attack.says !== undefined || !isListedWhole(entries)) await assertRefused(place, attack);
    else await assertRestored(place, entries);
    assert.deepEqual(place.outside(), before);
  });
}

/** Directories, as they stand in the tests below. */
const D: Member = { path: "x/d", type: "5" };

/** What is there before, and what comes over it; `{canary}` is a path. */
const OVER: Readonly<Record<string, readonly [there: readonly Member[], next: readonly Member[]]>> =
  {
    "a link where a directory goes": [
      [X, { path: "x/d", type: "2", link: "{canary}" }],
      [X, D, { path: "x/d/secret.txt", content: "PWNED" }],
    ],
    "a link where the root goes": [
      [{ path: "x", type: "2", link: "{canary}" }],
      [X, { path: "x/secret.txt", content: "PWNED" }],
    ],
    "a link where a file goes": [
      [X, { path: "x/file", type: "2", link: "{canary}/secret.txt" }],
      [X, { path: "x/file", content: "PWNED" }],
    ],
    "a link to nothing yet where a file goes": [
      [X, { path: "x/file", type: "2", link: "{canary}/new" }],
      [X, { path: "x/file", content: "PWNED" }],
    ],
    "a link where a link goes": [
      [X, { path: "x/file", type: "2", link: "{canary}/secret.txt" }],
      [X, { path: "x/file", type: "2", link: "{canary}/sub" }],
    ],
    "a link where a hard link goes": [
      [X, { path: "x/hard", type: "2", link: "{canary}/secret.txt" }],
      [X, { path: "x/a", content: "PWNED" }, { path: "x/hard", type: "1", link: "x/a" }],
    ],
    "a link where the content of a hard link lies": [
      [X, { path: "x/a", type: "2", link: "{canary}/secret.txt" }],
      [X, { path: "x/a", content: "PWNED" }, { path: "x/hard", type: "1", link: "x/a" }],
    ],
    "links on the way": [
      [X, { path: "x/d", type: "2", link: "e" }, { path: "x/e", type: "2", link: "{canary}/sub" }],
      [X, D, { path: "x/d/deep", type: "5" }, { path: "x/d/deep/file", content: "PWNED" }],
    ],
  };

for (const [what, [there, next]] of Object.entries(OVER)) {
  Deno.test(`restore writes through no link that an earlier one left: ${what}`, async () => {
    using place = await HostilePlace.make();
    const plant = async (members: readonly Member[]) => {
      const all = members.map((member) => ({
        ...member,
        ...(member.link && { link: member.link.replace("{canary}", place.canary) }),
      }));
      await place.plant({ entries: entriesOf(all), archive: tarOf(all) });
    };
    for (const overwrite of ["never", "changed", "always"] as const) {
      await plant(there);
      await place.restore();
      await plant(next);
      const before = place.outside();
      const failure = await place.restore({ overwrite }).then(() => undefined, (error) => error);
      assert.ok(failure === undefined || failure.code === "target-refused", String(failure));
      assert.deepEqual(place.outside(), before, overwrite);
      place.clear();
    }
  });
}

Deno.test("restore goes to no place that a root's name leads to", async () => {
  using place = await HostilePlace.make();
  const names = ["..", "../canary", "x/../../canary", place.canary, "/", "", ".", "x/", "x//y"];
  for (const name of names) {
    const members = [{ path: name, type: "5" }, { path: `${name}/new`, content: "PWNED" }];
    for (const listed of [members, HONEST]) {
      const roots = [{ name, path: place.canary }];
      await place.plant({ entries: entriesOf(listed), archive: tarOf(listed), roots });
      const before = place.outside();
      const error = await rejection(place.restore());
      assert.equal(error.code, "snapshot-damaged", `${name}: ${error.message}`);
      assert.deepEqual(readdirSync(place.yard), [], name);
      assert.deepEqual(place.outside(), before, name);
    }
  }
});

Deno.test("restore in place goes nowhere that only the manifest names", async () => {
  using place = await HostilePlace.make();
  const roots = [{ name: "x", path: place.canary }];
  await place.plant({ entries: entriesOf(HONEST), archive: tarOf(HONEST), roots });
  const before = place.outside();
  const error = await rejection(place.restore({ target: "in-place" }));
  assert.equal(error.code, "target-refused");
  assert.deepEqual(place.outside(), before);
});

/** Whether every entry is the root or stands in a directory that is listed. */
function isListedWhole(entries: readonly Entry[]): boolean {
  const directories = new Set(
    entries.flatMap(({ path, kind }) => kind === "directory" ? [path] : []),
  );
  return entries.every(({ path }) =>
    path === "x" || directories.has(path.slice(0, path.lastIndexOf("/")))
  );
}

/** Refused in one sentence, and nothing is left of it. */
async function assertRefused(place: HostilePlace, { says, code }: Attack): Promise<void> {
  const error = await rejection(place.restore());
  const message = error.message.replace(/ \(in "[^"]+" at "[^"]+"\)$/, "");
  if (!MANIFEST_SAYS.test(message)) {
    assert.match(message, says ?? MANIFEST_SAYS);
    assert.equal(error.code, code ?? "snapshot-damaged");
  } else assert.equal(error.code, "snapshot-damaged");
  assert.match(message, /^Cannot [^\p{Cc}]{1,999}$/u);
  assert.ok(error.hint);
  assert.deepEqual(readdirSync(place.yard), []);
}

/** All of it stands in the target, as the manifest says; also when it is restored over itself. */
async function assertRestored(place: HostilePlace, entries: readonly Entry[]): Promise<void> {
  for (const overwrite of ["never", "always", "changed"] as const) {
    await place.restore({ overwrite });
    assert.deepEqual(readdirSync(place.yard), ["target"]);
    const found = readdirSync(place.target, { recursive: true }) as string[];
    assert.deepEqual(found.sort(), entries.map(({ path }) => path).sort());
    for (const entry of entries) {
      const path = join(place.target, entry.path);
      const stat = lstatSync(path);
      assert.equal(stat.isSymbolicLink(), entry.kind === "symlink", path);
      if (entry.kind === "symlink") assert.equal(readlinkSync(path), entry.link);
      else assert.equal(stat.mode & 0o7777, entry.mode & 0o777, path);
      if (entry.kind === "hardlink") {
        assert.equal(stat.ino, lstatSync(join(place.target, entry.link)).ino);
      }
    }
  }
}
