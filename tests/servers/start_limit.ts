/**
 * How long a server may take to come up, so that one that never does is told of in words.
 *
 * @module
 */
import { loadavg } from "node:os";

/** For a machine that has nothing else to do. */
const LIMIT_MS = 5_000;

/**
 * Waits for a server: five seconds, and as much more as the processors have others to serve.
 *
 * @throws {Error} When it has not come up by then.
 */
export async function startWithin<T>(server: string, starting: Promise<T>): Promise<T> {
  const limit = LIMIT_MS * (1 + loadavg()[0]! / navigator.hardwareConcurrency);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const state = `Cannot start ${server}: it is not up after ${(limit / 1000).toFixed(1)} s`;
  const timer = setTimeout(() => reject(new Error(state)), limit);
  return await Promise.race([starting, late]).finally(() => clearTimeout(timer));
}
