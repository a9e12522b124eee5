/**
 * Takes a pipeline's lock, says so and keeps it until it is killed: `deno run -A hold_lock.ts PATH`.
 *
 * @module
 */
import { acquireLock } from "../../pipeline/lock.ts";

await acquireLock(Deno.args[0]!);
Deno.stdout.writeSync(new TextEncoder().encode("locked\n"));
setInterval(() => {}, 60_000);
