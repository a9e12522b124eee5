/**
 * Reads recipients and identities, age's public and secret keys, as people write them down.
 *
 * Only native age keys are taken: a plugin's key would have age run a program that the key names
 * (CVE-2024-56327). Nothing here repeats a secret, nor what might be one.
 *
 * @module
 */
import { shellWord } from "../shell.ts";

/** A key that cannot be used. */
export interface KeyFault {
  /** What is wrong, in one sentence, without the value. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** A line that cannot be used. */
export interface KeyProblem extends KeyFault {
  /** Counted from 1; 0 when it is about the whole file. */
  readonly line: number;
}

/**
 * Says what is wrong with a recipient, or answers `undefined`.
 *
 * The checksum is checked too, so that a misspelt key is found before anything is encrypted for it.
 */
export async function checkRecipient(text: string): Promise<KeyFault | undefined> {
  const fault = await recipientFault(text);
  if (fault === undefined) return undefined;
  const [state, hint] = fault;
  return { message: `Cannot use ${shorten(text)} as a recipient: ${state}`, hint };
}

/**
 * Tells recipients, and what was meant as one, from paths of files that hold some: `true` says
 * that {@linkcode checkRecipient} has the word, not that it is satisfied.
 */
export function looksLikeRecipient(text: string): boolean {
  return /^(age1|ssh-|ecdsa-)/i.test(text) || SECRET_REGEXP.test(text);
}

/** Shortens a public key for a message, and hides whatever else was written in its place. */
export function shorten(recipient: string): string {
  if (!recipient.startsWith("age1") || SECRET_REGEXP.test(recipient)) return "this text";
  return recipient.length <= 12 ? `"${recipient}"` : `"${recipient.slice(0, 12)}…"`;
}

/** Reads a file of recipients, one a line, with `#` comments; `where` names it in messages. */
export async function parseRecipients(
  text: string,
  where: string,
): Promise<{ readonly recipients: string[]; readonly problems: KeyProblem[] }> {
  const { keys, problems } = await parseLines(text, where, "recipient", recipientFault);
  return { recipients: keys, problems };
}

/** Reads an identity file, one a line, with `#` comments; `where` names it in messages. */
export async function parseIdentities(
  text: string,
  where: string,
): Promise<{ readonly identities: string[]; readonly problems: KeyProblem[] }> {
  const whole = identityFileFault(text, where);
  if (whole !== undefined) return { identities: [], problems: [whole] };
  const { keys, problems } = await parseLines(text, where, "identity", identityFault);
  return { identities: keys, problems };
}

/** The recipients that identities belong to, in the same order. */
export async function recipientsOf(identities: readonly string[]): Promise<string[]> {
  const { identityToRecipient } = await import("age-encryption");
  return Promise.all(identities.map((identity) => identityToRecipient(identity)));
}

async function parseLines(
  text: string,
  where: string,
  what: "recipient" | "identity",
  faultOf: (line: string) => Promise<Fault | undefined>,
): Promise<{ keys: string[]; problems: KeyProblem[] }> {
  const keys = new Set<string>();
  const problems: KeyProblem[] = [];
  const article = what === "identity" ? "an" : "a";
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const fault = await faultOf(line);
    if (fault === undefined) {
      keys.add(line);
      continue;
    }
    const [state, hint] = fault;
    const message = `Cannot use line ${index + 1} of "${where}" as ${article} ${what}: ${state}`;
    problems.push({ line: index + 1, message, hint });
  }
  if (keys.size === 0 && problems.length === 0) {
    const message = `Cannot find ${article} ${what} in "${where}": it holds none`;
    const hint = what === "identity"
      ? NAME_IDENTITY
      : 'Write a recipient a line into it: each stands behind "public key" in its identity file';
    problems.push({ line: 0, message, hint });
  }
  return { keys: [...keys], problems };
}

const SECRET_REGEXP = /AGE-(SECRET-KEY|PLUGIN)-/i;

/** What is wrong with a key, as the end of a sentence, and what to do about it. */
type Fault = readonly [state: string, hint: string];

const KEYGEN = 'Make an age identity with "keepsake keygen"';
const COPY_RECIPIENT =
  'Copy the whole of it anew: it stands behind "public key" in the identity file';
const NAME_IDENTITY = 'Name the file that "keepsake keygen" wrote';
const COPY_IDENTITY = "Copy the whole of it anew from where you keep its copy";
const OWN_RECIPIENT =
  'Write the recipient that belongs to it: it stands behind "public key" in the identity file';

/** Bytes in the keys of each kind, by what stands before their last `1`. */
const RECIPIENT_SIZES: ReadonlyMap<string, number> = new Map([["age", 32], ["age1pq", 1216]]);
const IDENTITY_SIZES: ReadonlyMap<string, number> = new Map([
  ["AGE-SECRET-KEY-", 32],
  ["AGE-SECRET-KEY-PQ-", 32],
]);

function recipientFault(text: string): Promise<Fault | undefined> {
  return faultOf(text, RECIPIENT_SIZES, COPY_RECIPIENT, () => {
    if (SECRET_REGEXP.test(text)) return ["it is a secret key", OWN_RECIPIENT];
    if (/^(ssh|ecdsa)-/i.test(text)) return ["SSH keys are not supported", KEYGEN];
    if (!/^age1/i.test(text)) {
      return ["it is no age public key, and passphrases are not supported", KEYGEN];
    }
    if (text !== text.toLowerCase()) return ["it must be all lower-case", COPY_RECIPIENT];
    if (/\s/.test(text)) return ["it contains a space", "Write one recipient on its own"];
    const prefix = text.slice(0, text.lastIndexOf("1"));
    if (RECIPIENT_SIZES.has(prefix)) return undefined;
    return ["it is misspelt or for a plugin, and plugins are not supported", KEYGEN];
  });
}

function identityFault(text: string): Promise<Fault | undefined> {
  return faultOf(text, IDENTITY_SIZES, COPY_IDENTITY, () => {
    if (/^AGE-PLUGIN-/i.test(text)) return ["plugins are not supported", KEYGEN];
    if (/^age1/i.test(text)) {
      return ["it is a recipient", "Name the file with the secret key that belongs to it"];
    }
    if (!/^AGE-SECRET-KEY-/i.test(text)) {
      return ["it is no age identity", NAME_IDENTITY];
    }
    if (text !== text.toUpperCase()) return ["it must be all upper-case", COPY_IDENTITY];
    const prefix = text.slice(0, text.lastIndexOf("1"));
    if (IDENTITY_SIZES.has(prefix)) return undefined;
    return ["it is misspelt or of an unknown kind", COPY_IDENTITY];
  });
}

/** What to do about an identity file that age has encrypted. */
export function sayHandOver(file: string): string {
  return `Have a shell hand it over decrypted: --identity <(age -d ${shellWord(file)})`;
}

function identityFileFault(text: string, where: string): KeyProblem | undefined {
  const subject = `Cannot use "${where}" as an identity file`;
  if (/^\s*(age-encryption\.org\/|-----BEGIN AGE ENCRYPTED FILE-----)/.test(text)) {
    return { line: 0, message: `${subject}: it is encrypted itself`, hint: sayHandOver(where) };
  }
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    const message = `${subject}: it is an SSH key, which is not supported`;
    return { line: 0, message, hint: KEYGEN };
  }
  return undefined;
}

/** Bech32 (BIP 173, without its limit of 90 characters), after `before` found nothing. */
async function faultOf(
  text: string,
  sizes: ReadonlyMap<string, number>,
  hint: string,
  before: () => Fault | undefined,
): Promise<Fault | undefined> {
  const fault = before();
  if (fault !== undefined) return fault;
  const at = text.lastIndexOf("1");
  const size = sizes.get(text.slice(0, at))!;
  if (/[^02-9ac-hj-np-z]/i.test(text.slice(at + 1))) {
    return ["it has a character that no key has", hint];
  }
  const length = at + 1 + Math.ceil(size * 8 / 5) + 6;
  if (text.length < length) {
    return [`it is cut short, ${text.length} of ${length} characters`, hint];
  }
  if (text.length > length) {
    return [`it is ${text.length} characters long, not ${length}`, hint];
  }
  const { bech32 } = await import("@scure/base");
  // Its errors repeat the whole text: they must not be passed on.
  const decoded = bech32.decodeUnsafe(text, false);
  const bytes = decoded && bech32.fromWordsUnsafe(decoded.words);
  return bytes?.length === size ? undefined : ["it is misspelt, its checksum does not match", hint];
}
