/**
 * The names of stored files, by which a snapshot's manifest is told from its archive: it is stored
 * last and removed first.
 *
 * @module
 */

/**
 * `<snapshot id>/<stamp>-<hash>.tar` or `.json`, then what says how it was compressed, and the
 * endings of the transforms that were done to it.
 */
export const KEY_REGEXP =
  /^([a-z0-9-]{1,32})\/(\d{8}T\d{6}Z-[0-9a-f]{12})\.(tar|json)(\.zst|\.gz)?((?:\.[a-z0-9]+)*)$/;

/** Whether a key is the name of a manifest, and not of just any JSON. */
export function isManifest(key: string): boolean {
  return KEY_REGEXP.exec(key)?.[3] === "json";
}
