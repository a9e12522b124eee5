import { deepEqual, equal, match } from "node:assert/strict";
import { parse } from "smol-toml";
import { configJson } from "../../commands/config.ts";
import { COMMON_OPTIONS, pipelineOptions } from "../../pipeline/config/common.ts";
import { defineDestination } from "../../stages/contract.ts";
import * as options from "../../stages/options.ts";
import { Home } from "./harness.ts";

Deno.test("config shows the file as it is understood, in a form that is the file again", async () => {
  await using home = await Home.make();
  await home.furnish();
  const shown = await home.keepsake(["config"]);
  equal(shown.status, 0, shown.stderr);
  match(shown.stdout, /^claude = true$/m);
  match(shown.stdout, /^to = \[ "age1[0-9a-z]{58}" \]$/m);

  await home.write("again.toml", shown.stdout);
  const again = await home.keepsake(["config", "--config", "again.toml", "--json"]);
  equal(again.status, 0, again.stderr);
  const { file: _, ...rest } = JSON.parse((await home.keepsake(["config", "--json"])).stdout);
  const { file: __, ...others } = JSON.parse(again.stdout);
  deepEqual(others, rest);
});

Deno.test("config shows every key that a file may have, but for what it hides", async () => {
  await using home = await Home.make();
  await home.write("key.txt", "none");
  const lines = (lines: Record<string, string>) =>
    Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`).join("");
  const pipeline = {
    ...{ name: '"all"', state: '"s"', known_secrets: '"known"', identity: '"key.txt"' },
    ...{ drill_every: '"7d"', alert: '["env:ALERT", "https://a.example/b"]' },
    ...{ command: '["notify-send"]', heartbeat: '"env:BEAT"', log: '"log"', metrics: '"m.prom"' },
  };
  const stage = {
    ...{ use: '"local"', id: '"disk"', only: '["notes"]', input: '"notes"', path: '"disk"' },
    ...{ plaintext: "true", secrets: '"block"', drill_every: '"2d"', max_unproven: '"9d"' },
    ...{ keep_last: "1", keep_daily: "2", keep_weekly: "3", keep_monthly: "4", keep_yearly: "5" },
    ...{ keep_within: '"3d"', forget_deleted: "true" },
  };
  deepEqual(Object.keys(pipelineOptions.entries).filter((key) => !(key in pipeline)), []);
  deepEqual(Object.keys(COMMON_OPTIONS.destination).filter((key) => !(key in stage)), []);
  const source = '[[stage]]\nuse = "snapshot"\nid = "notes"\npaths = ["notes"]\n';
  await home.write("p.toml", `[pipeline]\n${lines(pipeline)}${source}[[stage]]\n${lines(stage)}`);
  const { stdout, stderr, status } = await home.keepsake(["config", "--config", "p.toml"]);
  equal(status, 0, stderr);
  const shown = parse(stdout) as { pipeline: object; stage: object[] };
  deepEqual(Object.keys(pipeline).filter((key) => !(key in shown.pipeline)), []);
  deepEqual(Object.keys(stage).filter((key) => !(key in shown.stage[1]!)), []);

  // An address without what is hidden in it would be another one.
  await home.write("again.toml", stdout);
  const again = await home.keepsake(["config", "--config", "again.toml"]);
  equal(again.status, 3);
  match(again.stderr, /alert\[2\]: Expected an address/);
});

Deno.test("config hides secrets, and what addresses carry with them", async () => {
  const stage = defineDestination({
    name: "vault",
    summary: "",
    description: "",
    options: options.options({
      token: options.secret("Token."),
      part: options.size("Size."),
      age: options.duration("Age."),
    }),
    permissions: () => ({}),
    takesFiles: false,
    location: () => "",
    addressForm: "nothing",
    fromAddress: () => undefined,
    run: () => Promise.reject(),
    list: () => Promise.reject(),
    fetch: () => Promise.reject(),
    remove: () => Promise.reject(),
  });
  const hooks = ["https://me:hunter2@example.org", "https://example.org/services/hunter2"];
  const { pipeline, stages } = await configJson({
    file: "/p.toml",
    name: "claude",
    state: "/s/claude",
    identity: undefined,
    stages: [{
      id: "vault",
      use: "vault",
      at: "stage[1]",
      stage,
      options: {
        token: "hunter2",
        part: 5e6,
        age: 90_000,
      },
      only: undefined,
      input: undefined,
      plaintext: false,
    }],
    watch: {
      alerts: hooks.map((address) => ({ address, shape: undefined })),
      heartbeat: "https://example.org/?key=hunter2",
      ...{ command: undefined, log: undefined, metrics: undefined },
    },
  });
  deepEqual(pipeline.alert, ["https://example.org", "https://example.org/(hidden)"]);
  equal(pipeline.heartbeat, "https://example.org/(hidden)");
  deepEqual(stages[0]!.options, {
    token: "(hidden)",
    part: "5000000B",
    age: "90s",
  });
});
