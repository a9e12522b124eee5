/**
 * To be compiled: tries everything in a worker without permissions, and a package that is not
 * there. Prints what came of it as JSON.
 *
 * @module
 */
import { permissionsOf } from "../../pipeline/worker/host.ts";
import { attemptEverything } from "./attempts.ts";
import { probe } from "./probe.ts";

const folder = Deno.args[0]!;
const nothing = permissionsOf({}) as Deno.PermissionOptionsObject;
const attempts = await probe(nothing, attemptEverything, folder, Deno.execPath());
const inside = permissionsOf({ read: [folder], write: [folder] }) as Deno.PermissionOptionsObject;
const granted = await probe(inside, (path: string) => {
  Deno.writeTextFileSync(`${path}/granted.txt`, "granted");
  return Deno.readTextFileSync(`${path}/granted.txt`);
}, folder);
const npm = await probe(nothing, async (name: string) => void await import(name), "npm:no-such-1");
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ attempts, granted, npm })));
Deno.exit(0);
