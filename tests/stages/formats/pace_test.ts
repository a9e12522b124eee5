import assert from "node:assert/strict";
import { Pace } from "../../../stages/formats/pace.ts";

function pacing(signal = new AbortController().signal): { pace: Pace; seen: string[] } {
  const seen: string[] = [];
  const progress = (done: number, total?: number) => void seen.push(`${done}/${total}`);
  return { pace: new Pace({ signal, progress }), seen };
}

Deno.test("a turn lets timers and messages through", async () => {
  const { pace } = pacing();
  const { port1, port2 } = new MessageChannel();
  const seen = new Set<string>();
  port1.onmessage = ({ data }) => void seen.add(data);
  port2.postMessage("message");
  const timer = setTimeout(() => seen.add("timer"), 0);
  // Turns alone, nothing else that would wait.
  for (let turns = 0; seen.size < 2 && turns < 100_000; turns++) await pace.turn();
  assert.deepEqual([...seen].sort(), ["message", "timer"]);
  clearTimeout(timer);
  port1.close();
  port2.close();
});

Deno.test("a turn ends the work when it is to be aborted", async () => {
  const controller = new AbortController();
  const { pace } = pacing(controller.signal);
  await pace.turn();
  controller.abort(new Error("enough"));
  await assert.rejects(pace.turn(), /enough/);
});

Deno.test("a turn is due when a tenth of a second has gone by since the last", async () => {
  let now = 1000;
  const context = { signal: new AbortController().signal, progress: () => {} };
  const pace = new Pace(context, () => now);
  now = 1099;
  assert.equal(pace.isDue, false);
  now = 1100;
  assert.equal(pace.isDue, true);
  await pace.turn();
  assert.equal(pace.isDue, false);
});

Deno.test("work without bytes is told of every five seconds", async () => {
  let now = 0;
  const seen: number[] = [];
  const context = { signal: new AbortController().signal, progress: () => void seen.push(now) };
  const pace = new Pace(context, () => now);
  for (now = 1000; now <= 11_000; now += 1000) await pace.turn();
  assert.deepEqual(seen, [5000, 10_000]);
});

Deno.test("progress is told of every 16 MiB, with the total once it is known", () => {
  const { pace, seen } = pacing();
  const MIB = 2 ** 20;
  pace.add(15 * MIB);
  pace.add(MIB);
  pace.total = 100 * MIB;
  pace.add(15 * MIB);
  pace.add(9 * MIB);
  assert.deepEqual(seen, [`${16 * MIB}/undefined`, `${40 * MIB}/${100 * MIB}`]);
});
