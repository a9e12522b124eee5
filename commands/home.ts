/**
 * Where whoever runs this is at home.
 *
 * @module
 */
import { isAbsolute } from "node:path";

/** The home directory; `undefined` where there is none: a relative one would be another everywhere. */
export function homeDirectory(): string | undefined {
  const home = Deno.env.get("HOME") || Deno.env.get("USERPROFILE") || "";
  return isAbsolute(home) ? home : undefined;
}
