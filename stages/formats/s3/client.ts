/**
 * A client of an S3 server that leaves nothing to chance: its own credentials, no redirects, no
 * proxy but the one that was asked for, and an end to every wait.
 *
 * @module
 */
import { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import type { StageContext } from "../../contract.ts";
import { readCredentials } from "./credentials.ts";
import { explainFault } from "./faults.ts";
import { addressOf, endpointOf, isExposed, isPathStyle, type S3Place } from "./place.ts";
import { Patience } from "./retry.ts";

/** Loads the library; a worker does so while it waits for work. */
export function loadLibrary(): Promise<typeof import("@aws-sdk/client-s3")> {
  return import("@aws-sdk/client-s3");
}

/** What work with a client is given. */
export interface S3Session {
  readonly client: S3Client;
  readonly library: typeof import("@aws-sdk/client-s3");
  readonly place: S3Place;
  /** Of the place, for messages. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly log: StageContext["log"];
  readonly alive?: StageContext["alive"];
}

/**
 * Works with a client that is gone afterwards: one that is left alone after a failure keeps the
 * process for a minute.
 *
 * @param action What could not be done by now, for messages: `Cannot list "s3://…"`.
 * @throws {StageError} With the server's reason in words.
 */
export async function withClient<T>(
  place: S3Place,
  { signal, log, alive }: Pick<StageContext, "signal" | "log" | "alive">,
  action: () => string,
  work: (session: S3Session) => Promise<T>,
): Promise<T> {
  const address = addressOf(place);
  const credentials = readCredentials(
    place.credentials,
    address,
    (message) => log("warn", message),
  );
  const library = await loadLibrary();
  const client = new library.S3Client({
    endpoint: endpointOf(place).href,
    region: place.region,
    forcePathStyle: isPathStyle(place),
    credentials,
    // Servers that are not Amazon's may not know the others; Content-MD5 is known to all.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    followRegionRedirects: false,
    // It would take a new connection for every part.
    expectContinueHeader: false,
    retryStrategy: new Patience(),
    requestHandler: {
      connectionTimeout: place.timeout,
      socketTimeout: place.timeout,
      ...await agentsFor(place),
    },
  });
  client.middlewareStack.add((next) => (args) => {
    inPieces(args.request as { body?: unknown }, alive);
    return next(args);
  }, { step: "deserialize" });
  try {
    return await work({ client, library, place, address, signal, log, alive });
  } catch (error) {
    signal.throwIfAborted();
    throw explainFault(error, action(), place, credentials);
  } finally {
    client.destroy();
  }
}

/**
 * Has a body written piece by piece: the runtime tells of a write when all of it is gone, and a line
 * that is merely slow would count as silent. Every attempt has a request of its own, signed already.
 */
function inPieces(request: { body?: unknown }, alive: StageContext["alive"]): void {
  const { body } = request;
  if (!(body instanceof Uint8Array) || body.length <= PIECE_WRITTEN) return;
  request.body = Readable.from(function* () {
    for (let at = 0; at < body.length; at += PIECE_WRITTEN) {
      alive?.();
      yield body.subarray(at, at + PIECE_WRITTEN);
    }
  }());
}

const PIECE_WRITTEN = 2 ** 18;

/** Has a request end when the work is to end. */
export function within({ signal }: Pick<S3Session, "signal">): { abortSignal: AbortSignal } {
  return { abortSignal: signal };
}

/** Tells what others could see on the way. */
export function warnOfExposure(place: S3Place, log: StageContext["log"]): void {
  if (!isExposed(place)) return;
  log("warn", `Sends to "${addressOf(place)}" without TLS: others on the way can read along`);
}

/**
 * Servers and proxies show a certificate also where `NODE_TLS_REJECT_UNAUTHORIZED` asks for none, and
 * no proxy is taken from the environment also where `NODE_USE_ENV_PROXY` asks for that.
 */
const OWN = { rejectUnauthorized: true, proxyEnv: {} };

async function agentsFor({ proxy, timeout }: S3Place) {
  if (proxy === undefined) return { httpAgent: OWN, httpsAgent: OWN };
  const [{ HttpProxyAgent, HttpsProxyAgent }, { Agent }] = await Promise.all([
    import("hpagent"),
    new URL(proxy).protocol === "https:" ? import("node:https") : import("node:http"),
  ]);
  // What asks the proxy for a tunnel is sent by an agent that is made anew after the usual one.
  class Direct extends Agent {
    constructor() {
      super(OWN);
    }
  }
  const proxyRequestOptions = { ...OWN, _defaultAgent: new Direct() };
  const options = { ...OWN, proxy, proxyRequestOptions, keepAlive: true, timeout };
  return { httpAgent: new HttpProxyAgent(options), httpsAgent: new HttpsProxyAgent(options) };
}
