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

/** Whether it ends so: not even a number below it is a count. */
export function endsAsCredential(name: string): boolean {
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
  ...["at", "budget", "command", "count", "dir", "directory", "enabled", "endpoint", "expires"],
  ...["expiry", "file", "folder", "helper", "kind", "limit", "method", "path", "provider"],
  ...["type", "uri", "url", "usage", "version"],
]);
