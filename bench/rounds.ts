/**
 * Takes the samples of a comparison, in turns.
 *
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Stopwatch } from "./measure.ts";
import { type Operation, OPERATIONS, type Peer, sizeOf } from "./peers.ts";
import type { Row } from "./table.ts";

/** How the reason in {@linkcode Row.absent} begins when a peer that is here failed. */
export const FAILED = "failed";

/**
 * Takes the samples: in every round each peer starts from an empty folder, and an operation is done by
 * all peers before the next one. The peer that begins changes with the round.
 */
export async function takeSamples(
  peers: readonly Peer[],
  rounds: number,
  work: string,
  stopwatch: Stopwatch,
  say?: (text: string) => void,
): Promise<readonly Row[]> {
  const samples = new Map<string, MutableRow>();
  for (const operation of OPERATIONS) {
    for (const peer of peers) samples.set(`${operation} ${peer.name}`, emptyRow(peer, operation));
  }
  for (let round = 0; round < rounds; round++) {
    const turn = round % peers.length;
    const order = [...peers.slice(turn), ...peers.slice(0, turn)];
    for (const operation of OPERATIONS) {
      say?.(`Round ${round + 1} of ${rounds}: ${operation}`);
      for (const peer of order) {
        const row = samples.get(`${operation} ${peer.name}`)!;
        const before = samples.get(`first ${peer.name}`)!;
        row.absent ??= before.absent;
        if (row.absent !== undefined) continue;
        try {
          await sample(peer, operation, join(work, peer.name), row, stopwatch);
        } catch (error) {
          row.absent = `${FAILED}: ${error instanceof Error ? error.message : error}`;
        }
      }
    }
    for (const { name } of peers) rmSync(join(work, name), { recursive: true, force: true });
  }
  return [...samples.values()];
}

async function sample(
  peer: Peer,
  operation: Operation,
  folder: string,
  row: MutableRow,
  stopwatch: Stopwatch,
): Promise<void> {
  if (operation === "first") {
    mkdirSync(folder);
    await peer.prepare(folder);
  }
  const target = join(folder, "restored");
  mkdirSync(target, { recursive: true });
  const command = peer.command(operation, folder, target);
  if ("absent" in command) {
    row.absent = command.absent;
    return;
  }
  const { seconds, usage } = await stopwatch.measure(command);
  row.seconds.push(seconds);
  if (usage !== undefined) {
    row.cpuSeconds.push(usage.cpuSeconds);
    row.peakBytes.push(usage.peakBytes);
  }
  if (operation === "first") row.storedBytes = sizeOf(join(folder, peer.stored));
  rmSync(target, { recursive: true, force: true });
}

type MutableRow = {
  -readonly [Key in keyof Row]: Row[Key] extends readonly number[] ? number[] : Row[Key];
};

function emptyRow({ name, missing }: Peer, operation: Operation): MutableRow {
  return {
    peer: name,
    operation,
    seconds: [],
    cpuSeconds: [],
    peakBytes: [],
    storedBytes: undefined,
    absent: missing,
  };
}
