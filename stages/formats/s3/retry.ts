/**
 * When to ask an S3 server again: after a time that grows, and not before the server says. The
 * library's own strategy waits five seconds at most, whatever the server asks for.
 *
 * @module
 */

/** What the library says of a failure. */
export interface RetryErrorInfo {
  readonly error?: unknown;
  readonly errorType: "TRANSIENT" | "THROTTLING" | "SERVER_ERROR" | "CLIENT_ERROR";
  /** When the server would be asked again. */
  readonly retryAfterHint?: Date;
}

/** How often a request was tried, and how long to wait before it is tried now. */
export interface RetryToken {
  getRetryCount(): number;
  getRetryDelay(): number;
}

const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;
/** A server that wants more is asked again by the next run. */
const LONGEST_PAUSE_MS = 120_000;

/** Tries again what may go well the next time. */
export class Patience {
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  acquireInitialRetryToken(): Promise<RetryToken> {
    return Promise.resolve(tokenOf(0, 0));
  }

  /** Rejects when the request has failed for good; the library then throws its failure. */
  refreshRetryTokenForRetry(token: RetryToken, info: RetryErrorInfo): Promise<RetryToken> {
    const count = token.getRetryCount() + 1;
    const pause = pauseBefore(count, info, this.#random(), Date.now());
    if (pause === undefined) return Promise.reject(new Error("It has failed for good"));
    return Promise.resolve(tokenOf(count, pause));
  }

  recordSuccess(): void {}
}

/** Milliseconds to wait before retry `count`; `undefined`: there is no point in one. */
export function pauseBefore(
  count: number,
  { errorType, error, retryAfterHint }: RetryErrorInfo,
  random: number,
  now: number,
): number | undefined {
  if (count >= ATTEMPTS || (errorType === "CLIENT_ERROR" && wasAnswered(error))) return undefined;
  const { httpStatusCode = 0, clockSkewCorrected } = metadataOf(error);
  if (FINAL_STATUSES.includes(httpStatusCode)) return undefined;
  // The library has set its clock by the server's answer; that helps at once, or not at all.
  if (clockSkewCorrected && count > 1) return undefined;
  const asked = retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - now;
  if (asked > LONGEST_PAUSE_MS) return undefined;
  const steps = errorType === "THROTTLING" ? count + 2 : count;
  // Half of it by chance: many clients that were refused at once do not come back at once.
  const own = FIRST_PAUSE_MS * 2 ** steps * (0.5 + random / 2);
  return Math.max(own, asked);
}

/** Not implemented, not this version, no room: the same the next time. */
const FINAL_STATUSES = [501, 505, 507];

interface Metadata {
  readonly httpStatusCode?: number;
  readonly clockSkewCorrected?: boolean;
}

function metadataOf(error: unknown): Metadata {
  const { $metadata } = (error ?? {}) as { readonly $metadata?: Metadata };
  return $metadata ?? {};
}

/** Whether the server has spoken. What was lost on the way has no status, and odd names. */
function wasAnswered(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "AbortError") return true;
  const status = metadataOf(error).httpStatusCode;
  // A request that arrived mutilated is refused by what stands before the server, without its words.
  if (status === 400 && /^(Unknown|UnknownError|BadRequest|Error|400)$/.test(error.name)) {
    return false;
  }
  // A body that is no answer came with a status that says all is well.
  return status !== undefined && status >= 300 && status !== 408;
}

function tokenOf(count: number, pause: number): RetryToken {
  return { getRetryCount: () => count, getRetryDelay: () => pause };
}
