/**
 * A prepare stage that waits for its helper, which goes wrong.
 *
 * @module
 */
import { choice, definePrepare, options } from "../../../stages/contract.ts";
import { MANNERS, misbehave, OWN_FOLDER } from "./unruly.ts";

export default definePrepare({
  name: "unruly",
  summary: "Goes wrong",
  description: "For tests.",
  options: options({ manner: choice(MANNERS, "How its helper goes wrong.") }),
  hasHelper: true,
  permissions: () => ({ read: [OWN_FOLDER] }),

  async run({ options: { manner }, signal, team, help }) {
    if (team?.role === "helper") {
      await misbehave(manner);
      team.port!.postMessage("done");
      return { message: "helped" };
    }
    help!();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => reject(signal.reason));
    team!.port!.onmessage = () => resolve();
    try {
      await promise;
    } finally {
      team!.port!.close();
    }
    return { message: "had help" };
  },
});
