/**
 * `plan`: what would run, with which permissions, and whether the second promise holds.
 *
 * @module
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { Pipeline, Watch } from "../pipeline/config/pipeline.ts";
import { BackupError } from "../pipeline/errors.ts";
import type { Forecast, ForecastOptions } from "../pipeline/forecast.ts";
import type { Horizon } from "../pipeline/horizon.ts";
import type { Outlook } from "../pipeline/outlook.ts";
import type { Plan, PlannedMessenger } from "../pipeline/plan.ts";
import type { Survey } from "../pipeline/survey.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { homeDirectory } from "./home.ts";
import { horizonJson } from "./horizon_json.ts";
import { printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";
import type { Terminal } from "./ui/terminal.ts";

export default defineCommand({
  summary: "shows what would run, and what each stage may touch",
  description:
    "Shows the stages in their order, where things go, what each stage may touch, and whether any could both read plaintext and reach the network; also what the snapshots would hold and leave out now, which sources are not there, and when Claude Code deletes the conversations among them. Runs nothing.",
  parameters: object({
    config: configFlag(),
    at: optional(option("--at", string({ metavar: "DATE" }), {
      description:
        message`Show what will be then instead: which snapshots retention keeps, which drills are due, which sessions are swept; such as 2026-12-24.`,
    })),
    json: jsonFlag(),
  }),
  execute: plan,
});

interface Values {
  readonly config: string | undefined;
  readonly at: string | undefined;
  readonly json: boolean;
}

async function plan({ config, at, json }: Values, { terminal }: Context): Promise<number> {
  if (at !== undefined) return await planAhead(config, at, json, terminal);
  const [pipeline, { planOf }, ahead, { horizonOf }, { surveySources }, keys] = await Promise.all(
    [
      openPipeline(config),
      import("../pipeline/plan.ts"),
      import("../pipeline/outlook.ts"),
      import("../pipeline/horizon.ts"),
      import("../pipeline/survey.ts"),
      import("../pipeline/keys.ts"),
    ],
  );
  const plan = planOf(pipeline, await plannedMessengers(pipeline.watch));
  const [known, surveys, ...warnings] = await Promise.all([
    ahead.lookAhead(pipeline),
    surveySources(pipeline),
    keys.lookAtKeys(pipeline),
    keys.findForeign(pipeline),
  ]);
  const outlook = ahead.withSurveys(known, surveys);
  const horizon = horizonOf(ahead.withoutGone(pipeline, outlook), new Date());
  if (json) {
    printJson(terminal, { ...planJson(plan, outlook, horizon, surveys), keys: warnings.flat() });
    return 0;
  }
  const { renderKeys, renderOutlook, renderPlan, renderSurveys } = await import(
    "./ui/plan_view.ts"
  );
  const { renderHorizon } = await import("./ui/horizon_view.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { oldDenoWarning } = await import("./deno_version.ts");
  const view = { home: homeDirectory(), width: terminal.out.width, deno: oldDenoWarning() };
  const style = styleFor(terminal.out);
  const lines = [
    ...renderPlan(plan, view, style),
    ...renderSurveys(surveys, view, style),
    ...renderKeys(warnings.flat(), style),
    ...renderOutlook(outlook, view, style),
    ...(horizon ? ["", ...renderHorizon(horizon, view.home, style)] : []),
  ];
  terminal.show(lines.join("\n"));
  return 0;
}

/** Whoever is told how runs go is reached by workers, too. */
async function plannedMessengers(watch: Watch | undefined): Promise<PlannedMessenger[]> {
  if (watch === undefined) return [];
  const { messengersOf } = await import("../pipeline/watch/planned.ts");
  return messengersOf(watch);
}

/** What will be at a time to come. */
async function planAhead(
  config: string | undefined,
  at: string,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const time = timeOf(at);
  const pipeline = await openPipeline(config);
  const { forecast } = await import("../pipeline/forecast.ts");
  const now = new Date();
  const ahead = forecast(pipeline, { now, at: time, ...await rhythmOf(pipeline) });
  if (json) {
    printJson(terminal, forecastJson(ahead));
    return 0;
  }
  const { renderForecast } = await import("./ui/forecast_view.ts");
  const { styleFor } = await import("./ui/style.ts");
  const { out } = terminal;
  const view = { width: out.width, home: homeDirectory() };
  terminal.show(renderForecast(ahead, view, styleFor(out)).join("\n"));
  return 0;
}

/** When runs come: as scheduled, else a day after each other. */
async function rhythmOf(
  { state }: Pipeline,
): Promise<Pick<ForecastOptions, "next" | "isScheduled">> {
  const { scheduledExpression } = await import("./schedule/record.ts");
  const expression = await scheduledExpression(state);
  if (expression === undefined) {
    return { next: (after) => new Date(after.getTime() + 86_400_000), isScheduled: false };
  }
  const { nextDue, parseCalendar } = await import("./schedule/calendar.ts");
  const calendar = parseCalendar(expression);
  return { next: (after) => nextDue(calendar, after), isScheduled: true };
}

/**
 * The end of a day, or a moment, on the clock on the wall.
 *
 * @throws {BackupError} `usage`
 */
function timeOf(written: string): Date {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(written);
  const isMoment = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}$/.test(written);
  const text = isDay ? `${written}T23:59` : written.replace(" ", "T");
  const time = new Date(text);
  const [day] = text.split("T");
  // February 30th would be the second of March.
  const isReal = !Number.isNaN(time.getTime()) && Number(day!.slice(8)) === time.getDate();
  if ((isDay || isMoment) && isReal) return time;
  throw new BackupError("usage", `Cannot use "${written}" as a time: there is no such date`, {
    hint: "Write for example 2026-12-24, or 2026-12-24T18:00",
  });
}

/** What `plan --at DATE --json` prints. */
export function forecastJson({ at, runs, isScheduled, pauses, places, swept }: Forecast): unknown {
  return {
    at: at.toISOString(),
    runs,
    scheduled: isScheduled,
    paused: pauses.map(({ id, reason }) => ({ id, reason })),
    destinations: places.map(({ id, policy, snapshots, added, drills }) => ({
      id,
      policy,
      snapshots: snapshots.map(({ id, name, created, removed, reasons }) => ({
        id,
        name,
        created: created.toISOString(),
        keep: removed === undefined,
        removed: removed?.toISOString() ?? null,
        reasons,
      })),
      added,
      drills: drills.map(({ id, due, overdue }) => ({
        id,
        due: due.map((time) => time.toISOString()),
        overdue: overdue?.toISOString() ?? null,
      })),
    })),
    swept: swept.map(({ path, goes, destinations }) => ({
      path,
      goes: goes.toISOString(),
      destinations,
    })),
  };
}

/** What `plan --json` prints. */
export function planJson(
  plan: Plan,
  { status, findings }: Outlook,
  horizon: Horizon | undefined,
  surveys: readonly Survey[] = [],
): Readonly<Record<string, unknown>> {
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
      secrets: stage.secrets,
      permissions: stage.permissions,
      sees_plaintext: stage.seesPlaintext,
      reaches_network: stage.reachesNetwork,
      sandboxed: stage.sandboxed,
    })),
    messengers: plan.messengers,
    second_promise: plan.secondPromise,
    sources: surveys.map(({ stage, files, bytes, leftOut, unknown, idle = [] }) => ({
      stage,
      files,
      bytes,
      left_out: leftOut,
      unknown,
      idle,
    })),
    outlook: {
      status,
      findings: findings.map(({ stage, path, state, reason }) => ({ stage, path, state, reason })),
    },
    ...(horizon && { horizon: horizonJson(horizon) }),
  };
}
