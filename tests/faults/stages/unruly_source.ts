/**
 * A source that goes wrong after the first mebibyte.
 *
 * @module
 */
import { choice, defineSource, options } from "../../../stages/contract.ts";
import { MANNERS, misbehave, OWN_FOLDER } from "./unruly.ts";

export default defineSource({
  name: "unruly",
  summary: "Goes wrong",
  description: "For tests.",
  options: options({ manner: choice(MANNERS, "How it goes wrong.") }),
  permissions: () => ({ read: [OWN_FOLDER] }),
  codec: () => "none",

  async scan({ options: { manner } }) {
    await misbehave(manner);
    return { signature: "same", fingerprint: "same", unreadable: [] };
  },

  async run({ options: { manner }, output }) {
    await output.write(new Uint8Array(1 << 20));
    await misbehave(manner);
    return {
      signature: "same",
      fingerprint: "same",
      roots: [],
      entries: [],
      unreadable: [],
      skipped: [],
      notes: [],
    };
  },

  restore: () => Promise.resolve({ files: 0, bytes: 0 }),
});
