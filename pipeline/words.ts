/**
 * Words for whoever shows them, of modules that import nothing: hooks have no time for more.
 *
 * @module
 */
export { CONTROLS_REGEXP, escapeControl } from "../stages/formats/control_characters.ts";
export { sayCount, sayOr, sayUtc, wrapText } from "../stages/formats/words.ts";
