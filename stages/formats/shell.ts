/**
 * Words for a POSIX shell.
 *
 * @module
 */

/** A word as a shell takes it for itself, whatever is in it. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
