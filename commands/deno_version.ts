/**
 * The oldest Deno that the promises are stated for, and what older ones lack.
 *
 * @module
 */

/** Older versions have known ways out of the sandbox. */
export const OLDEST_SAFE_DENO = "2.9.6";

/**
 * Older versions list no name that is not UTF-8, and nothing else that the sandbox lets do sees it
 * (tried with 2.4.2, 2.8.1 and 2.8.2; denoland/deno#34623).
 */
const OLDEST_LISTING_ALL = "2.8.2";

/** What there is to say when this Deno is too old for the promises; `undefined` when it is not. */
export function oldDenoWarning(version: string = Deno.version.deno): string | undefined {
  if (!isOlder(version, OLDEST_SAFE_DENO)) return undefined;
  return `Deno ${version} is older than ${OLDEST_SAFE_DENO}: ways out of its sandbox are known, ` +
    "so that what each stage may touch is not for certain. Backups work all the same" +
    (isOlder(version, OLDEST_LISTING_ALL)
      ? ", but lack files and folders whose names are not UTF-8, as it does not show those"
      : "");
}

function isOlder(version: string, than: string): boolean {
  const [own, other] = [numbersOf(version), numbersOf(than)];
  const index = own.findIndex((number, index) => number !== other[index]);
  return index >= 0 && own[index]! < other[index]!;
}

function numbersOf(version: string): number[] {
  const [, ...parts] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? ["", "0", "0", "0"];
  return parts.map(Number);
}
