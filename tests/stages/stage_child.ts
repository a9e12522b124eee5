/**
 * Runs a stage in a process of its own, for tests that take its disk away, kill it, or give it an
 * environment: `deno run -A stage_child.ts '<StageJob as JSON>'`. Prints what came of it as JSON.
 *
 * @module
 */
import { toRecord } from "../../stages/errors.ts";
import { runStage } from "./harness.ts";

const outcome = await runStage(JSON.parse(Deno.args[0]!))
  .then(({ result }) => ({ result }), (error) => ({ failure: toRecord(error) }));
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(outcome)));
