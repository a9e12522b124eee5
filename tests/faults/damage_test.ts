/**
 * Bytes at rest that are not what they were: whatever it is, verify says so and restore publishes
 * nothing.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { Decrypter, Encrypter } from "age-encryption";
import { findPlaces, type HeldSnapshot } from "../../pipeline/places.ts";
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { verifySnapshots } from "../../pipeline/verify.ts";
import type { Entry, FileEntry } from "../../stages/contract.ts";
import type { BackupError } from "../../stages/errors.ts";
import { entriesOf, tarOf } from "../stages/formats/tar/tar_bytes.ts";
import { encrypted, exists, filesIn, Look, namesIn, rejection, Sandbox, SLOW } from "./harness.ts";
import { HostilePlace } from "./hostile_place.ts";

const SMALL = { "a": "content" };

const plaintext = (it: Sandbox) =>
  [
    it.stage("snapshot", { id: "m", paths: [it.tree] }),
    it.stage("local", { id: "backups", path: it.destination(), plaintext: true }),
  ].join("");

// That no flipped bit passes the decryption is tried with each bit where that is tested, too.
/** The stage's own tests change each bit; all of verify takes longer. */
const SAMPLE = SLOW ? "" : " (one in nine is tried)";

Deno.test(`a small archive and its manifest have no bit that can be changed unnoticed${SAMPLE}`, async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  using lanes = await Lanes.open(sandbox, 2);
  for (const kind of ["archive", "manifest"] as const) {
    const good = await Deno.readFile(lanes.pathOf(kind));
    const bits = Array.from({ length: good.length * 8 }, (_, bit) => bit)
      .filter((bit) => SLOW || bit % (kind === "archive" ? 9 : 31) === 0);
    await lanes.each(bits, async (bit, lane) => {
      const bad = good.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      await lane.expectDamage(kind, bad, `bit ${bit} of the ${kind}`);
    });
  }
});

Deno.test("an archive and a manifest of any other length are noticed", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  using lanes = await Lanes.open(sandbox, 2);
  for (const kind of ["archive", "manifest"] as const) {
    const good = await Deno.readFile(lanes.pathOf(kind));
    const step = SLOW ? 1 : 25;
    const lengths = Array.from({ length: good.length }, (_, length) => length)
      .filter((length) => length % step === 0 || length > good.length - 5);
    await lanes.each(
      lengths,
      (length, lane) =>
        lane.expectDamage(kind, good.subarray(0, length), `${kind} of ${length} bytes`),
    );
    await lanes.each([1, 16, 70_000], (more, lane) => {
      const longer = new Uint8Array(good.length + more);
      longer.set(good);
      return lane.expectDamage(kind, longer, `${kind} with ${more} bytes more`);
    });
  }
});

Deno.test("verify and restore name the archive that is damaged, and restore publishes nothing", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  const [held] = await sandbox.held();
  const places: readonly (readonly [key: string, at: (size: number) => number])[] = [
    [held!.archives[0]!.key, () => 3],
    [held!.archives[0]!.key, () => 60],
    [held!.archives[0]!.key, (size) => size - 1],
    [held!.manifest.key, () => 60],
    [held!.manifest.key, (size) => size - 1],
  ];
  for (const [key, at] of places) {
    const path = join(sandbox.destination(), key);
    const good = await Deno.readFile(path);
    const bad = good.slice();
    bad[at(bad.length)]! ^= 1;
    await Deno.writeFile(path, bad);
    const where = `${key} at ${at(bad.length)}`;
    const report = await verifySnapshots({ pipeline: sandbox.pipeline });
    assert.equal(report.ok, false, where);
    const [{ status, failure } = assert.fail(where)] = report.verifications;
    assert.notEqual(status, "ok", where);
    assert.ok(failure?.message.includes(key), `${where}: ${failure?.message}`);
    const error = await failToRestore(sandbox);
    assert.ok(error.message.includes(key), `${where}: ${error.message}`);
    await Deno.writeFile(path, good);
  }
  assert.equal(await sandbox.verifyAll(), 1);
});

Deno.test("archives and manifests that changed places are noticed", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  const clock = (second: number) => () => new Date(Date.UTC(2026, 0, 2, 3, 4, second));
  await sandbox.backUp({ clock: clock(0) });
  sandbox.write("a", "CONTENT"); // Of the same length, so that sizes tell nothing.
  await sandbox.backUp({ clock: clock(1) });
  const held = await sandbox.held();
  const [first, second] = held.map(({ archives, manifest }) => ({
    archive: join(sandbox.destination(), archives[0]!.key),
    manifest: join(sandbox.destination(), manifest.key),
  }));
  assert.ok(first && second);
  const swaps: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    "archives": [[first.archive, second.archive]],
    "manifests": [[first.manifest, second.manifest]],
    "both": [[first.archive, second.archive], [first.manifest, second.manifest]],
  };
  for (const [what, pairs] of Object.entries(swaps)) {
    for (const pair of pairs) await swap(...pair);
    const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline, all: true });
    assert.deepEqual(verifications.map(({ status }) => status), ["damaged", "damaged"], what);
    for (const { name } of held) await failToRestore(sandbox, name);
    for (const pair of pairs) await swap(...pair);
  }
  assert.equal(await sandbox.verifyAll(), 2);
});

Deno.test("a snapshot that is brought back under another name or for another id is noticed", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  const [held] = await sandbox.held();
  const names = [
    `m/20990102T030405Z-${held!.name.slice(-12)}`,
    `m-work/${held!.name}`,
    `m/${held!.name.slice(0, -1)}${held!.name.endsWith("0") ? "1" : "0"}`,
  ];
  for (const name of names) {
    await Deno.mkdir(join(sandbox.destination(), name, ".."), { recursive: true });
    const copies = [held!.archives[0]!.key, held!.manifest.key].map((key) => ({
      from: join(sandbox.destination(), key),
      to: join(sandbox.destination(), key.replace(`${held!.id}/${held!.name}`, name)),
    }));
    for (const { from, to } of copies) await Deno.copyFile(from, to);
    const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline, all: true });
    const replayed = verifications.find((one) => `${one.id}/${one.name}` === name);
    assert.equal(replayed?.status, "damaged", name);
    assert.match(replayed.failure!.message, /belongs to/);
    assert.equal(verifications.filter(({ status }) => status === "ok").length, 1);
    await failToRestore(sandbox, name);
    for (const { to } of copies) await Deno.remove(to);
  }
});

Deno.test("a snapshot without its manifest is not listed, and one without its archive is damaged", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  const [held] = await sandbox.held();
  const manifest = join(sandbox.destination(), held!.manifest.key);
  const archive = join(sandbox.destination(), held!.archives[0]!.key);
  await Deno.rename(manifest, `${sandbox.folder}/aside`);
  assert.deepEqual(await sandbox.names(), []);
  assert.equal((await failToRestore(sandbox)).code, "snapshot-missing");
  await Deno.rename(`${sandbox.folder}/aside`, manifest);
  await Deno.remove(archive);
  assert.equal((await sandbox.list()).length, 1);
  const { ok, verifications } = await verifySnapshots({ pipeline: sandbox.pipeline });
  assert.equal(ok, false);
  assert.equal(verifications[0]?.status, "damaged");
  assert.match((await failToRestore(sandbox)).message, /it is not there/);
});

Deno.test(`each byte of an archive in plaintext can be changed, and all are noticed${SAMPLE}`, async () => {
  using sandbox = await Sandbox.make(plaintext, SMALL);
  await sandbox.backUp();
  using look = await sandbox.look();
  const { reader } = look;
  const [held] = await look.list();
  const manifest = await reader.manifest(held!);
  const path = join(sandbox.destination(), held!.archives[0]!.key);
  const good = await Deno.readFile(path);
  for (let at = 0; at < good.length; at += SLOW ? 1 : 9) {
    const bad = good.slice();
    bad[at]! ^= 1 << (at % 8);
    await Deno.writeFile(path, bad);
    const nowhere = { into: undefined, wanted: undefined };
    const { code } = await rejection(reader.unpack(held!, manifest, nowhere));
    assert.equal(code, "snapshot-damaged", `byte ${at}`);
  }
});

Deno.test("what memory spoilt between hashing and sealing is found, by restore and by verify", async () => {
  using place = await HostilePlace.make();
  const members = [{ path: "x", type: "5" }, { path: "x/file", content: "first" }];
  const spoilt = [members[0]!, { path: "x/file", content: "fIrst" }];
  const quick = "cc98257fe4be8f5a"; // xxhsum -H1 of "first".
  const entries = entriesOf(members).map((entry): Entry =>
    entry.kind === "file" ? { ...entry, xxh64: quick } : entry
  );
  const lookup = {
    ...{ pipeline: undefined, from: place.backups, identityFiles: [place.identityFile] },
  };
  const says = /^Cannot read "x\/file" in the archive: its content is not what the manifest says/;
  // As it would be made, and as it was made before manifests had quick hashes.
  for (const made of [entries, entriesOf(members)]) {
    await place.plant({ archive: tarOf(spoilt), entries: made });
    assert.match((await rejection(place.restore())).message, says);
    assert.ok(!exists(place.target));
    const { verifications } = await verifySnapshots(lookup);
    assert.match(verifications.at(-1)!.failure!.message, says);
  }
  await place.plant({ archive: tarOf(members), entries });
  assert.equal((await place.restore()).files, 1);
});

Deno.test("verify goes by both hashes, and restore of what is encrypted by the quick one", async () => {
  using place = await HostilePlace.make();
  const members = [{ path: "x", type: "5" }, { path: "x/file", content: "first" }];
  const says = /its content is not what the manifest says/;
  const plant = (change: Partial<FileEntry>) =>
    place.plant({
      archive: tarOf(members),
      entries: entriesOf(members).map((entry): Entry =>
        entry.kind === "file" ? { ...entry, ...change } : entry
      ),
    });
  const verified = async () => {
    const { verifications } = await verifySnapshots({
      ...{ pipeline: undefined, from: place.backups, identityFiles: [place.identityFile] },
    });
    return verifications.at(-1)!;
  };
  await plant({ xxh64: "0".repeat(16) });
  assert.match((await verified()).failure!.message, says);
  await plant({ sha256: "0".repeat(64), xxh64: "cc98257fe4be8f5a" });
  assert.match((await verified()).failure!.message, says);
  assert.equal((await place.restore()).files, 1);
});

Deno.test("content in plaintext that was chosen to have the same quick hash does not come back", async () => {
  using sandbox = await Sandbox.make(plaintext, SMALL);
  await sandbox.backUp();
  const [held] = await sandbox.held();
  const pathOf = (key: string) => join(sandbox.destination(), key);
  const [archive] = held!.archives;
  const tar = zstdDecompressSync(await Deno.readFile(pathOf(archive!.key)));
  tar.write("CONTENT", tar.indexOf("content"));
  const forged = zstdCompressSync(tar);
  const text = zstdDecompressSync(await Deno.readFile(pathOf(held!.manifest.key))).toString();
  const manifest = JSON.parse(text);
  manifest.archives[0].size = forged.length;
  manifest.archives[0].sha256 = createHash("sha256").update(forged).digest("hex");
  const file = manifest.entries.find((entry: Entry) => entry.kind === "file");
  assert.match(file.xxh64, /^[0-9a-f]{16}$/);
  file.xxh64 = "95036cf766ecb897"; // xxhsum -H1 of "CONTENT".
  await Deno.writeFile(pathOf(archive!.key), forged);
  await Deno.writeFile(pathOf(held!.manifest.key), zstdCompressSync(JSON.stringify(manifest)));
  const error = await failToRestore(sandbox);
  assert.match(error.message, /its content is not what the manifest says/);
});

Deno.test("an archive that was sealed once more is not the one that the manifest names", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  const [held] = await sandbox.held();
  const path = join(sandbox.destination(), held!.archives[0]!.key);
  const sealed = await Deno.readFile(path);
  const decrypter = new Decrypter();
  decrypter.addIdentity(sandbox.identity);
  const encrypter = new Encrypter();
  encrypter.addRecipient(sandbox.recipient);
  const again = await encrypter.encrypt(await decrypter.decrypt(sealed));
  assert.equal(again.length, sealed.length);
  await Deno.writeFile(path, again);
  const says = /it is not the file that the manifest names/;
  assert.match((await failToRestore(sandbox)).message, says);
  const { verifications } = await verifySnapshots({ pipeline: sandbox.pipeline });
  assert.match(verifications[0]!.failure!.message, says);
});

Deno.test("an identity that does not fit, or none, opens nothing and is no damage", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  using stranger = await Sandbox.make(encrypted, SMALL);
  await sandbox.backUp();
  const { pipeline } = sandbox;
  for (const identityFiles of [[stranger.identityFile], undefined]) {
    const lookup = identityFiles === undefined
      ? { pipeline: { ...pipeline, identity: undefined } }
      : { pipeline, identityFiles };
    const { verifications } = await verifySnapshots(lookup);
    assert.deepEqual(verifications.map(({ status }) => status), ["unknown"]);
    assert.equal(verifications[0]?.failure?.code, "identity-wrong");
    const directory = join(sandbox.folder, "target");
    const restoring = restoreSnapshot({ ...lookup, snapshot: "latest", target: { directory } });
    assert.equal((await rejection(restoring)).code, "identity-wrong");
    assert.ok(!exists(directory));
  }
});

Deno.test("two runs over the same files share no ciphertext", async () => {
  using sandbox = await Sandbox.make(encrypted, SMALL);
  const blocks = new Set<string>();
  const clock = (second: number) => () => new Date(Date.UTC(2026, 0, 2, 3, 4, second));
  for (let run = 0; run < (SLOW ? 100 : 4); run++) {
    await sandbox.backUp({ clock: clock(run), force: true });
    for (const path of filesIn(sandbox.destination()).keys()) {
      const file = join(sandbox.destination(), path);
      const text = new TextDecoder("latin1").decode(await Deno.readFile(file));
      const body = text.slice(text.indexOf("\n", text.indexOf("\n--- ") + 1) + 1);
      for (let at = 0; at + 16 <= body.length; at += 16) {
        const block = body.slice(at, at + 16);
        assert.ok(!blocks.has(block), path);
        blocks.add(block);
      }
      await Deno.remove(file);
    }
  }
});

/** Expects that a restore fails and that nothing is left of it. */
async function failToRestore(sandbox: Sandbox, snapshot = "latest"): Promise<BackupError> {
  const directory = join(sandbox.folder, "target");
  const before = namesIn(sandbox.folder);
  const { pipeline } = sandbox;
  const error = await rejection(restoreSnapshot({ pipeline, snapshot, target: { directory } }));
  assert.deepEqual(namesIn(sandbox.folder), before);
  return error;
}

async function swap(one: string, other: string): Promise<void> {
  await Deno.rename(one, `${one}.aside`);
  await Deno.rename(other, one);
  await Deno.rename(`${one}.aside`, other);
}

/** Copies of a destination with one snapshot, each with a reader that keeps its workers. */
class Lanes implements Disposable {
  readonly #lanes: readonly Lane[];

  private constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  static async open(sandbox: Sandbox, count: number): Promise<Lanes> {
    const [place] = await findPlaces(sandbox.pipeline, undefined);
    const lanes = Array.from({ length: count }, async (_, index) => {
      const root = join(sandbox.folder, `lane-${index}`);
      for (const path of filesIn(sandbox.destination()).keys()) {
        await Deno.mkdir(join(root, path, ".."), { recursive: true });
        await Deno.copyFile(join(sandbox.destination(), path), join(root, path));
      }
      const look = new Look({ ...place!, options: { path: root } }, sandbox.identity);
      const [held] = await look.list();
      return new Lane(root, look, held!);
    });
    return new Lanes(await Promise.all(lanes));
  }

  pathOf(kind: "archive" | "manifest"): string {
    return this.#lanes[0]!.pathOf(kind);
  }

  /** Does something with every item, one at a time in each lane. */
  async each<T>(items: readonly T[], work: (item: T, lane: Lane) => Promise<void>): Promise<void> {
    let next = 0;
    await Promise.all(this.#lanes.map(async (lane) => {
      while (next < items.length) await work(items[next++]!, lane);
    }));
  }

  [Symbol.dispose](): void {
    for (const lane of this.#lanes) lane.close();
  }
}

class Lane {
  readonly #root: string;
  readonly #look: Look;
  readonly #held: HeldSnapshot;

  constructor(root: string, look: Look, held: HeldSnapshot) {
    this.#root = root;
    this.#look = look;
    this.#held = held;
  }

  pathOf(kind: "archive" | "manifest"): string {
    return join(this.#root, this.#fileOf(kind).key);
  }

  /**
   * Puts these bytes in the place of the archive or the manifest and expects that they cannot be
   * fetched and decrypted, by the workers that do so for verify and restore.
   */
  async expectDamage(kind: "archive" | "manifest", bytes: Uint8Array, what: string): Promise<void> {
    await Deno.writeFile(this.pathOf(kind), bytes);
    // An archive is fetched and decrypted as a manifest is; only what comes after that differs.
    const manifest = this.#fileOf(kind);
    const { code, message } = await rejection(
      this.#look.reader.manifest({ ...this.#held, manifest }),
    );
    assert.match(code, /^(snapshot-damaged|identity-wrong)$/, what);
    assert.match(message, /decrypt/, what);
  }

  close(): void {
    this.#look[Symbol.dispose]();
  }

  #fileOf(kind: "archive" | "manifest") {
    return kind === "archive" ? this.#held.archives[0]! : this.#held.manifest;
  }
}
