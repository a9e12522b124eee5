/**
 * Restores the newest snapshot of a directory, and tells in JSON how that ended and the most memory
 * that this process held, in bytes. Arguments: the directory, an identity file, the target.
 *
 * @module
 */
import { restoreSnapshot } from "../../pipeline/restore.ts";
import { BackupError } from "../../stages/errors.ts";

/** What it tells. */
export interface Told {
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
  readonly peak: number;
}

if (import.meta.main) {
  const [from, identity, directory] = Deno.args;
  const failure = await restoreSnapshot({
    ...{ pipeline: undefined, from: from!, identityFiles: [identity!] },
    ...{ snapshot: "latest", target: { directory: directory! } },
  }).then(() => undefined, (error) => error);
  const { code, hint } = failure instanceof BackupError ? failure : {};
  const status = await Deno.readTextFile("/proc/self/status");
  const peak = 1024 * Number(/VmHWM:\s*(\d+)/.exec(status)![1]);
  const told = { code, hint, message: String(failure?.message ?? ""), peak };
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(told)));
}
