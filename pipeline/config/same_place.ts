/**
 * Whether two destinations are one place under two names. Looks at the file system, for links.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import type { DestinationStage } from "../../stages/contract.ts";
import { realPath } from "../real_path.ts";

/**
 * What a destination's place is called, whichever way leads there: two that share it are one. It is
 * for comparing only; what is delivered is remembered by the location.
 */
export function placeNameOf(
  stage: DestinationStage,
  options: Readonly<Record<string, unknown>>,
): string {
  const place = stage.place?.(options as never);
  if (place !== undefined) return place;
  const location = stage.location(options as never);
  if (stage.directory?.(options as never) === location) return realPath(location);
  // A repository on this machine, or elsewhere: `git+/mnt/usb/x#main`, `https://host/x.git/#main`.
  const [, address = "", branch = ""] = /^(?:git\+)?(?:file:\/\/)?(.*?)\/*(#[^#]*)?$/s
    .exec(location)!;
  return `${isAbsolute(address) ? realPath(address) : address}${branch}`;
}
