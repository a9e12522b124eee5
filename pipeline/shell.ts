/**
 * Words for a shell, for whoever prints commands; apart, because it is wanted before anything else.
 *
 * @module
 */
export { shellWord } from "../stages/formats/shell.ts";
