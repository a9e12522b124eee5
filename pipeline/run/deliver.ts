/**
 * Hands finished files to one destination, with patience for one that does not answer at once.
 *
 * @module
 */
// @ts-types="../../tools/std/retry.d.ts"
import { retry } from "@std/async/retry";
import type { SpoolFile, StoreResult } from "../../stages/contract.ts";
import { BackupError, FAILURES } from "../../stages/errors.ts";
import type { CallOptions, StageWorker } from "../worker/host.ts";

/** What is handed over. */
export interface Shipment {
  readonly options: Readonly<Record<string, unknown>>;
  /** The manifest last. */
  readonly files: readonly SpoolFile[];
  readonly owner: string;
  readonly message: string | undefined;
}

/** How often, and how long, a destination that does not answer is tried. Milliseconds. */
export interface Patience {
  readonly attempts: number;
  readonly pause: number;
}

const PATIENCE: Patience = { attempts: 3, pause: 1000 };

/**
 * Delivers. Whether another attempt makes sense is a property of the failure's code.
 *
 * @param worker The destination's worker: another one when that has died.
 * @param handOver Puts the files where the destination takes them from; called before each attempt.
 */
export async function deliver(
  worker: () => StageWorker,
  handOver: () => Promise<Shipment>,
  call: CallOptions,
  { attempts, pause }: Patience = PATIENCE,
): Promise<StoreResult> {
  const attempt = async () => {
    const context = await handOver();
    const answer = await worker().call<StoreResult>(
      { operation: "run", context: { ...context } },
      call,
    );
    return answer.result;
  };
  try {
    return await retry(attempt, {
      maxAttempts: attempts,
      minTimeout: pause,
      isRetriable: (error) => error instanceof BackupError && FAILURES[error.code].retry,
      ...(call.signal && { signal: call.signal }),
    });
  } catch (error) {
    const last = error instanceof Error && error.name === "RetryError" ? error.cause : error;
    throw last;
  }
}
