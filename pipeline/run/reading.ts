/**
 * What is read of a source, without or with making its archive.
 *
 * @module
 */
import type {
  Entry,
  Remark,
  Root,
  ScanResult,
  SourceResult,
  Watched,
} from "../../stages/contract.ts";
import type { SourceState } from "../catalog.ts";
import type { PipelineStage } from "../config/pipeline.ts";
import type { SecretSearch } from "../secret_policy.ts";
import type { StageWorker } from "../worker/host.ts";
import type { WorkerPool } from "../worker/pool.ts";
import type { FlowResult, Stream } from "./flow.ts";
import type { Spool } from "./spool.ts";
import type { StageLog } from "./stage_log.ts";

/** What a source holds. */
export interface Reading {
  readonly totals: Totals;
  /** Names, sizes and times, as one hash. */
  readonly signature: string;
  /** All that a snapshot would hold, as one hash. */
  readonly fingerprint: string;
  readonly unreadable: readonly Remark[];
  /** Where it came from, as far as is known. */
  readonly roots: readonly Root[];
}

/** A source whose archive was made. */
export interface Streamed extends Reading {
  readonly entries: readonly Entry[];
  /** When it was begun. */
  readonly created: Date;
  readonly source: SourceResult;
  /** What its files that matter were compared with. */
  readonly before: readonly Watched[];
  readonly streams: readonly Stream[];
  readonly spooled: FlowResult;
  /** Looked for secrets in it. */
  readonly search: SecretSearch | undefined;
}

/** What a snapshot amounts to. */
export interface Totals {
  /** Regular files. */
  readonly files: number;
  /** Of their contents. */
  readonly bytes: number;
  readonly contentHash: string;
}

/** Sums up what an archive holds. */
export function totalsOf(entries: readonly Entry[], contentHash: string): Totals {
  let files = 0;
  let bytes = 0;
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    files++;
    bytes += entry.size;
  }
  return { files, bytes, contentHash };
}

/** What a scan runs with. */
export interface ScanContext {
  readonly workers: WorkerPool;
  readonly log: StageLog;
  readonly signal: AbortSignal | undefined;
  readonly spool: Spool;
  /** Absolute paths that are no part of any source. */
  readonly avoid: readonly string[];
  /** Whether every destination of the source gets it encrypted. */
  readonly sealed: boolean;
}

/** What a source is given to read, in either pass. */
export async function readingContext(
  { id, stage, options }: PipelineStage,
  { avoid, sealed, spool }: Pick<ScanContext, "avoid" | "sealed" | "spool">,
): Promise<Readonly<Record<string, unknown>>> {
  const writes = stage.kind === "source" && stage.needsDirectory?.(options);
  return { options, avoid, sealed, ...(writes && { directory: await spool.makeRoomFor(id) }) };
}

/** A second worker takes longer to come up than it takes to read so much. */
const WORTH_A_HELPER = 256 << 20;

/**
 * Reads a source in full, with two workers where it is large.
 *
 * @param known What it was like. A signature that differs ends the scan.
 * @returns `undefined` when the source has changed.
 */
export async function scan(
  source: PipelineStage,
  known: SourceState,
  surroundings: ScanContext,
): Promise<Reading | undefined> {
  const { workers, log, signal } = surroundings;
  log.start(source, source.id);
  const { port1, port2 } = new MessageChannel();
  const { signature, fingerprint, ...totals } = known;
  const context = { ...await readingContext(source, surroundings), signature };
  const hasHelper = totals.bytes > WORTH_A_HELPER;
  const walker = workers.get(source);
  let helper: StageWorker | undefined;
  const walking = walker.call<ScanResult>(
    {
      operation: "scan",
      context,
      team: { role: "leader", port: hasHelper ? port1 : undefined },
    },
    {
      signal,
      onProgress(done, total) {
        helper?.noteProgress(); // It waits for more to do.
        log.progress(source.id, done, total);
      },
    },
  );
  // Making a worker holds this thread up: the first has its work by then.
  if (hasHelper) helper = workers.get(source, { role: "helper" });
  const helping = helper?.call(
    { operation: "scan", context, team: { role: "helper", port: port2 } },
    // The walker waits for what the helper has in hand, and tells how far both have come.
    { signal, onProgress: () => walker.noteProgress() },
  );
  // A helper that dies leaves the walker waiting for ever: its failure is the scan's.
  const failing = new Promise<never>((_, reject) => helping?.catch(reject));
  const { result } = await Promise.race([walking, failing]);
  if (result.fingerprint !== fingerprint) return undefined;
  const { unreadable, roots = [] } = result;
  return { totals, signature, fingerprint, unreadable, roots };
}
