/**
 * Puts a file into a bucket and believes the server only where its answer agrees with our hash, or
 * the file reads back.
 *
 * The parts of a large file are sent from here, not by `@aws-sdk/lib-storage`: that gives a part no
 * hash, and goes on with the others after one has failed (docs/decisions/0009-s3-parts.md).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { SpoolFile } from "../../contract.ts";
import { StageError } from "../../errors.ts";
import { takeTurn } from "../pace.ts";
import { type S3Session, within } from "./client.ts";
import { isAnswer, isRefusal } from "./faults.ts";
import { readObject } from "./fetch.ts";
import { isThere } from "./list.ts";
import { type Piece, Pieces, pieceSizeOf, type Sum } from "./pieces.ts";
import { isAmazon, objectOf } from "./place.ts";
import { cleanUploads } from "./uploads.ts";

/** How objects are to be kept. */
export interface Keeping {
  readonly storage_class?: string | undefined;
  readonly sse?: "AES256" | "aws:kms" | undefined;
  readonly kms_key?: string | undefined;
  readonly lock_days?: number | undefined;
  readonly lock_mode: "governance" | "compliance";
}

/** Memory that pieces on their way may take; one is always allowed. */
const UNDER_WAY = 32 * 2 ** 20;
const DAY_MS = 86_400_000;

/** What a server answered when it got an object. */
interface Answer {
  /** SHA-256, from Amazon's. */
  readonly checksum: string | undefined;
  readonly etag: string | undefined;
}

/** What is told on the way. */
export interface StoreReports {
  started(file: SpoolFile): void;
  progress(done: number, total: number): void;
}

/** What has become of a file that could not be stored. */
interface Fate {
  /** Whether it was sent and not refused, or another has its name: then only the server knows. */
  mayBeThere: boolean;
}

/** An object that was confirmed. */
interface Kept {
  readonly file: SpoolFile;
  readonly object: string;
  /** What tells it from any other that may come in its place. */
  readonly etag: string | undefined;
  /** Whether it is this work that put it there. */
  readonly isOurs: boolean;
}

/** Stores files in their order, each confirmed before the next. */
export async function storeAll(
  session: S3Session,
  keeping: Keeping,
  files: readonly SpoolFile[],
  { started, progress }: StoreReports,
): Promise<void> {
  const objects = new Map(files.map((file) => [file, objectOf(session.place, file.key)]));
  for (const folder of new Set(files.map(({ key }) => key.split("/")[0]!))) {
    await cleanUploads(session, folder);
  }
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const kept: Kept[] = [];
  for (const [file, object] of objects) {
    started(file);
    const report = (bytes: number) => progress(done + bytes, total);
    const fate: Fate = { mayBeThere: false };
    try {
      kept.push({ file, object, ...await storeFile(session, keeping, file, fate, report) });
    } catch (error) {
      // An archive that gets no manifest is of use to nobody, and takes room. But a manifest whose
      // answer was lost may be there, or still arrive.
      if (!fate.mayBeThere) await takeBack(session, kept);
      throw error;
    }
    done += file.size;
  }
  try {
    // Others may store under the same names, or remove: what is confirmed is what is there now.
    for (const { file, object, etag } of kept.slice(0, -1)) {
      started(file);
      await assertSame(session, object, file, etag);
    }
  } catch (error) {
    // Where the server alone does not answer, another attempt may find all as it should be.
    if (isRefusal(error)) await takeBack(session, kept);
    throw error;
  }
}

/**
 * Stores a file, unless it is there already.
 *
 * @throws {StageError} `destination-refused` when another file has that name.
 */
async function storeFile(
  session: S3Session,
  keeping: Keeping,
  file: SpoolFile,
  fate: Fate,
  report: (bytes: number) => void,
): Promise<Pick<Kept, "etag" | "isOurs">> {
  const { place, address } = session;
  const object = objectOf(place, file.key);
  const headers = headersOf(session, keeping, object);
  const takeAsOurs = async () => {
    fate.mayBeThere = true;
    const head = await assertSame(session, object, file);
    await assertLocked(session, headers, head);
    report(file.size);
    return { etag: head.ETag, isOurs: false };
  };
  if (await isThere(session, object)) return await takeAsOurs();
  using pieces = new Pieces(file.path, file.size, isAmazon(place));
  const answer = file.size <= pieceSizeOf(file.size)
    ? await putWhole(session, headers, file, fate, pieces)
    : await putParts(session, headers, file, fate, pieces, report);
  // Somebody was faster; or it was this very request, whose answer was lost on the way.
  if (answer === undefined) return await takeAsOurs();
  const sum = pieces.sum();
  const head = await look(session, object, file);
  const isAnswered = plain(head.ETag) === plain(answer.etag);
  const isSame = head.ContentLength === file.size &&
    (plain(head.ETag) === sum.etag ||
      (isAnswered && answer.checksum !== undefined && answer.checksum === sum.checksum) ||
      await hashOf(session, object) === file.sha256);
  if (!isSame) {
    if (!isAnswered) throw taken(session, file, head);
    await takeBack(session, [{ file, object, etag: head.ETag, isOurs: true }]);
    throw refused(file, address, "what it stored is not what was sent");
  }
  await assertLocked(session, headers, head);
  report(file.size);
  return { etag: head.ETag, isOurs: true };
}

/** What is the same for whole files and for those in parts. */
function headersOf({ place }: S3Session, keeping: Keeping, object: string) {
  const { storage_class, sse, kms_key, lock_days, lock_mode } = keeping;
  return {
    Bucket: place.bucket,
    Key: object,
    ContentType: "application/octet-stream",
    ...(storage_class !== undefined && { StorageClass: storage_class as "STANDARD" }),
    ...(sse !== undefined && { ServerSideEncryption: sse }),
    ...(kms_key !== undefined && { SSEKMSKeyId: kms_key }),
    ...(lock_days !== undefined && {
      ObjectLockMode: lock_mode === "compliance" ? "COMPLIANCE" as const : "GOVERNANCE" as const,
      ObjectLockRetainUntilDate: new Date(Date.now() + lock_days * DAY_MS),
    }),
  };
}

type Headers = ReturnType<typeof headersOf>;

/** Locks an object that should be locked and is not: some servers forget it for files in parts. */
async function assertLocked(
  { client, library, signal }: S3Session,
  { Bucket, Key, ObjectLockMode: Mode, ObjectLockRetainUntilDate: RetainUntilDate }: Headers,
  { ObjectLockMode }: HeadObjectCommandOutput,
): Promise<void> {
  if (Mode === undefined || RetainUntilDate === undefined || ObjectLockMode === Mode) return;
  const Retention = { Mode, RetainUntilDate };
  const command = new library.PutObjectRetentionCommand({ Bucket, Key, Retention });
  await client.send(command, within({ signal }));
}

/** @returns `undefined` when there is an object of that name by now. */
async function putWhole(
  session: S3Session,
  headers: Headers,
  file: SpoolFile,
  fate: Fate,
  pieces: Pieces,
): Promise<Answer | undefined> {
  const { PutObjectCommand } = session.library;
  const { bytes, md5, sha256 } = pieces.next()!;
  assertRead(file, pieces.sum());
  const put = (condition: { readonly IfNoneMatch?: string }) =>
    session.client.send(
      new PutObjectCommand({
        ...headers,
        ...condition,
        Body: bytes,
        ContentMD5: md5,
        ...(sha256 !== undefined && { ChecksumSHA256: sha256 }),
      }),
      within(session),
    );
  const only = { IfNoneMatch: "*" };
  fate.mayBeThere = true;
  try {
    const { ChecksumSHA256, ETag } = await put(only).catch((error) => {
      if (isAnswer(error, 501)) return put({}); // Some servers know no conditions.
      // What a conditional request is told that was removed from under it, or arrived in part.
      if (isAnswer(error, "NoSuchKey")) return put(only);
      throw error;
    });
    return { checksum: ChecksumSHA256, etag: ETag };
  } catch (error) {
    if (isTaken(error)) return undefined;
    fate.mayBeThere = !isRefusal(error);
    throw error;
  }
}

/** @returns `undefined` when there is an object of that name by now. */
async function putParts(
  session: S3Session,
  headers: Headers,
  file: SpoolFile,
  fate: Fate,
  pieces: Pieces,
  report: (bytes: number) => void,
): Promise<Answer | undefined> {
  const { library, place, address } = session;
  const object = { Bucket: headers.Bucket, Key: headers.Key };
  const { UploadId } = await session.client.send(
    new library.CreateMultipartUploadCommand({
      ...headers,
      ...(isAmazon(place) && { ChecksumAlgorithm: "SHA256" as const }),
    }),
    within(session),
  );
  if (UploadId === undefined) throw refused(file, address, "the server names no upload");
  const upload = { ...object, UploadId };
  try {
    const parts = await sendParts(session, upload, file, pieces, report);
    // Before anything gets this name: a file that has changed meanwhile is not the one to keep.
    assertRead(file, pieces.sum());
    fate.mayBeThere = true;
    // Some servers heed the condition for whole files alone.
    if (await isThere(session, headers.Key)) {
      await abandon(session, upload);
      return undefined;
    }
    const complete = (condition: { readonly IfNoneMatch?: string }) =>
      session.client.send(
        new library.CompleteMultipartUploadCommand({
          ...upload,
          ...condition,
          MultipartUpload: { Parts: parts },
        }),
        within(session),
      );
    const { ChecksumSHA256, ETag } = await complete({ IfNoneMatch: "*" }).catch((error) => {
      if (isAnswer(error, 501)) return complete({}); // Some servers know no conditions.
      throw error;
    });
    return { checksum: ChecksumSHA256, etag: ETag };
  } catch (error) {
    const isDone = isTaken(error) || isAnswer(error, "NoSuchUpload");
    await abandon(session, upload);
    // The upload may be gone because it is complete: its first answer was lost then.
    if (isDone && await isThere(session, headers.Key)) return undefined;
    fate.mayBeThere &&= !isRefusal(error);
    throw error;
  }
}

/** An upload in parts, as requests name it. */
interface PartUpload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

/** A part that the server has. */
interface Part {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly ChecksumSHA256?: string;
}

/** Sends pieces side by side, as many as memory allows. The first that fails ends them all. */
async function sendParts(
  session: S3Session,
  upload: PartUpload,
  file: SpoolFile,
  pieces: Pieces,
  report: (bytes: number) => void,
): Promise<Part[]> {
  const parts: Part[] = [];
  const stop = new AbortController();
  const signal = AbortSignal.any([session.signal, stop.signal]);
  let done = 0;
  const lane = async () => {
    for (let piece = pieces.next(); piece !== undefined; piece = pieces.next(piece)) {
      signal.throwIfAborted();
      parts[piece.number - 1] = await sendPart({ ...session, signal }, upload, file, piece);
      report(done += piece.bytes.length);
    }
  };
  const width = Math.max(1, Math.floor(UNDER_WAY / pieceSizeOf(file.size)));
  const lanes = Array.from({ length: width }, lane);
  for (const each of lanes) each.catch((error) => stop.abort(error));
  await Promise.allSettled(lanes);
  if (stop.signal.aborted) throw stop.signal.reason;
  return parts;
}

async function sendPart(
  session: S3Session,
  upload: PartUpload,
  file: SpoolFile,
  { number, bytes, md5, sha256 }: Piece,
): Promise<Part> {
  const { UploadPartCommand } = session.library;
  const send = () =>
    session.client.send(
      new UploadPartCommand({
        ...upload,
        PartNumber: number,
        Body: bytes,
        ContentMD5: md5,
        ...(sha256 !== undefined && { ChecksumSHA256: sha256 }),
      }),
      within(session),
    );
  const { ETag } = await send().catch((error) => {
    // What a part is told that arrived mutilated; where the upload is gone, it is told so again.
    if (isAnswer(error, 404)) return send();
    throw error;
  });
  if (ETag === undefined) {
    throw refused(file, session.address, `the server does not confirm part ${number}`);
  }
  return { PartNumber: number, ETag, ...(sha256 !== undefined && { ChecksumSHA256: sha256 }) };
}

/** Gives an upload up: its parts would take room for ever. What cannot be now is cleaned later. */
async function abandon({ client, library, log }: S3Session, upload: PartUpload): Promise<void> {
  const command = new library.AbortMultipartUploadCommand(upload);
  const abortSignal = AbortSignal.timeout(LAST_WORDS_MS);
  await client.send(command, { abortSignal }).catch((error) => {
    if (!isAnswer(error, "NoSuchUpload", 404)) {
      log("debug", `The upload of "${upload.Key}" is left to be cleaned up by a later run`);
    }
  });
}

/** Less than a worker that was told to stop is given. */
const LAST_WORDS_MS = 4_000;

/** Whether another object has the name. */
function isTaken(error: unknown): boolean {
  return isAnswer(error, "PreconditionFailed", "ConditionalRequestConflict", 412);
}

/**
 * Makes sure that an object is our file.
 *
 * @param etag Of the object that was found to be ours; its content is not looked at again.
 */
async function assertSame(
  session: S3Session,
  object: string,
  file: SpoolFile,
  etag?: string,
): Promise<HeadObjectCommandOutput> {
  const head = await look(session, object, file);
  if (etag !== undefined && head.ETag === etag) return head;
  const sum = await sumOf(file, session);
  assertRead(file, sum);
  const isSame = head.ContentLength === file.size &&
    (plain(head.ETag) === sum.etag || await hashOf(session, object) === file.sha256);
  if (isSame) return head;
  throw taken(session, file, head);
}

async function look(
  session: S3Session,
  object: string,
  file: SpoolFile,
): Promise<HeadObjectCommandOutput> {
  const { client, library, place, address } = session;
  const command = new library.HeadObjectCommand({ Bucket: place.bucket, Key: object });
  return await client.send(command, within(session)).catch((error) => {
    if (!isAnswer(error, 404)) throw error;
    throw refused(file, address, "the server says that it has it, and does not find it");
  });
}

async function sumOf({ path, size }: SpoolFile, { place, alive }: S3Session): Promise<Sum> {
  using pieces = new Pieces(path, size, isAmazon(place));
  for (let piece = pieces.next(); piece !== undefined; piece = pieces.next(piece)) {
    alive?.();
    // A file of some gigabytes takes longer than anybody may be silent.
    await takeTurn();
  }
  return pieces.sum();
}

function assertRead({ key, path, size, sha256 }: SpoolFile, sum: Sum): void {
  if (sum.size === size && sum.sha256 === sha256) return;
  const state = `${sum.size} bytes with hash ${sum.sha256} for ${size} with ${sha256}`;
  throw new StageError("destination-refused", `Cannot store "${key}": "${path}" has ${state}`, {
    hint: "Check the disk that holds the state directory, and run again",
  });
}

/** Reads an object back: the hash of its content, in lower-case hexadecimal. */
async function hashOf(session: S3Session, object: string): Promise<string> {
  const hash = createHash("sha256");
  await readObject(session, object, (bytes) => {
    session.alive?.();
    hash.update(bytes);
    return Promise.resolve();
  });
  return hash.digest("hex");
}

/** Takes back what this work put there, the manifest first: one that stays keeps its archive. */
async function takeBack(
  { client, library, place }: S3Session,
  kept: readonly Kept[],
): Promise<void> {
  const limit = { abortSignal: AbortSignal.timeout(LAST_WORDS_MS) };
  try {
    for (const { object, etag, isOurs } of kept.toReversed()) {
      const spot = { Bucket: place.bucket, Key: object };
      const { ETag } = await client.send(new library.HeadObjectCommand(spot), limit);
      if (!isOurs || ETag !== etag) return;
      await client.send(new library.DeleteObjectCommand(spot), limit);
    }
  } catch {
    // The failure is the one to report.
  }
}

/** ETags come in quotes, and from some servers in upper case. */
function plain(etag: string | undefined): string | undefined {
  return etag?.replace(/^(W\/)?"|"$/g, "").toLowerCase();
}

function taken(
  { address }: S3Session,
  file: SpoolFile,
  { ContentLength }: HeadObjectCommandOutput,
): StageError {
  return refused(file, address, `another file of ${ContentLength} bytes has that name`);
}

function refused({ key }: SpoolFile, address: string, state: string): StageError {
  return new StageError("destination-refused", `Cannot store "${key}" in "${address}": ${state}`, {
    hint: "Check the server, move away what should not be there, and run again",
  });
}
