/**
 * A gate that goes wrong in place of an answer.
 *
 * @module
 */
import { choice, defineGate, options } from "../../../stages/contract.ts";
import { MANNERS, misbehave, OWN_FOLDER } from "./unruly.ts";

export default defineGate({
  name: "unruly",
  summary: "Goes wrong",
  description: "For tests.",
  options: options({ manner: choice(MANNERS, "How it goes wrong.") }),
  permissions: () => ({ read: [OWN_FOLDER] }),

  async run({ options: { manner } }) {
    await misbehave(manner);
    return { pass: [] };
  },
});
