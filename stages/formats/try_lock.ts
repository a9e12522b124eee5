/**
 * Locks of the kernel's, for those that do not wait.
 *
 * @module
 */

/** Locks without waiting where the runtime can; older ones wait a moment. */
export async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if (typeof file.tryLock === "function") return await file.tryLock(true);
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), 500);
  const locked = file.lock(true).then(() => true, () => false);
  return await Promise.race([locked, late.promise]).finally(() => clearTimeout(timer));
}
