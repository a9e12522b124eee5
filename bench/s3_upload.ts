/**
 * Has the `s3` stage store one file, as a run does: in its worker, with what it may touch and no
 * more. For `bench/s3.ts`, which measures this program from outside.
 *
 * @module
 */
import { dirname } from "node:path";
import * as v from "valibot";
import { StageWorker } from "../pipeline/worker/host.ts";
import s3 from "../stages/s3.ts";

if (import.meta.main) {
  const [path = "", key = "", sha256 = "", written = "{}"] = Deno.args;
  const options = v.parse(s3.options, JSON.parse(written));
  const grants = { ...s3.permissions(options, "run"), read: [dirname(path)] };
  const { size } = await Deno.stat(path);
  using worker = new StageWorker("s3", grants, { operation: "run" });
  const files = [{ key, path, size, sha256 }];
  await worker.call({ operation: "run", context: { options, files, owner: "bench" } });
}
