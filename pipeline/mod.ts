/**
 * The library: load a pipeline file, plan, run, list, restore, verify,
 * prune, drill. Commands are thin on top.
 *
 * @module
 */
export * from "./config/pipeline.ts";
export * from "./config/load.ts";
export * from "./events.ts";
export * from "./plan.ts";
export * from "./run.ts";
export * from "./history.ts";
export * from "./list.ts";
export * from "./unanswered.ts";
export * from "./restore.ts";
export * from "./verify.ts";
export * from "./prune.ts";
export * from "./status.ts";
export * from "./forecast.ts";
export * from "./watch/watcher.ts";
export * from "./drill.ts";
export * from "./accept.ts";
export * from "./tripwire.ts";
export * from "./rekey.ts";
export * from "./keys.ts";
