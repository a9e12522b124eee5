import assert from "node:assert/strict";
import { configJson } from "../../../commands/config.ts";
import { load, problems, stages } from "./support.ts";

const STAGES = stages('snapshot; paths = ["/data"]', 'local; path = "/b"; plaintext = true');

Deno.test("alerts are addresses or references, alone or with a shape; paths are resolved", async () => {
  const { watch } = await load(`[pipeline]
    alert = [
      "https://hooks.slack.com/services/x", "env:HOOK", "file:~/hook",
      { url = "env:OTHER", shape = "teams" },
    ]
    command = ["~/bin/notify", "--urgent"]
    heartbeat = "file:/etc/beat"
    log = "~/log"
    metrics = "/var/lib/keepsake.prom"
    ${STAGES}`);
  assert.deepEqual(watch, {
    alerts: [
      { address: "https://hooks.slack.com/services/x", shape: undefined },
      { address: "env:HOOK", shape: undefined },
      { address: "file:/home/user/hook", shape: undefined },
      { address: "env:OTHER", shape: "teams" },
    ],
    command: ["/home/user/bin/notify", "--urgent"],
    heartbeat: "file:/etc/beat",
    log: "/home/user/log",
    metrics: "/var/lib/keepsake.prom",
  });
  assert.equal((await load(STAGES)).watch, undefined);
});

Deno.test("only http and https addresses are taken, and no value is repeated", async () => {
  const told = await problems(`[pipeline]
alert = ["ftp://secret.example/", "https://", { url = "https://ok.example", shape = "fax" }, 3]
heartbeat = "secret-id"
command = []
${STAGES}`);
  assert.equal(told.length, 6);
  for (const line of told) assert.equal(/secret|fax/.test(line), false, line);
  assert.match(told[0]!, /^2:10 pipeline\.alert\[1\]: Expected an address such as/);
});

Deno.test("config shows of addresses no more than the host, and of references the name", async () => {
  const pipeline = await load(`[pipeline]
    alert = ["https://me:pw@hooks.example/secret", { url = "env:HOOK", shape = "slack" }]
    heartbeat = "https://hc.example/secret-id"
    command = ["notify-send"]
    ${STAGES}`);
  const { pipeline: shown } = await configJson(pipeline);
  assert.deepEqual(shown["alert"], [
    "https://hooks.example/(hidden)",
    { url: "env:HOOK", shape: "slack" },
  ]);
  assert.equal(shown["heartbeat"], "https://hc.example/(hidden)");
  assert.deepEqual(shown["command"], ["notify-send"]);
});
