/**
 * The oldest Deno that the sandbox promises are stated for.
 *
 * @module
 */

/** Older versions have known ways out of the sandbox. */
export const OLDEST_SAFE_DENO = "2.9.6";

/** One sentence when this Deno is too old for the sandbox promises; `undefined` when it is not. */
export function oldDenoWarning(version: string = Deno.version.deno): string | undefined {
  if (!isOlder(version, OLDEST_SAFE_DENO)) return undefined;
  return `Deno ${version} is older than ${OLDEST_SAFE_DENO}: ways out of its sandbox are known, ` +
    "so that what each stage may touch is not for certain. Backups work all the same";
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
