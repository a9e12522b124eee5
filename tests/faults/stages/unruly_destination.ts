/**
 * A destination over a directory that goes wrong when it stores, or sends back something else than
 * what it holds.
 *
 * @module
 */
import { join } from "node:path";
import { choice, defineDestination, optional, options, path } from "../../../stages/contract.ts";
import { MANNERS, misbehave, OWN_FOLDER } from "./unruly.ts";

/** What it does to a file that it sends back. */
export const LIES = ["none", "one byte less", "one byte more", "nothing", "another byte"] as const;

export default defineDestination({
  name: "unruly",
  summary: "Goes wrong",
  description: "For tests.",
  options: options({
    path: path("Directory with the files."),
    manner: optional(choice(MANNERS, "How it goes wrong when it stores."), "none"),
    until: optional(path("A pipe: it stores nothing before something comes out of that.")),
    lie: optional(choice(LIES, "What it does to what it sends back."), "none"),
  }),
  permissions: ({ path, until = path }) => ({ read: [path, until, OWN_FOLDER] }),
  takesFiles: false,
  location: ({ path }) => path,
  addressForm: "nothing",
  fromAddress: () => undefined,

  async run({ options: { manner, path, until } }) {
    if (until !== undefined) {
      using pipe = await Deno.open(until);
      await pipe.read(new Uint8Array(1));
    }
    await misbehave(manner);
    return { location: path };
  },

  async list({ options: { path } }) {
    const files: { key: string; size: number }[] = [];
    for (const { name } of Deno.readDirSync(path)) {
      for await (const file of Deno.readDir(join(path, name))) {
        const { size } = await Deno.stat(join(path, name, file.name));
        files.push({ key: `${name}/${file.name}`, size });
      }
    }
    return files;
  },

  async fetch({ options: { path, lie }, key, output }) {
    const bytes = await Deno.readFile(join(path, key));
    if (lie === "another byte") bytes[bytes.length - 20]! ^= 1;
    const count = { "one byte less": bytes.length - 1, "nothing": 0 }[lie as string];
    await output.write(bytes.subarray(0, count));
    if (lie === "one byte more") await output.write(new Uint8Array(1));
  },

  remove: () => Promise.resolve(),
});
