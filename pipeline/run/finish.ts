/**
 * Turns a spooled archive into what a destination keeps: the archive under its name, and the
 * manifest, which is sent the same way.
 *
 * @module
 */
import type { Codec } from "../../stages/contract.ts";
import { BackupError } from "../../stages/errors.ts";
import type { PipelineStage } from "../config/pipeline.ts";
import { type Manifest, MANIFEST_LIMIT, writeManifest } from "../manifest.ts";
import { fileName } from "../names.ts";
import { sendAll } from "../worker/channel.ts";
import type { Outlet } from "../worker/protocol.ts";
import { chainTo, type FlowContext, runFlow } from "./flow.ts";
import type { Streamed } from "./reading.ts";
import type { Spooled } from "./spool.ts";

/** A spooled file with the name that it gets at a destination. */
export interface NamedFile extends Spooled {
  readonly name: string;
}

/** What the manifest says besides what was read. */
export interface Circumstances {
  /** `<stamp>-<hash>`. */
  readonly name: string;
  readonly pipeline: string;
  readonly host: string;
  readonly source: PipelineStage;
  readonly codec: Codec;
}

/**
 * Names the archive that came out of stream `from`, and makes its manifest.
 *
 * @returns The files to store, the manifest last.
 * @throws Whatever kept the archive from being made, or keeps the manifest from it.
 */
export async function finishStream(
  from: string,
  streamed: Streamed,
  circumstances: Circumstances,
  flow: FlowContext,
): Promise<NamedFile[]> {
  const { name, codec } = circumstances;
  const archive = streamed.spooled.get(from)!;
  if (archive.status === "rejected") throw archive.reason;
  const transforms = chainTo(streamed.streams, from).flatMap(({ transform }) =>
    transform?.stage.kind === "transform" ? [transform.stage.suffix] : []
  );
  const nameOf = (kind: "archive" | "manifest") => fileName({ name, kind, codec, transforms });
  const { size, sha256 } = archive.value;
  const record = { name: nameOf("archive"), size, sha256 };
  const manifest = manifestOf(streamed, circumstances, record);
  const spooled = await sendManifest(manifest, from, streamed, flow);
  return [{ ...archive.value, name: record.name }, { ...spooled, name: nameOf("manifest") }];
}

function manifestOf(
  streamed: Streamed,
  { name, pipeline, host, source }: Circumstances,
  archive: Manifest["archives"][number],
): Manifest {
  return {
    pipeline,
    snapshot: source.id,
    name,
    created: streamed.created,
    host,
    source: source.use,
    roots: streamed.source.roots,
    ...streamed.totals,
    unreadable: streamed.unreadable,
    skipped: streamed.source.skipped,
    archives: [archive],
    entries: streamed.entries,
  };
}

/** Sends a manifest through the transforms that its archive went through. */
export async function sendManifest(
  manifest: Manifest,
  from: string,
  { streams }: Pick<Streamed, "streams">,
  flow: FlowContext,
): Promise<Spooled> {
  const chain = chainTo(streams, from);
  const path = chain.map((stream, index) => {
    const next = chain[index + 1];
    return { ...stream, readers: next ? [next.id] : [], spooled: next === undefined };
  });
  const origin = {
    send: (output: Outlet, signal: AbortSignal) =>
      sendAll(piecesOf(manifest), output.ports, output.coding, signal),
    detach() {},
  };
  const outcome = (await runFlow(origin, path, flow)).get(from)!;
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}

function tooLong({ snapshot, entries }: Manifest): BackupError {
  return new BackupError(
    "stage-failed",
    `Cannot describe "${snapshot}": ${entries.length} paths make a manifest that could not be read again`,
    { hint: "Divide its paths between several snapshots" },
  );
}

function* piecesOf(manifest: Manifest): Generator<Uint8Array> {
  let size = 0;
  for (const piece of writeManifest(manifest)) {
    size += piece.length;
    if (size > MANIFEST_LIMIT) throw tooLong(manifest);
    yield piece;
  }
}
