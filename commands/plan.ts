/**
 * `plan`: what would run, with which permissions, and whether the second promise holds.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import type { Horizon } from "../pipeline/horizon.ts";
import type { Outlook } from "../pipeline/outlook.ts";
import type { Plan } from "../pipeline/plan.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { horizonJson } from "./horizon_json.ts";
import { printJson } from "./json.ts";
import { homeDirectory, openPipeline } from "./pipeline_file.ts";

export default defineCommand({
  summary: "shows what would run, and what each stage may touch",
  description:
    "Shows the stages in their order, where things go, what each stage may touch, and whether any could both read plaintext and reach the network; also which sources are not there right now, and when Claude Code deletes the conversations among them. Runs nothing.",
  parameters: object({ config: configFlag(), json: jsonFlag() }),
  execute: plan,
});

async function plan(
  { config, json }: { readonly config: string | undefined; readonly json: boolean },
  { terminal }: Context,
): Promise<number> {
  const [pipeline, { planOf }, { lookAhead }, { horizonOf }] = await Promise.all([
    openPipeline(config),
    import("../pipeline/plan.ts"),
    import("../pipeline/outlook.ts"),
    import("../pipeline/horizon.ts"),
  ]);
  const plan = planOf(pipeline);
  const outlook = await lookAhead(pipeline);
  const horizon = horizonOf(pipeline, new Date());
  if (json) {
    printJson(terminal, planJson(plan, outlook, horizon));
    return 0;
  }
  const { renderOutlook, renderPlan } = await import("./ui/plan_view.ts");
  const { renderHorizon } = await import("./ui/horizon_view.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { oldDenoWarning } = await import("./deno_version.ts");
  const view = { home: homeDirectory(), width: terminal.out.width, deno: oldDenoWarning() };
  const style = styleFor(terminal.out);
  const lines = [
    ...renderPlan(plan, view, style),
    ...renderOutlook(outlook, view, style),
    ...(horizon ? ["", ...renderHorizon(horizon, view.home, style)] : []),
  ];
  terminal.print(lines.join("\n"));
  return 0;
}

/** What `plan --json` prints. */
export function planJson(
  plan: Plan,
  { status, findings }: Outlook,
  horizon: Horizon | undefined,
): unknown {
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
      retention: stage.retention,
      permissions: stage.permissions,
      sees_plaintext: stage.seesPlaintext,
      reaches_network: stage.reachesNetwork,
      sandboxed: stage.sandboxed,
    })),
    second_promise: plan.secondPromise,
    outlook: {
      status,
      findings: findings.map(({ stage, path, state, reason }) => ({ stage, path, state, reason })),
    },
    ...(horizon && { horizon: horizonJson(horizon) }),
  };
}
