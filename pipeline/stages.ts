/**
 * The built-in stages by name, for those who explain them.
 *
 * @module
 */
export { stages } from "../stages/mod.ts";
