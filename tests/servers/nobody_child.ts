/**
 * Works at a destination as somebody who may not come in there: the operations of a job, first as a
 * user who may, so that all is loaded, then on a directory that was shut, as nobody where this is
 * root. Argument: `{ use, options, path, key }` as JSON. Tells in JSON what was said of each.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import type { StageWorker } from "../../pipeline/worker/host.ts";
import type { SpoolFile } from "../../stages/contract.ts";
import { type FailureRecord, toRecord } from "../../stages/errors.ts";
import { runStage, type StageJob } from "../stages/harness.ts";

/** What is to be tried. */
export interface Trespass {
  readonly use: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** The directory to shut. */
  readonly path: string;
  /** Of a file that is there. */
  readonly key: string;
}

/** What was said of each operation; `null` where it was done. */
export type Told = Readonly<Record<string, FailureRecord | null>>;

const NOBODY = 65534;

if (import.meta.main) {
  const trespass: Trespass = JSON.parse(Deno.args[0]!);
  const { path } = trespass;
  const spool = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-nobody-" }));
  const pool = new Map<string, StageWorker>();
  try {
    await attemptAll(trespass, spool, pool);
    const mode = (await Deno.stat(path)).mode! & 0o777;
    await Deno.chmod(path, 0);
    await Deno.chmod(spool, 0o777);
    const isRoot = Deno.uid() === 0;
    if (isRoot) process.seteuid!(NOBODY);
    const told = await attemptAll(trespass, spool, pool);
    if (isRoot) process.seteuid!(0);
    await Deno.chmod(path, mode);
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(told)));
  } finally {
    for (const worker of pool.values()) worker.close();
    await Deno.remove(spool, { recursive: true });
  }
}

async function attemptAll(
  { use, options, key }: Trespass,
  spool: string,
  pool: Map<string, StageWorker>,
): Promise<Told> {
  const other = await makeFile(join(spool, "file"), key.replace(/^[^/]+/, "other"));
  const attempt = (operation: StageJob["operation"], context: StageJob["context"] = {}) => {
    const grants = operation === "run" ? { read: [spool], write: [spool] } : {};
    const job = { use, options, operation, context, grants, pool, output: operation === "fetch" };
    return runStage(job).then(() => null, toRecord);
  };
  return {
    run: await attempt("run", { files: [other], owner: "x" }),
    list: await attempt("list"),
    fetch: await attempt("fetch", { key }),
    remove: await attempt("remove", { keys: [other.key] }),
  };
}

async function makeFile(path: string, key: string): Promise<SpoolFile> {
  const bytes = new TextEncoder().encode("content");
  await Deno.writeFile(path, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { key, path, size: bytes.length, sha256 };
}
