/**
 * Durations as people write them, for commands as for the pipeline file.
 *
 * @module
 */
export { parseDuration } from "../stages/options.ts";
