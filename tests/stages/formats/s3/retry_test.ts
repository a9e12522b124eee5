import assert from "node:assert/strict";
import { pauseBefore, type RetryErrorInfo } from "../../../../stages/formats/s3/retry.ts";

const NOW = Date.parse("2026-05-04T03:02:01Z");

/** A failure of the library's, by the status that it came with, if any. */
function failure(httpStatusCode?: number, fields: Readonly<Record<string, unknown>> = {}): Error {
  const { name = "ServiceUnavailable", ...metadata } = fields;
  return Object.assign(new Error("It failed"), {
    name,
    $metadata: { ...(httpStatusCode !== undefined && { httpStatusCode }), ...metadata },
  });
}

function after(seconds: number): Pick<RetryErrorInfo, "retryAfterHint"> {
  return { retryAfterHint: new Date(NOW + seconds * 1000) };
}

/** What happened at which try, and the shortest and the longest pause before the next. */
const CASES: Readonly<
  Record<string, readonly [count: number, info: RetryErrorInfo, pauses: [number, number] | "none"]>
> = {
  "a connection that broke": [1, { errorType: "TRANSIENT" }, [100, 200]],
  "one that broke again": [2, { errorType: "TRANSIENT" }, [200, 400]],
  "one that broke a fourth time": [4, { errorType: "TRANSIENT" }, [800, 1600]],
  "one that broke a fifth time": [5, { errorType: "TRANSIENT" }, "none"],
  "a server that has too much to do": [1, { errorType: "THROTTLING" }, [400, 800]],
  "one that still has": [4, { errorType: "THROTTLING" }, [3200, 6400]],
  "one that says when": [1, { errorType: "THROTTLING", ...after(30) }, [30_000, 30_000]],
  "one that says earlier": [1, { errorType: "SERVER_ERROR", ...after(0.15) }, [150, 200]],
  "one whose time has come": [1, { errorType: "SERVER_ERROR", ...after(-60) }, [100, 200]],
  "the latest that is waited for": [1, { errorType: "THROTTLING", ...after(120) }, [
    120_000,
    120_000,
  ]],
  "one that says tomorrow": [1, { errorType: "THROTTLING", ...after(86_400) }, "none"],
  "a server that has no room": [1, { errorType: "SERVER_ERROR", error: failure(507) }, "none"],
  "one that fails": [1, { errorType: "SERVER_ERROR", error: failure(500) }, [100, 200]],
  "a refusal": [1, { errorType: "CLIENT_ERROR", error: failure(403) }, "none"],
  "a request that took too long to arrive": [
    1,
    { errorType: "CLIENT_ERROR", error: failure(408) },
    [100, 200],
  ],
  "one that arrived mutilated": [
    1,
    { errorType: "CLIENT_ERROR", error: failure(400, { name: "UnknownError" }) },
    [100, 200],
  ],
  "one that the server itself found wrong": [
    1,
    { errorType: "CLIENT_ERROR", error: failure(400, { name: "InvalidArgument" }) },
    "none",
  ],
  "what is no answer": [1, { errorType: "CLIENT_ERROR", error: failure(200) }, [100, 200]],
  "what was lost on the way": [1, { errorType: "CLIENT_ERROR", error: failure() }, [100, 200]],
  "an end that was asked for": [
    1,
    { errorType: "CLIENT_ERROR", error: failure(undefined, { name: "AbortError" }) },
    "none",
  ],
  "a clock that was wrong": [
    1,
    { errorType: "TRANSIENT", error: failure(503, { clockSkewCorrected: true }) },
    [100, 200],
  ],
  "one that is still wrong": [
    2,
    { errorType: "TRANSIENT", error: failure(503, { clockSkewCorrected: true }) },
    "none",
  ],
};

for (const [what, [count, info, pauses]] of Object.entries(CASES)) {
  Deno.test(`S3 is asked ${pauses === "none" ? "no more" : "again"} after ${what}`, () => {
    const found = [0, 1].map((random) => pauseBefore(count, info, random, NOW));
    assert.deepEqual(found, pauses === "none" ? [undefined, undefined] : pauses);
  });
}
