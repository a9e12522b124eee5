/**
 * Brings one copy of a snapshot back to nowhere, and compares every size and hash: what verifications
 * and drills have in common.
 *
 * @module
 */
import type { Inspection, Remark } from "../stages/contract.ts";
import { FAILURES, toRecord } from "../stages/errors.ts";
import type { Failure } from "./events.ts";
import type { Copy } from "./find_copies.ts";
import { type ReaderOptions, SnapshotReader } from "./reader.ts";
import type { ReadingPool } from "./worker/pool.ts";

/** How one snapshot at one destination fared. */
export interface Verification {
  readonly id: string;
  readonly name: string;
  readonly destination: string;
  /**
   * `damaged`: something is missing or differs. `unknown`: it could not be looked at. `forgotten`:
   * it is gone, and that is all right.
   */
  readonly status: "ok" | "damaged" | "unknown" | "forgotten";
  readonly files: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly failure?: Failure;
  /** What could not be read when it was made; left out when its manifest cannot tell. */
  readonly unreadable?: readonly Remark[];
  /** What was found in its files, where they were looked into. */
  readonly inspection?: Inspection;
}

/**
 * Fetches, decrypts and unpacks to nowhere. What is wrong with the copy is part of the answer.
 *
 * @param scratch An empty directory, to look into files as well.
 */
export async function proveCopy(
  { place, held }: Copy,
  pool: ReadingPool,
  options: ReaderOptions,
  scratch?: string,
): Promise<Verification> {
  const started = performance.now();
  const { id, name } = held;
  const seconds = () => (performance.now() - started) / 1000;
  const which = { id, name, destination: place.id };
  const reader = new SnapshotReader(place, pool, options);
  try {
    const manifest = await reader.manifest(held);
    const { files, bytes, inspection } = await reader.unpack(held, manifest, {
      into: undefined,
      wanted: undefined,
      ...(scratch !== undefined && { inspect: { scratch } }),
    });
    const { unreadable } = manifest;
    const found = inspection === undefined ? {} : { inspection };
    return { ...which, status: "ok", files, bytes, seconds: seconds(), unreadable, ...found };
  } catch (error) {
    const { code, message, hint } = toRecord(error);
    if (code === "bug" || code === "interrupted") throw error;
    const status = FAILURES[code].status === FAILURES["snapshot-damaged"].status
      ? "damaged"
      : "unknown";
    const failure = { code, message, hint };
    return { ...which, status, files: 0, bytes: 0, seconds: seconds(), failure };
  }
}
