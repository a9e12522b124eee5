/**
 * Where an S3 destination is: its server, its address for a person, the keys of its objects. Pure.
 *
 * @module
 */
import type { AddressFault, Grants } from "../../contract.ts";
import { StageError } from "../../errors.ts";

/** What says where objects are and how to get there: the options of the stage. */
export interface S3Place {
  readonly bucket: string;
  /** With a slash at its end. */
  readonly prefix?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** `env`, or `file:PATH#PROFILE`. */
  readonly credentials: string;
  readonly addressing?: "path" | "host" | undefined;
  readonly proxy?: string | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/** What the names of all objects begin with. */
export function prefixOf({ prefix = "" }: Pick<S3Place, "prefix">): string {
  return prefix;
}

/** The server's address, without the bucket. */
export function endpointOf({ endpoint, region }: Pick<S3Place, "endpoint" | "region">): URL {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return new URL(endpoint ?? `https://s3.${region}.${domain}`);
}

/** Whether the server is Amazon's own, of which more is known than of others. */
export function isAmazon(place: Pick<S3Place, "endpoint" | "region">): boolean {
  return /(^|\.)amazonaws\.com(\.cn)?$/.test(endpointOf(place).hostname);
}

/**
 * Whether the bucket goes into the path: everybody but Amazon understands that. A bucket with dots
 * fits into no certificate.
 */
export function isPathStyle(
  place: Pick<S3Place, "bucket" | "endpoint" | "region" | "addressing">,
): boolean {
  if (place.addressing !== undefined) return place.addressing === "path";
  return !isAmazon(place) || place.bucket.includes(".");
}

/** The one host and port that requests go to. */
export function hostOf(place: S3Place): string {
  if (place.proxy !== undefined) return withPort(new URL(place.proxy));
  const url = endpointOf(place);
  if (!isPathStyle(place)) url.hostname = `${place.bucket}.${url.hostname}`;
  return withPort(url);
}

function withPort({ host, port, protocol }: URL): string {
  return port === "" ? `${host}:${protocol === "https:" ? 443 : 80}` : host;
}

/** The file that holds the keys; `undefined`: they are in the environment. */
export function credentialsFileOf(written: string): { path: string; profile: string } | undefined {
  const [, path, profile = "default"] = /^file:([^#]*)(?:#(.*))?$/s.exec(written) ?? [];
  return path === undefined ? undefined : { path, profile };
}

/** Variables that are read for `env`. */
export const CREDENTIAL_VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
] as const;

/** Variables that the library asks for as it is loaded and used; none has to be set. */
const LIBRARY_VARIABLES = [
  "AWS_CONFIG_FILE",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_BENCHMARK_MODE",
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_MAX_CONCURRENCY",
  "AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA",
  "AWS_PROFILE",
  "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED",
  "AWS_SHARED_CREDENTIALS_FILE",
  "HOME",
  "HOMEDRIVE",
  "HOMEPATH",
  "USERPROFILE",
  "_X_AMZN_TRACE_ID",
];

/** What a worker needs to talk to the server, and nothing more. */
export function grantsFor(place: S3Place): Grants {
  const file = credentialsFileOf(place.credentials);
  const tls = isByTls(place) && hasAuthorities() ? TLS_GRANTS : { env: [], sys: [] };
  return {
    net: [hostOf(place)],
    env: [...LIBRARY_VARIABLES, ...tls.env, ...(file === undefined ? CREDENTIAL_VARIABLES : [])],
    sys: [...tls.sys, "osRelease"],
    ...(file !== undefined && { read: [file.path] }),
  };
}

/**
 * Where `NODE_EXTRA_CA_CERTS` is set, as behind a company's proxy, `node:tls` asks which authorities
 * are trusted, and whether the system's are.
 */
const TLS_GRANTS = { env: ["NODE_USE_SYSTEM_CA"], sys: ["ca"] };

function isByTls(place: S3Place): boolean {
  return [endpointOf(place), ...place.proxy === undefined ? [] : [new URL(place.proxy)]]
    .some(({ protocol }) => protocol === "https:");
}

/** Whether this runtime knows a right to that: it refuses to make a worker with one that it does not. */
function hasAuthorities(): boolean {
  try {
    const right = { name: "sys", kind: "ca" } as unknown as Deno.SysPermissionDescriptor;
    return Deno.permissions.querySync(right) !== undefined;
  } catch {
    return false;
  }
}

/** Whether whoever is on the way can read what is sent. */
export function isExposed(place: S3Place): boolean {
  const { protocol, hostname } = endpointOf(place);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  return protocol === "http:" && !isHere;
}

/** The region where none is named. */
export const USUAL_REGION = "us-east-1";

/**
 * The address, as `--from` takes it: {@linkcode parseAddress} reads it back. It holds no secrets, and
 * what is delivered is remembered by it: it says no more than it has to, and asks no environment.
 */
export function addressOf(
  place: Pick<S3Place, "bucket" | "prefix" | "endpoint" | "region" | "addressing">,
): string {
  const prefix = prefixOf(place);
  const parts = [...endpointPart(place), ...regionPart(place), ...addressingPart(place)];
  const path = decode(prefix) === prefix ? prefix : prefix.replaceAll("%", "%25");
  return `s3://${place.bucket}/${path}${parts.length === 0 ? "" : `?${parts.join("&")}`}`;
}

/** Amazon's own follows from the region. */
function endpointPart(place: Pick<S3Place, "endpoint" | "region">): string[] {
  if (isAmazon(place)) return [];
  const { origin, pathname } = endpointOf(place);
  const plain = `${origin}${pathname === "/" ? "" : pathname.replace(/\/+$/, "")}`;
  const readsBack = new URLSearchParams(`endpoint=${plain}`).get("endpoint") === plain;
  return [`endpoint=${readsBack ? plain : plain.replace(/[%&+]/g, encodeURIComponent)}`];
}

function regionPart({ region }: Pick<S3Place, "region">): string[] {
  return region === USUAL_REGION ? [] : [`region=${region}`];
}

/** Only where the bucket does not stand where it is looked for anyway. */
function addressingPart(
  { addressing, ...place }: Pick<S3Place, "bucket" | "endpoint" | "region" | "addressing">,
): string[] {
  if (addressing === undefined || addressing === (isPathStyle(place) ? "path" : "host")) return [];
  return [`addressing=${addressing}`];
}

/**
 * The address without what only says how to get there: a bucket is in one region, and Amazon's names
 * of buckets mean one bucket wherever they are asked for (those of China are its own).
 */
export function placeOf(
  { bucket, prefix, ...way }: Pick<S3Place, "bucket" | "prefix" | "endpoint" | "region">,
): string {
  if (!isAmazon(way)) {
    return addressOf({ bucket, prefix, endpoint: way.endpoint, region: USUAL_REGION });
  }
  const region = way.region.startsWith("cn-") ? way.region : USUAL_REGION;
  return addressOf({ bucket, prefix, region });
}

/** What the environment says where the address is silent. */
export interface Environment {
  get(name: string): string | undefined;
}

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&credentials=…`. What is left out is looked for where
 * other tools look: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_PROFILE`.
 */
export function parseAddress(
  address: string,
  env: Environment,
): Record<string, string> | undefined {
  const [, bucket, prefix = "", query = ""] = ADDRESS_REGEXP.exec(address) ?? [];
  if (bucket === undefined) return undefined;
  const asked = new URLSearchParams(query);
  if (asked.keys().some((name) => !PARTS.includes(name))) return undefined;
  const endpoint = asked.get("endpoint") ?? usualFor("endpoint", env)?.value;
  const region = asked.get("region") ?? usualFor("region", env)?.value;
  const profile = env.get("AWS_ACCESS_KEY_ID") ? undefined : env.get("AWS_PROFILE");
  const written = asked.get("credentials") ?? (profile && `profile:${profile}`);
  const rest = ["addressing", "proxy"].flatMap((name) => {
    const value = asked.get(name);
    return value === null ? [] : [[name, value]];
  });
  return {
    bucket,
    ...(prefix && { prefix: decode(prefix) }),
    ...(endpoint && { endpoint }),
    ...(region && { region }),
    ...(written && { credentials: withFile(written, env) }),
    ...Object.fromEntries(rest),
  };
}

const ADDRESS_REGEXP = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;

const PARTS: readonly string[] = ["endpoint", "region", "credentials", "addressing", "proxy"];

/** Variables that say what an address leaves out, in their order. */
const USUAL_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  endpoint: ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
  region: ["AWS_REGION", "AWS_DEFAULT_REGION"],
};

function usualFor(part: string, env: Environment): { variable: string; value: string } | undefined {
  for (const variable of USUAL_VARIABLES[part] ?? []) {
    const value = env.get(variable);
    if (value) return { variable, value };
  }
  return undefined;
}

/** An option that an address leads to and that cannot be, and what it should be: `the name of …`. */
export interface WrongPart {
  readonly name: string;
  readonly expected: string | undefined;
}

/**
 * Says which part of an address that begins with `s3:` is wrong, or which variable that stands for
 * one; without values, in which passwords may be.
 */
export function faultOf(
  address: string,
  env: Environment,
  wrong: readonly WrongPart[],
): AddressFault | undefined {
  if (!/^s3:/i.test(address)) return undefined;
  const example = 'Write for example "s3://backups/claude/?endpoint=https://s3.example.org"';
  const [, bucket, , query = ""] = ADDRESS_REGEXP.exec(address) ?? [];
  if (bucket === undefined) {
    const state = address.includes("#")
      ? 'it has a "#", which no such address has'
      : "it names no bucket";
    return { state, hint: example };
  }
  const asked = new URLSearchParams(query);
  if (asked.keys().some((name) => !PARTS.includes(name))) {
    const state = 'of what stands behind its "?", not all is known';
    return { state, hint: `Use no more than ${PARTS.join(", ")}` };
  }
  if (wrong.length === 0) return undefined;
  const told = wrong.map(({ name, expected }) => {
    const variable = asked.has(name) ? undefined : usualFor(name, env)?.variable;
    const what = variable ?? `its ${name}`;
    const verb = what.endsWith("s") ? "have" : "has";
    const state = expected === undefined
      ? `${what} cannot be used`
      : `${what} ${verb} to be ${expected}`;
    return { state, name, variable };
  });
  const { name, variable } = told[0]!;
  return {
    state: told.map(({ state }) => state).join("; "),
    hint: variable === undefined
      ? example
      : `Set ${variable} anew, or write ${name}=… into the address, behind a "?"`,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A percent sign that stands for itself.
  }
}

/** As the pipeline file's are resolved, for a person who names a place on the command line. */
function withFile(written: string, env: Environment): string {
  if (!written.startsWith("profile:")) return written;
  const home = env.get("HOME") ?? env.get("USERPROFILE") ?? "";
  const file = env.get("AWS_SHARED_CREDENTIALS_FILE") || `${home}/.aws/credentials`;
  return `file:${file}#${written.slice("profile:".length)}`;
}

/**
 * What a file is called in the bucket.
 *
 * @throws {StageError} `stage-failed` for what could be no name of ours.
 */
export function objectOf(place: Pick<S3Place, "prefix">, key: string): string {
  if (isKey(key)) return `${prefixOf(place)}${key}`;
  throw new StageError("stage-failed", `Cannot use "${key}" as the name of a stored file`, {
    hint: "Name the snapshot and the file, with a slash between them",
  });
}

/** The file that an object is; `undefined` for what is no file of ours. */
export function keyOf(place: Pick<S3Place, "prefix">, object: string): string | undefined {
  const prefix = prefixOf(place);
  const key = object.slice(prefix.length);
  return object.startsWith(prefix) && isKey(key) ? key : undefined;
}

/** A folder and a name, that are safe to show and to use anywhere. */
function isKey(key: string): boolean {
  const names = key.split("/");
  return key.isWellFormed() && names.length === 2 && names.every((name) => NAME_REGEXP.test(name));
}

/** A name that starts with a dot is a temporary one, or leads up. */
// deno-lint-ignore no-control-regex
const NAME_REGEXP = /^[^.\\/:\x00-\x1f\x7f][^\\/:\x00-\x1f\x7f]*$/;
