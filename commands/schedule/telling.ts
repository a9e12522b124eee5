/**
 * What a scheduler has against a request.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import type { Installer } from "./installer.ts";

/** What a scheduler has against it, as a failure of the request. */
export async function telling<T>({ name }: Installer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof BackupError || !(cause instanceof Error)) throw cause;
    throw new BackupError("usage", `Cannot schedule with ${name}: ${cause.message}`, {
      hint: "Put that right, or choose another scheduler with --with",
      cause,
    });
  }
}
