/**
 * Tells by a name whether what it names is a credential.
 *
 * @module
 */

/**
 * Whether a name says so: of a key, a flag, a variable, a part of a query. What only says where one
 * is, of which kind or until when is none.
 */
export function namesCredential(name: string): boolean {
  const words = wordsOf(name);
  if (HARMLESS_ENDS.has(words.at(-1) ?? "")) return false;
  return endsAsCredential(name) ||
    words.some((word, at) => WORDS.has(word) || (word === "key" && KEYS.has(words[at - 1] ?? "")));
}

/**
 * Whether a text cannot be a credential although its name says so: a switch, a date, a count of
 * tokens. What is called a password may be made of digits.
 */
export function isHarmless(name: string, text: string): boolean {
  return SWITCH.test(text) || (/tokens\s*$/i.test(name) && /^\d{1,9}$/.test(text)) ||
    (DATE.test(text) && !namesNoCount(name));
}

/** Whether a text is nothing but a switch, a date, a number or a version. */
export function isPlain(text: string): boolean {
  return SWITCH.test(text) || DATE.test(text) || /^v?\d{1,13}(\.\d{1,9})*$/.test(text);
}

/** Whether not even a number is harmless below that name. Most counts are such of tokens. */
export function namesNoCount(name: string): boolean {
  return endsAsCredential(name) && !/tokens?\s*$/i.test(name);
}

const SWITCH = /^(true|false|yes|no|on|off|enabled|disabled)$/i;

const DATE = /^(19|20)\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

function endsAsCredential(name: string): boolean {
  const bare = name.trim();
  return SUFFIXES.test(bare) || /[A-Z]PASS$/.test(bare);
}

/** The words of a name, in whichever way it puts them together. */
function wordsOf(name: string): string[] {
  return name.slice(0, MOST_LETTERS)
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase().split(/[^\p{L}]+/u).filter((word) => word !== "");
}

/** Names are shorter. */
const MOST_LETTERS = 200;

const SUFFIXES =
  /(tokens?|secrets?|passw(or)?ds?|passphrases?|credentials?|(api|access|auth|private|secret|session)[-_ ]?keys?|authorization|cookies?|[-_](pat|auth|pass|pwd))$/i;

const WORDS: ReadonlySet<string> = new Set([
  ...["token", "tokens", "secret", "secrets", "password", "passwords", "passwd", "passphrase"],
  ...["pass", "pwd", "pat", "credential", "credentials", "auth", "authorization", "bearer"],
  ...["cookie", "cookies", "jwt", "otp", "totp", "apikey", "apikeys"],
]);

/** What stands before "key" where that is no key of a keyboard or a table. */
const KEYS: ReadonlySet<string> = new Set([
  ...["access", "account", "admin", "api", "auth", "client", "deploy", "encryption", "license"],
  ...["master", "private", "secret", "service", "session", "shared", "signing", "ssh", "storage"],
  ...["subscription"],
]);

const HARMLESS_ENDS: ReadonlySet<string> = new Set([
  ...["at", "budget", "command", "count", "counts", "date", "dates", "day", "days", "dir"],
  ...["directory", "enabled", "endpoint", "expiration", "expires", "expiry", "file", "folder"],
  ...["helper", "kind", "limit", "limits", "max", "maximum", "method", "min", "minimum", "path"],
  ...["provider", "size", "time", "timeout", "timestamp", "total", "ttl", "type", "uri", "url"],
  ...["usage", "version"],
]);
