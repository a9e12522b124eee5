/**
 * `plan`: what would run, with which permissions, and whether the second promise holds.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import type { Plan } from "../pipeline/plan.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { printJson } from "./json.ts";
import { homeDirectory, openPipeline } from "./pipeline_file.ts";

export default defineCommand({
  summary: "shows what would run, and what each stage may touch",
  description:
    "Shows the stages in their order, where things go, what each stage may touch, and whether any could both read plaintext and reach the network. Runs nothing.",
  parameters: object({ config: configFlag(), json: jsonFlag() }),
  execute: plan,
});

async function plan(
  { config, json }: { readonly config: string | undefined; readonly json: boolean },
  { terminal }: Context,
): Promise<number> {
  const [pipeline, { planOf }] = await Promise.all([
    openPipeline(config),
    import("../pipeline/plan.ts"),
  ]);
  const plan = planOf(pipeline);
  if (json) {
    printJson(terminal, planJson(plan));
    return 0;
  }
  const { renderPlan } = await import("./ui/plan_view.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { oldDenoWarning } = await import("./deno_version.ts");
  const view = { home: homeDirectory(), width: terminal.out.width, deno: oldDenoWarning() };
  terminal.print(renderPlan(plan, view, styleFor(terminal.out)).join("\n"));
  return 0;
}

/** What `plan --json` prints. */
export function planJson(plan: Plan): unknown {
  return {
    pipeline: plan.pipeline,
    file: plan.file,
    state: plan.state,
    stages: plan.stages.map((stage) => ({
      id: stage.id,
      use: stage.use,
      kind: stage.kind,
      location: stage.location,
      inputs: stage.inputs,
      permissions: stage.permissions,
      sees_plaintext: stage.seesPlaintext,
      reaches_network: stage.reachesNetwork,
      sandboxed: stage.sandboxed,
    })),
    second_promise: plan.secondPromise,
  };
}
