/**
 * Takes secrets out of what is told, logged and sent: what the file's references stand for, and
 * what is a secret by its form.
 *
 * @module
 */
import { BackupError, toRecord } from "../stages/errors.ts";
import { optionTypeOf } from "./config/common.ts";
import type { Hook, Pipeline } from "./config/pipeline.ts";
import { shapeOf } from "./watch/shapes.ts";

/** Takes secrets out of a text. Never throws. */
export type Redact = (text: string) => string;

/** As `Deno.env` is. */
export type Environment = Pick<typeof Deno.env, "get" | "toObject">;

/** What stands in the place of a secret. */
export const HIDDEN = "(hidden)";

/** Takes out what is a secret by its form: passwords in addresses, and identities. */
export function redactForms(text: string): string {
  return redactAddresses(text)
    .replaceAll(WORD_REGEXP, (whole, before: string, user: string, rest: string, at: string) => {
      if (/^(?:file|env|profile|npm|jsr)$/i.test(user)) return whole;
      const isDrive = user.length === 1 && /^[\\/]/.test(rest);
      return isDrive ? whole : `${before}${HIDDEN}${at}`;
    })
    .replaceAll(/AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+/gi, HIDDEN);
}

// As they are, or as the parts of another address have them, be it once or more often.
const COLON = "(?::|%(?:25)*3A)";
const SLASH = "(?:/|%(?:25)*2F)";
const AT = "(?:@|%(?:25)*40)";
const SCHEME = `([a-z][a-z0-9+.-]*)(${COLON}${SLASH}{2})`;

/**
 * To the last `@`: whoever writes a password into an address does not mind that `/`, `?` and `#` end
 * it there. Between quotes it may have spaces as well.
 */
const ADDRESS_REGEXP = new RegExp(
  `(?<=")${SCHEME}([^"\\n]*)(${AT})|${SCHEME}([^\\s"]*)(${AT})`,
  "gi",
);

/** `user:password@host` without a scheme, which is a word by itself or the value of something. */
const WORD_REGEXP = new RegExp(
  `(^|[\\s"'(=])([^\\s"'():=@/%]+)${COLON}(?!${SLASH}{2})([^\\s"]*)(${AT})(?=[^\\s"])`,
  "gi",
);

const COLON_REGEXP = new RegExp(COLON, "i");

function redactAddresses(text: string): string {
  return text.replaceAll(ADDRESS_REGEXP, (...found) => {
    const [scheme, separator, user, at] = found.slice(found[1] === undefined ? 5 : 1) as string[];
    return hasNoSecret(scheme!, user!)
      ? `${scheme}${separator}${redactAddresses(`${user}${at}`)}`
      : `${scheme}${separator}${HIDDEN}${at}`;
  });
}

/** Everybody's name for ssh is the same, and a part of the address; a token is one by itself. */
function hasNoSecret(scheme: string, user: string): boolean {
  if (/file$/i.test(scheme) && user.startsWith("/")) return true;
  if (COLON_REGEXP.test(user)) return false;
  return /ssh|sftp|s3|file/i.test(scheme) || user.endsWith("/");
}

/**
 * Makes what takes out the secrets of a pipeline. They are read when something is first told: a run
 * in which all is well reads none.
 */
export function redactorFor(
  { stages, watch }: Pick<Pipeline, "stages" | "watch">,
  environment: Environment,
): Redact {
  let secrets: readonly string[] | undefined;
  return (text) => {
    secrets ??= formsOf([
      ...stages.flatMap(({ stage, options }) =>
        Object.entries(options).flatMap(([key, value]) => {
          const option = stage.options.entries[key];
          const type = option && optionTypeOf(option as Parameters<typeof optionTypeOf>[0]);
          if (typeof value !== "string") return [];
          if (type === "secret") return secretsAt(value, environment);
          return type === "credentials" ? credentialsAt(value, environment) : [];
        })
      ),
      // What a stage finds there although the file does not say so.
      ...stages.flatMap(({ stage, options }) => stage.permissions(options, "run").env ?? [])
        .flatMap((name) => /CREDENTIALS$/.test(name) ? secretsAt(`env:${name}`, environment) : []),
      ...hooksOf(watch).flatMap((hook) => hookSecrets(hook, environment)),
    ]);
    return secrets.reduce((left, secret) => left.replaceAll(secret, HIDDEN), redactForms(text));
  };
}

/** An error that tells no secret; what is no failure that was foreseen keeps its stack. */
export function redactError(error: unknown, redact: Redact): unknown {
  if (error instanceof BackupError) {
    const { code, message, hint } = toRecord(error);
    const [clean, advice] = [redact(message), hint && redact(hint)];
    if (clean === message && advice === hint) return error;
    return new BackupError(code, clean, { hint: advice });
  }
  if (error instanceof Error) {
    const { stack } = error;
    error.message = redact(error.message);
    if (stack !== undefined) error.stack = redact(stack);
  }
  return error;
}

function hooksOf(watch: Pipeline["watch"]): Pick<Hook, "address" | "shape">[] {
  if (watch === undefined) return [];
  const { alerts, heartbeat } = watch;
  return [...alerts, ...heartbeat === undefined ? [] : [{ address: heartbeat, shape: undefined }]];
}

/**
 * Whoever knows the path of a hook can write there: all but its host is a secret. What of it might be
 * a word that is used elsewhere is one behind its host alone.
 */
function hookSecrets(
  { address, shape }: Pick<Hook, "address" | "shape">,
  environment: Environment,
): string[] {
  const isReference = referenceOf(address, environment) !== undefined;
  return [...isReference ? secretsAt(address, environment) : [address]]
    .flatMap((written) => {
      if (!URL.canParse(written)) return [written];
      const url = new URL(written);
      const { host, pathname, search, searchParams, username, password } = url;
      const rest = pathname + search;
      const parts = pathname.split("/");
      const topics = (shape ?? shapeOf(url)) === "ntfy" ? parts.filter(isNoWord) : [];
      const long = [rest, pathname, ...parts, ...searchParams.values()]
        .flatMap((part) => [part, decode(part)])
        .filter(({ length }) => length >= LONG);
      const named = [...searchParams].filter(([name]) => TELLING.test(name))
        .map(([, value]) => value);
      const pairs = search.slice(1).split("&").filter((pair) => /=./.test(pair));
      const others = [...topics, ...named, ...pairs, username, password];
      const behind = rest === "/"
        ? []
        : [host + rest, ...pathname === "/" ? [] : [host + pathname]];
      return [...long, ...[...others, ...behind].flatMap((part) => [part, decode(part)])];
    });
}

/** What is so long is no word that anybody uses elsewhere. */
const LONG = 12;

/** Names of what is a secret, however short. */
const TELLING = /key|token|secret|auth|pass|pwd|sig/i;

/** A topic is all that somebody needs there, but may be a word such as `backups`, too. */
function isNoWord(part: string): boolean {
  return /[^a-z]/.test(part);
}

/** The text that a reference such as `env:NAME` leads to; `undefined` for what is none. */
export function referenceOf(
  written: string,
  environment: Environment,
): (() => string | undefined) | undefined {
  const [, kind, name = ""] = /^(env|file):(.+)$/s.exec(written) ?? [];
  if (kind === "env") return () => environment.get(name)?.trim();
  if (kind !== "file") return undefined;
  // A pipe would be waited for, and what it tells once is for the stage that needs it.
  return () => Deno.statSync(name).isFile ? Deno.readTextFileSync(name).trim() : undefined;
}

function secretsAt(reference: string, environment: Environment): string[] {
  const text = quietly(() => referenceOf(reference, environment)?.()) ?? "";
  // A user and a password in one, or several lines: each part is as secret as the whole.
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return [text, ...lines, ...lines.map((line) => line.slice(line.indexOf(":") + 1))];
}

/** Keys of an account: the variables that hold them, or the values in their file. */
function credentialsAt(written: string, environment: Environment): string[] {
  if (written === "env") {
    return Object.entries(quietly(() => environment.toObject()) ?? {})
      .flatMap(([name, value]) => /SECRET|TOKEN|PASSWORD/.test(name) ? [value] : []);
  }
  const file = written.replace(/#[^#]*$/, "");
  const text = quietly(() => referenceOf(file, environment)?.()) ?? "";
  return [...text.matchAll(/^\s*\w*(?:secret|token|password)\w*\s*=\s*(\S+)\s*$/gim)]
    .map(([, value = ""]) => value);
}

/** What is shorter would be found in words that are no secret. */
const SHORTEST = 6;

/** Secrets as they are, and as addresses, headers and JSON write them; the longest first. */
function formsOf(secrets: readonly string[]): string[] {
  const forms = secrets.filter(({ length }) => length >= SHORTEST).flatMap((secret) => [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    JSON.stringify(secret).slice(1, -1),
    btoa(String.fromCharCode(...new TextEncoder().encode(secret))),
  ]);
  return [...new Set(forms)].toSorted((a, b) => b.length - a.length);
}

function decode(part: string): string {
  return quietly(() => decodeURIComponent(part)) ?? part;
}

/** A secret that cannot be read can be in no text either. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
