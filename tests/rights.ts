/**
 * What the user may do who runs the tests.
 *
 * @module
 */

/** Whether nothing is refused, whatever its mode: so it is for root, and tests of refusals show nothing. */
export function mayReadAll(): boolean {
  if (Deno.build.os === "windows") return true;
  const path = Deno.makeTempFileSync({ prefix: "keepsake-" });
  try {
    Deno.chmodSync(path, 0);
    Deno.openSync(path).close();
    return true;
  } catch {
    return false;
  } finally {
    Deno.removeSync(path);
  }
}
