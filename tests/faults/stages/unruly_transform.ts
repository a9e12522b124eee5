/**
 * A transform that changes nothing and goes wrong after the first piece of its input.
 *
 * @module
 */
import { choice, defineTransform, options } from "../../../stages/contract.ts";
import { MANNERS, misbehave, OWN_FOLDER } from "./unruly.ts";

export default defineTransform({
  name: "unruly",
  summary: "Goes wrong",
  description: "For tests.",
  options: options({ manner: choice(MANNERS, "How it goes wrong.") }),
  permissions: () => ({ read: [OWN_FOLDER] }),
  suffix: ".unruly",
  seals: true,

  async run({ options: { manner }, input, output, progress }) {
    if (manner === "reads nothing") return;
    if (manner === "reports") {
      const told = new BroadcastChannel("unruly");
      const timer = setInterval(() => progress(0), 200);
      await new Promise((resolve) => told.onmessage = resolve);
      clearInterval(timer);
      told.close();
    }
    for await (const bytes of input) {
      await output.write(bytes);
      if (manner === "stops reading") return;
      await misbehave(manner);
    }
  },

  async restore({ input, output }) {
    for await (const bytes of input) await output.write(bytes);
  },
});
