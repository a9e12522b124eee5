/**
 * What the git destination does: store, list, fetch and remove, each on a clone that may have been
 * lost since the last time. Long because the four share how they look at it.
 *
 * @module
 */
import type {
  FetchContext,
  ListContext,
  OptionsSchema,
  RemoveContext,
  SpoolFile,
  StageContext,
  StoreContext,
  StoredFile,
  StoreResult,
} from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { HINT_DAMAGED, MANIFEST_LIMIT } from "../snapshot/entry_rules.ts";
import { spoolPieces } from "../spool_file.ts";
import { isManifest } from "../stored_names.ts";
import { Clone } from "./clone.ts";
import { type Change, commitAndPush, type Content, importBlobs } from "./commit.ts";
import {
  checkKey,
  filesDirectory,
  type Held,
  heldIn,
  manifestKeyOf,
  pathsFor,
  unpackedIn,
} from "./content.ts";
import { isDoubtful } from "./errors.ts";
import { repack, Unpacker } from "./files.ts";
import { makeFolder } from "./folder.ts";
import {
  bringCommit,
  bringObject,
  commitOf,
  freshClone,
  removeAbandoned,
  type Seen,
} from "./fresh.ts";
import { archiveSizeIn } from "./manifest.ts";
import { Git } from "./program.ts";
import { addressOf, parseRemote } from "./remote.ts";

/** The options of the git destination. */
export interface GitOptions {
  readonly remote: string;
  readonly branch: string;
  readonly layout: "archives" | "files";
  readonly max_file: number;
  readonly budget?: number | undefined;
  readonly credentials?: string | undefined;
  readonly ssh_key?: string | undefined;
  readonly ssh_known_hosts?: string | undefined;
  readonly timeout: number;
}

/** A context whose options are git's. */
type With<C extends StageContext> = Omit<C, "options"> & { readonly options: GitOptions };

/** Stores files, as one commit that the remote confirmed. */
export async function store(context: With<StoreContext<OptionsSchema>>): Promise<StoreResult> {
  const { options, files, log, message } = context;
  const { remote, branch, budget, layout } = options;
  for (const { key } of files) checkKey(key);
  const location = addressOf(remote, branch);
  return await withMended(context, async (clone) => {
    // What cannot be reached is found out before anything is written.
    const first = await clone.update(branch, false);
    const plan = layout === "files"
      ? await unpackedChanges(clone, context)
      : await archiveChanges(clone, context);
    const changesOn = async (tip: string | undefined) => {
      for (const folder of new Set(plan.keys.map((key) => key.split("/")[0]!))) {
        if (tip === undefined) break;
        const held = await heldIn(clone, tip, folder);
        if (held.size === 0) await refuseStranger(clone, tip, folder, location);
        if (layout === "files" && !unpackedIn(held).some(isManifest)) {
          await refuseStrangers(clone, tip, folder, location);
        }
        for (const key of plan.keys) refuseOther(key, plan.changes, held, location);
      }
      return plan.changes;
    };
    const text = messageOf(plan.keys, message);
    const { commit, changed } = await commitAndPush(clone, branch, text, first, changesOn);
    if (!changed) log("debug", `"${location}" held it already`);
    await clone.tidy(commit).catch(() => {});
    const placeBytes = await clone.size();
    log("debug", `The repository "${location}" has ${placeBytes} bytes`);
    if (budget !== undefined && placeBytes > budget) {
      log("warn", `The repository "${location}" has ${placeBytes} bytes, more than ${budget}`);
    }
    return { location, bytes: plan.bytes, placeBytes };
  });
}

/** Lists the files that the tip of the branch holds. */
export async function list(context: With<ListContext<OptionsSchema>>): Promise<StoredFile[]> {
  const { options: { remote, branch }, mustExist = false } = context;
  return await withClone(context, async (clone) => {
    await removeAbandoned(context.folder!.path);
    const tip = await clone.update(branch, context.folder!.temporary);
    if (tip === undefined) {
      known.delete(addressOf(remote, branch));
      // Without any branch it was emptied, as a directory may be; among others, one is lacking.
      if (!mustExist || !await clone.hasBranches()) return [];
      throw new StageError(
        "destination-unreachable",
        `Cannot list "${remote}": there is no branch "${branch}"`,
        {
          hint:
            'Correct the branch, branch = "…" in the file or what stands after "#" in an address; for a run to begin anew there, make it',
        },
      );
    }
    const held = await heldIn(clone, tip);
    known.set(addressOf(remote, branch), { tip, held });
    const files = [...held.values()].map(({ key, size }) => ({ key, size }));
    for (const manifest of unpackedIn(held)) {
      const file = held.get(manifest)!;
      // What is no manifest has no archive; who fetches it learns why.
      if (file.size > MANIFEST_LIMIT) continue;
      const size = archiveSizeIn(await textOf(clone, file));
      if (size !== undefined) files.push({ key: manifest.replace(/\.json$/, ".tar"), size });
    }
    return files;
  });
}

/** What the branch was last seen to hold, in this worker. */
const known = new Map<string, Seen>();

/** Fetches one file, as the remote has it now: not as the clone remembers it. */
export async function fetch(context: With<FetchContext<OptionsSchema>>): Promise<void> {
  const { options: { remote, branch }, key, output, signal, progress } = context;
  checkKey(key);
  await withClone(context, async (clone) => {
    const place = addressOf(remote, branch);
    let seen = known.get(place);
    const manifest = manifestKeyOf(key);
    const holds = () => seen?.held.has(key) || (manifest && seen?.held.has(manifest));
    if (!holds()) {
      const tip = await clone.update(branch, context.folder!.temporary);
      seen = tip === undefined ? undefined : { tip, held: await heldIn(clone, tip) };
    }
    const found = seen?.held.get(key);
    if (seen === undefined || !holds()) {
      throw new StageError(
        "snapshot-missing",
        `Cannot fetch "${key}": "${place}" has no such file`,
        {
          hint: "Check that this is the right repository and branch",
        },
      );
    }
    let done = 0;
    const take = async (bytes: Uint8Array) => {
      signal.throwIfAborted();
      await output.write(bytes);
      progress(done += bytes.length, found?.size);
    };
    using fresh = await freshClone(clone, context.folder!.path);
    if (found !== undefined) {
      for (const id of found.ids) await bringObject(fresh, id, branch);
      for (const id of found.ids) {
        const { repository } = fresh;
        await fresh.git.call(["cat-file", "blob", id], { repository, output: take });
      }
      return;
    }
    const text = await textOf(clone, seen.held.get(manifest!)!);
    const commit = await commitOf(clone, seen, manifest!, branch);
    await bringCommit(fresh, commit, branch);
    await repack(fresh, commit, key, text, output, (bytes) => progress(bytes));
  });
}

/** Takes files off the tip of the branch. */
export async function remove(context: With<RemoveContext<OptionsSchema>>): Promise<void> {
  const { options: { remote, branch }, keys, log } = context;
  for (const key of keys) checkKey(key);
  const location = addressOf(remote, branch);
  await withMended(context, async (clone) => {
    const first = await clone.update(branch, false);
    if (first === undefined) return;
    const changesOn = async (tip: string | undefined): Promise<Change[]> => {
      if (tip === undefined) return [];
      const held = await heldIn(clone, tip);
      const paths = keys.flatMap((key) => held.get(key)?.paths ?? []);
      const left = unpackedIn(held).filter((key) => !paths.includes(key));
      // Files of a snapshot id that has no snapshot left are nobody's.
      const folders = new Set(unpackedIn(held).map((key) => key.split("/")[0]!));
      const bare = [...folders].filter((folder) =>
        !left.some((key) => key.startsWith(`${folder}/`))
      );
      return [...paths, ...bare.map(filesDirectory)].map((path) => ({ path, id: undefined }));
    };
    const text = `Remove ${keys.length} files\n\n${keys.join("\n")}\n`;
    const { commit, changed } = await commitAndPush(clone, branch, text, first, changesOn);
    await clone.tidy(commit).catch(() => {});
    known.delete(location);
    if (changed) log("info", `The history of "${location}" keeps what was removed from its tip`);
  });
}

interface Plan {
  readonly changes: readonly Change[];
  readonly keys: readonly string[];
  readonly bytes: number;
}

async function archiveChanges(
  clone: Clone,
  context: With<StoreContext<OptionsSchema>>,
): Promise<Plan> {
  const { files, options: { max_file } } = context;
  const parts = files.flatMap(({ key, size }) => pathsFor(key, size, max_file));
  const dense = files.every(({ key }) => !/\.(tar|json)$/.test(key));
  const ids = await importBlobs(clone, partsOf(context), dense);
  const changes = parts.map(({ path }, index): Change => ({
    path,
    mode: "100644",
    id: ids[index]!,
  }));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { changes, keys: files.map(({ key }) => key), bytes };
}

async function unpackedChanges(
  clone: Clone,
  context: With<StoreContext<OptionsSchema>>,
): Promise<Plan> {
  const { files, options: { max_file } } = context;
  const manifest = files.find(({ key }) => /\.json(\.|$)/.test(key));
  const archive = files.find((file) => file !== manifest);
  if (manifest === undefined || archive === undefined) {
    throw new StageError(
      "stage-failed",
      "Cannot unpack a snapshot: its archive or manifest is lacking",
    );
  }
  return await new Unpacker(clone, max_file).unpack(archive, manifest, meter(context));
}

/** The contents of all files, divided where they are too long. */
async function* partsOf(context: With<StoreContext<OptionsSchema>>): AsyncGenerator<Content> {
  const advance = meter(context);
  for (const file of context.files) {
    const pieces = spoolPieces(file);
    let left: Uint8Array = new Uint8Array(0);
    const parts = pathsFor(file.key, file.size, context.options.max_file);
    for (const [index, { size }] of parts.entries()) {
      const bytes = async function* () {
        for (let due = size; due > 0;) {
          if (left.length === 0) left = (await pieces.next()).value ?? END;
          if (left.length === 0) throw shortened(file);
          const piece = left.subarray(0, due);
          left = left.subarray(piece.length);
          due -= piece.length;
          await advance(piece.length);
          yield piece;
        }
        // The last word on size and hash is said after the last byte.
        if (index === parts.length - 1) await pieces.next();
      };
      yield { size, bytes: bytes() };
    }
  }
}

const END = new Uint8Array(0);

/** Counts bytes, and hears of an abort. */
function meter({ files, signal, progress }: With<StoreContext<OptionsSchema>>) {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  return (bytes: number): Promise<void> => {
    signal.throwIfAborted();
    progress(done += bytes, total);
    return Promise.resolve();
  };
}

function shortened({ key }: SpoolFile): StageError {
  return new StageError(
    "destination-refused",
    `Cannot send "${key}": it is shorter than it was spooled`,
    {
      hint: "Check the disk of the state directory, and run again",
    },
  );
}

/** What stands where the folder of a snapshot goes must be one. */
async function refuseStranger(
  clone: Clone,
  tip: string,
  folder: string,
  location: string,
): Promise<void> {
  const there = (await clone.tree(tip)).find(({ path }) => path === folder);
  if (there === undefined || there.kind === "tree") return;
  const state = there.kind === "commit" ? "submodule" : there.mode === "120000" ? "link" : "file";
  throw new StageError(
    "destination-refused",
    `Cannot store snapshots in "${folder}" of "${location}": it is a ${state}`,
    { hint: "Move it away, or give the snapshot another id" },
  );
}

/** What stands where files go and no manifest tells of would be taken away. */
async function refuseStrangers(
  clone: Clone,
  tip: string,
  folder: string,
  location: string,
): Promise<void> {
  const directory = filesDirectory(folder);
  const there = (await clone.tree(tip, [folder])).find(({ path }) => path === directory);
  if (there === undefined) return;
  throw new StageError(
    "destination-refused",
    `Cannot store snapshots in "${directory}" of "${location}": it is of somebody else`,
    { hint: "Move it away, or give the snapshot another id" },
  );
}

/** Another file of the same name is a good copy of something. */
function refuseOther(
  key: string,
  changes: readonly Change[],
  held: ReadonlyMap<string, Held>,
  location: string,
): void {
  const there = held.get(key);
  if (there === undefined) return;
  const ours = changes.filter(({ path }) => path === key || path.startsWith(`${key}.part-`));
  if (ours.length === 0 || ours.map(({ id }) => id).join() === there.ids.join()) return;
  throw new StageError(
    "destination-refused",
    `Cannot store "${key}" in "${location}": another file has that name`,
    { hint: "Look at the repository, move away what should not be there, and run again" },
  );
}

function messageOf(keys: readonly string[], message: string | undefined): string {
  const [first = ""] = keys;
  const name = first.replace(/\.(tar|json)(\..*)?$/, "");
  // deno-lint-ignore no-control-regex -- A message is text, and no more.
  const said = message?.replaceAll(/[\x00-\x09\x0b-\x1f\x7f]/g, " ").trim();
  return said ? `${said}\n\n${name}\n` : `${name}\n`;
}

async function withClone<T>(
  context: With<ListContext<OptionsSchema>>,
  work: (clone: Clone) => Promise<T>,
): Promise<T> {
  const { options, programs, folder, signal, alive } = context;
  const remote = parseRemote(options.remote)!;
  await makeFolder(folder!.path);
  const git = await Git.open({
    programs,
    folder: folder!.path,
    remote,
    credentials: options.credentials,
    sshKey: options.ssh_key,
    sshKnownHosts: options.ssh_known_hosts,
    timeout: options.timeout,
    signal,
    alive,
  });
  using clone = await Clone.open(git, folder!.path);
  return await work(clone);
}

/** The same, once more with a new clone where the old one may be what was wrong. */
async function withMended<T>(
  context: With<ListContext<OptionsSchema>>,
  work: (clone: Clone) => Promise<T>,
): Promise<T> {
  return await withClone(context, async (clone) => {
    try {
      return await work(clone);
    } catch (error) {
      if (!isDoubtful(error)) throw error;
      context.log("debug", "The clone may be damaged, and is made anew");
      await clone.renew();
      return await work(clone);
    }
  });
}

/** @throws {StageError} `snapshot-damaged` for what is small there and would fill the memory here. */
async function textOf({ git, repository }: Clone, { key, size, ids }: Held): Promise<string> {
  if (size > MANIFEST_LIMIT) {
    throw new StageError(
      "snapshot-damaged",
      `Cannot trust "${key}": it is longer than any manifest`,
      { hint: HINT_DAMAGED },
    );
  }
  const decoder = new TextDecoder();
  const parts: string[] = [];
  const output = (bytes: Uint8Array) => void parts.push(decoder.decode(bytes, { stream: true }));
  for (const id of ids) await git.call(["cat-file", "blob", id], { repository, output });
  return parts.join("") + decoder.decode();
}
