/**
 * Runs the `local` stage in a process of its own, for tests that take its disk away or kill it:
 * `deno run -A local_child.ts '<StageJob as JSON>'`. Prints what came of it as JSON.
 *
 * @module
 */
import { toRecord } from "../../stages/errors.ts";
import { runStage, type StageJob } from "./harness.ts";

const job: Omit<StageJob, "use"> = JSON.parse(Deno.args[0]!);
const outcome = await runStage({ use: "local", ...job })
  .then(({ result }) => ({ result }), (error) => ({ failure: toRecord(error) }));
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(outcome)));
