/** What keepsake uses of `@std/async/retry`. Durations are in milliseconds. */
export interface RetryOptions {
  readonly maxAttempts?: number;
  readonly minTimeout?: number;
  readonly maxTimeout?: number;
  readonly isRetriable?: (error: unknown) => boolean;
  readonly signal?: AbortSignal;
}

/** Calls again with growing pauses; throws a `RetryError` with the last error as its cause. */
export declare function retry<T>(work: () => Promise<T>, options?: RetryOptions): Promise<T>;
