/**
 * What S3 servers and networks answer when something is wrong → what a person can do about it.
 * Servers' own messages are not passed on: they quote what was sent to them.
 *
 * @module
 */
import { StageError, type StageFailureCode } from "../../errors.ts";
import type { S3Credentials } from "./credentials.ts";
import { hostOf, type S3Place } from "./place.ts";

/** What is known of a failure. */
interface Fault {
  /** The server's word for it: `NoSuchBucket`. */
  readonly name: string;
  /** HTTP status, where the server answered. */
  readonly status: number | undefined;
  /** The system's word for it: `ECONNREFUSED`. */
  readonly code: string;
  readonly message: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a fault is told. */
interface Telling {
  readonly code: StageFailureCode;
  readonly state: string;
  readonly hint: string;
}

/**
 * Words a failure.
 *
 * @param action What could not be done: `Cannot list "s3://…"`.
 * @returns What is none of the server's or the network's as it came: a bug, a missing permission.
 */
export function explainFault(
  error: unknown,
  action: string,
  place: S3Place,
  credentials: S3Credentials,
): unknown {
  if (error instanceof StageError || error instanceof Deno.errors.NotCapable) return error;
  const fault = faultOf(error);
  const telling = fault && (tellAnswer(fault, place) ?? tellSilence(fault, place));
  if (telling === undefined) return error;
  const { code, state, hint } = telling;
  const cause = new Error(redact(fault?.message ?? "", credentials));
  return new StageError(code, `${action}: ${state}`, { hint, cause });
}

/** Whether the server said this, by its word for it or by HTTP status. */
export function isAnswer(error: unknown, ...answers: readonly (string | number)[]): boolean {
  const fault = faultOf(error);
  return fault !== undefined && (answers.includes(fault.name) ||
    (fault.status !== undefined && answers.includes(fault.status)));
}

/** Whether the server refused for certain. Of what was lost on the way nobody knows. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof StageError) return error.code !== "destination-unreachable";
  const { status = 0 } = faultOf(error) ?? {};
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function faultOf(error: unknown): Fault | undefined {
  if (!(error instanceof Error)) return undefined;
  const { $metadata, $response, code } = error as {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly statusCode?: number; readonly headers?: Fault["headers"] };
    readonly code?: unknown;
  };
  const isOurs = /^(TypeError|RangeError|ReferenceError|SyntaxError|AssertionError)$/.test(
    error.name,
  );
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (isOurs && status === undefined && typeof code !== "string") return undefined;
  return {
    name: /^[A-Za-z0-9.]{1,64}$/.test(error.name) ? error.name : "an error without a name",
    status,
    code: typeof code === "string" ? code : "",
    message: error.message,
    headers: $response?.headers ?? {},
  };
}

/** What the server answered. The first line that fits counts. */
function tellAnswer(fault: Fault, place: S3Place): Telling | undefined {
  const { name, status, headers } = fault;
  const { bucket, region, credentials } = place;
  if (status === undefined) return undefined;
  const refused = (state: string, hint: string): Telling => ({
    code: "destination-refused",
    state,
    hint,
  });
  const keys = credentials === "env" ? "the environment" : `"${credentials.slice(5)}"`;
  switch (name) {
    case "InvalidAccessKeyId":
      return refused("the server does not know the access key", `Correct the key in ${keys}`);
    case "SignatureDoesNotMatch":
      return refused("the secret key is not that of the access key", `Correct it in ${keys}`);
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "TokenRefreshRequired":
      return refused(
        "the session token has expired",
        `Sign in again, and renew the keys in ${keys}`,
      );
    case "InvalidToken":
      return refused("the session token is not valid", `Renew the keys in ${keys}`);
    case "RequestTimeTooSkewed":
    case "RequestExpired":
      return refused(sayClocks(headers["date"]), "Set the clock of this machine, then run again");
    case "NoSuchBucket":
      return refused(
        `there is no bucket "${bucket}"`,
        "Correct its name; for a first backup, make the bucket",
      );
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return refused(
        `the bucket is not in region "${region}"${sayRegion(headers)}`,
        "Correct region",
      );
    case "InvalidObjectState":
      return refused(
        "it lies in an archive class that cannot be read at once",
        "Have the server bring it back first, and use another storage_class",
      );
    case "InvalidStorageClass":
      return refused("the server does not know this storage_class", "Name one that it has");
    case "ObjectLockConfigurationNotFoundError":
      return refused("the bucket has no object lock", "Make a bucket that has, or drop lock_days");
    case "BadDigest":
    case "InvalidDigest":
    case "XAmzContentSHA256Mismatch":
      return refused("what arrived is not what was sent", "Check the network, and run again");
    case "QuotaExceeded":
    case "EntityTooLarge":
    case "InsufficientStorage":
    case "XMinioStorageFull":
      return {
        code: "storage-full",
        state: "there is no room for it",
        hint: "Free some space there, or ask for more",
      };
    case "SlowDown":
      return slow("it asks for fewer requests", headers);
  }
  if (status >= 300 && status < 400) {
    return refused(
      `the server sends its clients elsewhere${sayRegion(headers)} (HTTP ${status})`,
      "Correct endpoint and region: redirects are not followed",
    );
  }
  if (status === 401 || status === 403) {
    const hint = "Give the key the rights to list, get, put and delete objects of this bucket";
    return refused(`access is denied (${sayName(name, status)})`, hint);
  }
  if (status === 404) {
    return refused("there is nothing at that address (HTTP 404)", "Correct endpoint and bucket");
  }
  if (status === 507) {
    return { code: "storage-full", state: "the server is full", hint: "Free some space there" };
  }
  if (status === 429) return slow("it asks for fewer requests", headers);
  if (status === 503) return slow("the server is too busy", headers);
  if (status >= 500 || status === 408) {
    return {
      code: "destination-unreachable",
      state: `the server failed (${sayName(name, status)})`,
      hint: "Try again later",
    };
  }
  if (status < 300) {
    return {
      code: "destination-unreachable",
      state: "the answer is not that of an S3 server, or not all of it",
      hint: "Check endpoint and the network",
    };
  }
  return refused(
    `the server refused (${sayName(name, status)})`,
    "Check the options of the stage against what the server offers",
  );
}

function slow(state: string, headers: Fault["headers"]): Telling {
  const after = /^\d{1,6}$/.exec(headers["retry-after"] ?? "")?.[0];
  return {
    code: "destination-unreachable",
    state: after === undefined ? state : `${state}, for ${after} s`,
    hint: "Try again later",
  };
}

/** What is the matter where no answer came. */
function tellSilence({ name, code, message }: Fault, place: S3Place): Telling {
  const unreachable = (state: string, hint: string): Telling => ({
    code: "destination-unreachable",
    state,
    hint,
  });
  const { proxy } = place;
  const server = proxy === undefined ? hostOf(place) : `the proxy ${hostOf(place)}`;
  const option = proxy === undefined ? "endpoint" : "proxy";
  if (code === "ECONNREFUSED") {
    return unreachable(`nothing listens at ${server}`, `Start the server, or correct ${option}`);
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || /dns|lookup/i.test(message)) {
    return unreachable(`no address is known for ${server}`, `Check the network and ${option}`);
  }
  if (/certificate|UnknownIssuer|self.signed|tls|ssl/i.test(`${code} ${message}`)) {
    // A proxy without TLS shows none, and hands on the server's.
    const isHandedOn = proxy?.startsWith("http:") ?? false;
    const owner = isHandedOn ? hostOf({ ...place, proxy: undefined }) : server;
    return unreachable(
      `the certificate of ${owner} is not trusted`,
      `Correct ${
        isHandedOn ? "endpoint" : option
      }, or set DENO_TLS_CA_STORE=system to trust what this machine does, or NODE_EXTRA_CA_CERTS=FILE for an authority of your own`,
    );
  }
  if (name === "TimeoutError" && !/^E(CONNRESET|PIPE)$/.test(code)) {
    return unreachable(`${server} has fallen silent`, "Check the network, or raise timeout");
  }
  return unreachable(`the connection to ${server} broke off`, "Check the network, and run again");
}

function sayName(name: string, status: number): string {
  return /^(Unknown|UnknownError|Error|\d+)$/.test(name)
    ? `HTTP ${status}`
    : `${name}, HTTP ${status}`;
}

function sayClocks(date: string | undefined): string {
  const minutes = Math.round((Date.now() - Date.parse(date ?? "")) / 60_000);
  const state = "the clocks of this machine and the server differ too much";
  if (!Number.isFinite(minutes) || minutes === 0) return state;
  return `${state}: this one is ${Math.abs(minutes)} minutes ${minutes > 0 ? "ahead" : "behind"}`;
}

function sayRegion(headers: Fault["headers"]): string {
  const region = headers["x-amz-bucket-region"];
  return region !== undefined && /^[a-z0-9-]{1,32}$/.test(region) ? ` but in "${region}"` : "";
}

/** A library's own message, without what nobody is to see. */
function redact(message: string, { secretAccessKey, sessionToken }: S3Credentials): string {
  const secrets = [secretAccessKey, sessionToken].filter((secret) => secret !== undefined);
  return secrets.reduce((text, secret) => text.replaceAll(secret, "(hidden)"), message)
    .slice(0, 500);
}
