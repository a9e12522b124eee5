/**
 * Scans what is to be backed up: all that an archive would hold, without making one.
 *
 * @module
 */
import type { OptionsSchema, Remark, ScanContext, ScanResult } from "../../contract.ts";
import { type Hashed, Hashing } from "../hashing.ts";
import { Pace } from "../pace.ts";
import {
  openPatiently,
  pauseBriefly,
  ReadFault,
  type Surroundings,
  WORLD,
} from "../source_file.ts";
import type { DatabaseCopies } from "../sqlite/database.ts";
import { help, Leader, type Work } from "../team.ts";
import { requireContent } from "./content.ts";
import type { WrittenFile } from "./file_writer.ts";
import { Fingerprint, Signature } from "./signature.ts";
import { type Found, idOf, type Remarks, type Selection, Walk, withCircumstances } from "./walk.ts";

/**
 * Walks and hashes every file; or helps another one with that, and has nothing to answer then.
 *
 * The helper hashes while the other one still walks, since most of the time nothing has changed and
 * every file must be hashed to prove it.
 *
 * @throws {StageError} `source-missing` or `source-unreadable` when there is nothing at all.
 */
export async function scan(
  selection: Selection,
  context: Omit<ScanContext<OptionsSchema>, "options">,
): Promise<ScanResult> {
  const { team: { role, port }, signal } = context;
  if (role === "leader") return await lead(selection, context);
  if (port !== undefined) {
    const hashing = await Hashing.quick();
    const pace = new Pace(context);
    await help(port, signal, hashFiles(hashing, pace));
  }
  return { signature: "", unreadable: [] };
}

async function lead(
  selection: Selection,
  context: Omit<ScanContext<OptionsSchema>, "options">,
): Promise<ScanResult> {
  const { team: { port }, signal } = context;
  // Before all that can fail: a helper must not wait for ever.
  using leader = new Leader<Task, Outcome>(port, signal);
  const remarks: Remarks = { unreadable: [], skipped: [], notes: [] };
  const walk = await Walk.open(withCircumstances(selection, context), remarks);
  const hashing = await Hashing.quick();
  const pace = new Pace(context);
  const work = hashFiles(hashing, pace);

  const { met, bytes, signature } = await publishAll(walk, leader, new Signature(hashing), pace);
  if (context.signature !== undefined && signature !== context.signature) {
    return { signature, unreadable: remarks.unreadable };
  }
  pace.total = bytes;
  const contents: (Content | undefined)[] = new Array(met.length);
  await leader.finish(work, (outcomes) => {
    for (const [place, content] of outcomes) {
      contents[place] = content;
      if ("size" in content) pace.add(content.size);
    }
  });
  const hash = async (place: number) => {
    const found = met[place]!;
    const hashIt = async (found: Found) => (await work([taskOf(found, place)], NEVER))[0]![1];
    if (found.standIn === undefined) return await hashIt(found);
    if (found.standIn === "cut") return await hashCut(found, { hashing, pace, ...WORLD }, remarks);
    const { DatabaseCopies } = await import("../sqlite/database.ts");
    const copies = new DatabaseCopies(context.directory, pace);
    return await hashCopy(found, copies, hashIt, remarks.unreadable);
  };
  const fingerprint = new Fingerprint(hashing);
  const hasContent = await takeAll(fingerprint, met, contents, hash, remarks.unreadable);
  requireContent(hasContent, walk.roots[0]?.path ?? "", remarks.unreadable);
  const roots = walk.roots.map(({ name, path }) => ({ name, path }));
  return { signature, fingerprint: fingerprint.digest(), roots, unreadable: remarks.unreadable };
}

/** A file to hash, by its place in the walk. As few fields as will do: there may be a million. */
type Task = readonly [place: number, source: string, dev: number, ino: number | null];

/** What came of it. */
type Outcome = readonly [place: number, content: Content];

type Content = Hashed & Pick<WrittenFile, "isOther"> | {
  readonly reason: string;
  readonly kind: ReadFault["kind"];
};

/** Few enough for both to come to an end at about the same time. */
const BATCH_FILES = 256;
const BATCH_BYTES = 4 * 2 ** 20;

const NEVER = () => false;

/** Walks, and publishes every file as it goes, but for further names of files that were met. */
async function publishAll(
  walk: Walk,
  leader: Leader<Task, Outcome>,
  signature: Signature,
  pace: Pace,
): Promise<{ met: Found[]; bytes: number; signature: string }> {
  const met: Found[] = [];
  const linked = new Set<string>();
  let bytes = 0;
  let batch: Task[] = [];
  let batchBytes = 0;
  for (const found of walk) {
    signature.add(found);
    const place = met.push(found) - 1;
    if (
      found.kind === "file" && found.standIn === undefined &&
      !(found.nlink > 1 && linked.has(idOf(found)))
    ) {
      if (found.nlink > 1) linked.add(idOf(found));
      batch.push(taskOf(found, place));
      batchBytes += found.size;
      bytes += found.size;
      if (batch.length === BATCH_FILES || batchBytes >= BATCH_BYTES) {
        leader.publish(batch);
        batch = [];
        batchBytes = 0;
      }
    }
    if (pace.isDue) await pace.turn();
  }
  if (batch.length > 0) leader.publish(batch);
  return { met, bytes, signature: signature.digest() };
}

function taskOf({ source, dev, ino }: Found, place: number): Task {
  return [place, source, dev, ino];
}

function hashFiles(hashing: Hashing, pace: Pace): Work<Task, Outcome> {
  return async (tasks, isStopped) => {
    const outcomes: Outcome[] = [];
    for (const [place, source, dev, ino] of tasks) {
      if (isStopped()) break;
      try {
        using file = await openPatiently(source, { dev, ino }, pauseBriefly);
        const content = await hashing.read(file, file.info.size, pace);
        outcomes.push([place, file.is({ dev, ino }) ? content : { ...content, isOther: true }]);
      } catch (error) {
        if (!(error instanceof ReadFault)) throw error;
        const { reason, kind } = error;
        outcomes.push([place, { reason, kind }]);
      }
      if (pace.isDue) await pace.turn();
    }
    return outcomes;
  };
}

/** Hashes a file without its credentials. */
async function hashCut(
  found: Found,
  cutting: Surroundings & { readonly hashing: Hashing; readonly pace: Pace },
  { unreadable }: Remarks,
): Promise<Content> {
  try {
    const { readWithoutCredentials } = await import("../claude/credentials.ts");
    const { bytes, fault } = await readWithoutCredentials(found, cutting);
    if (fault !== undefined) unreadable.push({ path: found.shown, reason: fault });
    return { size: bytes.length, hash: cutting.hashing.of(bytes) };
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    const { reason, kind } = error;
    return { reason, kind };
  }
}

/** Copies a database and hashes the copy: it alone says whether anything was committed. */
async function hashCopy(
  found: Found,
  copies: DatabaseCopies,
  hash: (found: Found) => Promise<Content>,
  unreadable: Remark[],
): Promise<Content> {
  try {
    return await copies.with(found, async (copy) => {
      if (copy.fault !== undefined) unreadable.push({ path: found.shown, reason: copy.fault });
      return await hash(copy.found);
    });
  } catch (error) {
    if (!(error instanceof ReadFault)) throw error;
    const { reason, kind } = error;
    return { reason, kind };
  }
}

/**
 * Takes the fingerprint of what was met, as writing an archive does.
 *
 * @returns Whether there was anything but directories.
 */
async function takeAll(
  fingerprint: Fingerprint,
  met: readonly Found[],
  contents: readonly (Content | undefined)[],
  hash: (place: number) => Promise<Content>,
  unreadable: Remark[],
): Promise<boolean> {
  let hasContent = false;
  const firstPaths = new Map<string, string>();
  for (const [place, found] of met.entries()) {
    const { kind, path, mode, link } = found;
    if (kind !== "file") {
      fingerprint.add({ path, kind, mode, link });
      hasContent ||= kind !== "directory";
      continue;
    }
    const isShared = found.nlink > 1 && found.standIn === undefined;
    const first = isShared ? firstPaths.get(idOf(found)) : undefined;
    if (first !== undefined) {
      fingerprint.add({ path, kind: "hardlink", mode, link: first });
      continue;
    }
    // A further name whose first could not be read gets a try of its own, and so do databases.
    const content = contents[place] ?? await hash(place);
    if ("hash" in content) {
      fingerprint.add({ path, kind, mode }, content.hash);
      hasContent = true;
      if (isShared && !content.isOther) firstPaths.set(idOf(found), path);
    } else if (content.kind !== "removed") {
      unreadable.push({ path: found.shown, reason: content.reason });
    }
  }
  return hasContent;
}
