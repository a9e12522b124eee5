/**
 * A directory of backups that somebody wrote to who has the recipient's public key and means harm,
 * and everything around it that must stay as it is.
 *
 * @module
 */
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { writeManifest } from "../../pipeline/manifest.ts";
import { fileName, snapshotName } from "../../pipeline/names.ts";
import {
  type RestoreOptions,
  type RestoreReport,
  restoreSnapshot,
} from "../../pipeline/restore.ts";
import { totalsOf } from "../../pipeline/run/reading.ts";
import type { Codec, Entry, Root } from "../../stages/contract.ts";
import { contentHash } from "../../stages/formats/snapshot/entries.ts";
import { picture, plantCanary } from "../security/hostile_archives.ts";
import { concat, sha256 } from "../stages/formats/tar/tar_bytes.ts";

/** What an attacker puts there. */
export interface Planted {
  readonly entries: readonly Entry[];
  /** The tar; or, with `isCompressed`, what it would be compressed. */
  readonly archive: Uint8Array;
  readonly isCompressed?: boolean;
  readonly codec?: Codec;
  readonly roots?: readonly Root[];
  /** The manifest, compressed, instead of the right one. */
  readonly manifest?: Uint8Array;
}

/** The directory, what lies around it, and a place to restore to. */
export class HostilePlace implements Disposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keepsake-hostile-" }));
  readonly canary: string = join(this.path, "canary");
  readonly backups: string = join(this.path, "backups");
  readonly identityFile: string = join(this.path, "identity.txt");
  /** What restores may write to: the target's parent. */
  readonly yard: string = join(this.path, "yard");
  readonly target: string = join(this.yard, "target");
  readonly #recipient: string;
  #seconds = 0;

  private constructor(recipient: string) {
    this.#recipient = recipient;
  }

  static async make(): Promise<HostilePlace> {
    const identity = await generateX25519Identity();
    const place = new HostilePlace(await identityToRecipient(identity));
    await Deno.writeTextFile(place.identityFile, `${identity}\n`, { mode: 0o600 });
    await Deno.mkdir(join(place.backups, "x"), { recursive: true });
    await Deno.mkdir(place.yard);
    await plantCanary(place.canary);
    return place;
  }

  /** Puts a snapshot there, newer than those before. */
  async plant(planted: Planted): Promise<void> {
    const { entries, archive, isCompressed, codec = "zstd", ...given } = planted;
    const created = new Date(Date.UTC(2026, 0, 2) + 1000 * this.#seconds++);
    const hash = await contentHash(entries);
    const name = snapshotName(created, hash);
    const keyOf = (kind: "archive" | "manifest") =>
      fileName({ name, kind, codec, transforms: [".age"] });
    const sealed = await this.#seal(isCompressed ? archive : compress(archive, codec));
    const manifest = writeManifest({
      ...{ pipeline: "p", snapshot: "x", name, created },
      ...{ host: "elsewhere", source: "snapshot", unreadable: [], skipped: [], entries },
      ...totalsOf(entries, hash),
      roots: given.roots ?? [{ name: "x", path: join(this.canary, "x") }],
      archives: [{ name: keyOf("archive"), size: sealed.length, sha256: sha256(sealed) }],
    });
    const text = given.manifest ?? compress(concat(...manifest), codec);
    await Deno.writeFile(join(this.backups, "x", keyOf("archive")), sealed);
    await Deno.writeFile(join(this.backups, "x", keyOf("manifest")), await this.#seal(text));
  }

  /** Restores the newest snapshot from nothing but the directory and the identity. */
  restore(options: Partial<Pick<RestoreOptions, "overwrite" | "target">> = {}): Promise<
    RestoreReport
  > {
    return restoreSnapshot({
      ...{ pipeline: undefined, from: this.backups, identityFiles: [this.identityFile] },
      ...{ snapshot: "latest", target: { directory: this.target }, ...options },
    });
  }

  /** Everything here but what stands where restores may write. */
  outside(): unknown[] {
    return picture(this.path).filter(({ name }) => name !== "yard" && !name.startsWith("yard/"));
  }

  /** Removes what was restored. */
  clear(): void {
    Deno.removeSync(this.yard, { recursive: true });
    Deno.mkdirSync(this.yard);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }

  async #seal(bytes: Uint8Array): Promise<Uint8Array> {
    const encrypter = new Encrypter();
    encrypter.addRecipient(this.#recipient);
    return await encrypter.encrypt(bytes);
  }
}

/** In blocks as keepsake makes them, but by the runtime's own means. */
function compress(bytes: Uint8Array, codec: Codec): Uint8Array {
  if (codec === "none") return bytes;
  const blocks: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += BLOCK) {
    const block = bytes.subarray(at, at + BLOCK);
    blocks.push(codec === "zstd" ? zstdCompressSync(block) : gzipSync(block));
  }
  return concat(...blocks);
}

const BLOCK = 2 ** 21;
