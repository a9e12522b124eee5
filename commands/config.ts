/**
 * `config`: the pipeline file as it was understood.
 *
 * @module
 */
import { dirname } from "node:path";
import { object } from "@optique/core/constructs";
import type { Pipeline, Watch } from "../pipeline/config/pipeline.ts";
import { type Context, defineCommand } from "./command.ts";
import { configFlag, jsonFlag } from "./flags.ts";
import { escapeData, printJson } from "./json.ts";
import { openPipeline } from "./pipeline_file.ts";
import { escapeControls } from "./ui/text.ts";

export default defineCommand({
  summary: "shows the pipeline file as it is understood",
  description:
    "Checks the pipeline file and shows what it comes to: paths absolute, defaults filled in, recipients read, secrets hidden.",
  parameters: object({ config: configFlag(), json: jsonFlag() }),
  execute: config,
});

async function config(
  { config, json }: { readonly config: string | undefined; readonly json: boolean },
  { terminal }: Context,
): Promise<number> {
  const pipeline = await openPipeline(config);
  const shown = await configJson(pipeline);
  if (json) {
    printJson(terminal, shown);
    return 0;
  }
  const { stringify } = await import("smol-toml");
  const { file, pipeline: settings, stages } = shown;
  // What the file may say too, so that it can be copied from here.
  const toml = stringify({
    pipeline: settings,
    stage: stages.map(({ options, ...rest }) => ({ ...rest, ...options })),
  });
  terminal.print(`# ${escapeControls(file)}\n${escapeData(toml.trimEnd())}`);
  return 0;
}

/** What `config --json` prints. Keys that the file leaves to chance are left out. */
interface ConfigJson {
  readonly file: string;
  readonly pipeline: Readonly<Record<string, unknown>>;
  readonly stages: readonly {
    readonly use: string;
    readonly id: string;
    readonly options: Readonly<Record<string, unknown>>;
  }[];
}

/** What `config --json` prints, secrets hidden. */
export async function configJson(pipeline: Pipeline): Promise<ConfigJson> {
  const { optionTypeOf } = await import("../pipeline/config/common.ts");
  const { retentionKeys } = await import("../pipeline/config/retention.ts");
  const { file, name, state, knownSecrets, identity, drillEvery, stages, watch } = pipeline;
  return {
    file,
    // The engine's own is the folder that has this pipeline's name in it.
    pipeline: {
      name,
      state: dirname(state),
      ...(knownSecrets !== undefined && { known_secrets: knownSecrets }),
      ...(identity !== undefined && { identity }),
      ...(drillEvery !== undefined && { drill_every: sayDuration(drillEvery) }),
      ...(watch !== undefined && watchJson(watch)),
    },
    stages: stages.map((
      { id, use, only, input, plaintext, secrets, retention, stage, options, ...rest },
    ) => ({
      use,
      id,
      ...(only !== undefined && { only }),
      ...(input !== undefined && { input }),
      ...(plaintext && { plaintext }),
      ...(secrets !== undefined && { secrets }),
      ...(retention && retentionKeys(retention)),
      ...proofKeys(rest),
      options: Object.fromEntries(
        Object.entries(options).filter(([, value]) => value !== undefined).map(([key, value]) => {
          const option = stage.options.entries[key];
          const type = option && optionTypeOf(option as Parameters<typeof optionTypeOf>[0]);
          return [key, shownOf(type, value)];
        }),
      ),
    })),
  };
}

function proofKeys(
  { drillEvery, maxUnproven }: Pick<Pipeline["stages"][number], "drillEvery" | "maxUnproven">,
): Readonly<Record<string, string>> {
  return {
    ...(drillEvery !== undefined && { drill_every: sayDuration(drillEvery) }),
    ...(maxUnproven !== undefined && { max_unproven: sayDuration(maxUnproven) }),
  };
}

function sayDuration(milliseconds: number): string {
  return `${milliseconds / 1000}s`;
}

function watchJson(
  { alerts, command, heartbeat, log, metrics }: Watch,
): Readonly<Record<string, unknown>> {
  const alert = alerts.map(({ address, shape }) => {
    const url = hookShown(address);
    return shape === undefined ? url : { url, shape };
  });
  const all = {
    ...{ command, log, metrics },
    alert: alert.length === 0 ? undefined : alert,
    heartbeat: heartbeat && hookShown(heartbeat),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Where an address stands is no secret. */
function hookShown(address: string): string {
  return URL.canParse(address) && /^https?:/.test(address) ? withoutSecrets(address) : address;
}

/** A value as the file would have it, unless nobody is to see it. */
function shownOf(type: string | undefined, value: unknown): unknown {
  switch (type) {
    case "secret":
      return "(hidden)";
    case "claude":
      return (value as { readonly wanted: boolean }).wanted;
    case "size":
      return `${value}B`;
    case "duration":
      return sayDuration(Number(value));
    default:
      return value;
  }
}

/** Addresses carry passwords before an `@` and tokens after a `?`, and webhooks in their path. */
function withoutSecrets(address: string): string {
  const { protocol, host, pathname, search } = new URL(address);
  const rest = pathname === "/" && search === "" ? "" : "/(hidden)";
  return `${protocol}//${host}${rest}`;
}
