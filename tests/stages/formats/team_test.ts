import assert from "node:assert/strict";
import { help, Leader, type Work } from "../../../stages/formats/team.ts";

const forever = new AbortController().signal;

/** Two ends of a team in one thread, and what each of them did. */
class Pair implements Disposable {
  readonly #channel = new MessageChannel();
  readonly leader = new Leader<number, number>(this.#channel.port1, forever);
  readonly done: Record<"leader" | "helper", number[]> = { leader: [], helper: [] };

  /** Doubles numbers, a turn of the event loop for each. */
  workOf(who: "leader" | "helper"): Work<number, number> {
    return async (tasks, isStopped) => {
      const outcomes: number[] = [];
      for (const task of tasks) {
        if (isStopped()) break;
        await new Promise((resolve) => setTimeout(resolve));
        this.done[who].push(task);
        outcomes.push(2 * task);
      }
      return outcomes;
    };
  }

  help(signal = forever): Promise<void> {
    return help(this.#channel.port2, signal, this.workOf("helper"));
  }

  [Symbol.dispose](): void {
    this.leader[Symbol.dispose]();
    this.#channel.port1.close();
    this.#channel.port2.close();
  }
}

Deno.test("a team does every task once, whoever does it", async () => {
  using pair = new Pair();
  const helping = pair.help();
  const taken: number[] = [];
  for (let batch = 0; batch < 20; batch++) pair.leader.publish([3 * batch, 3 * batch + 1]);
  await pair.leader.finish(pair.workOf("leader"), (outcomes) => void taken.push(...outcomes));
  await helping;
  const { leader, helper } = pair.done;
  assert.equal(leader.length + helper.length, 40);
  assert.equal(new Set([...leader, ...helper]).size, 40);
  assert.ok(leader.length > 0 && helper.length > 0);
  assert.equal(taken.length, 40);
});

Deno.test("a leader whose work takes no turn hears of the helper all the same", async () => {
  const { port1, port2 } = new MessageChannel();
  using leader = new Leader<number, string>(port1, forever);
  const helping = help<number, string>(port2, forever, () => Promise.resolve(["helper"]));
  for (let batch = 0; batch < 500; batch++) leader.publish([batch]);
  const order: string[] = [];
  const work = () => Promise.resolve(["leader"]);
  await leader.finish(work, (outcomes) => void order.push(...outcomes));
  await helping;
  assert.equal(order.length, 500);
  const first = order.indexOf("helper");
  assert.ok(first >= 0 && first < order.lastIndexOf("leader"));
  port1.close();
  port2.close();
});

Deno.test("a leader without a port does all by itself", async () => {
  using leader = new Leader<number, number>(undefined, forever);
  leader.publish([1, 2]);
  leader.publish([3]);
  const taken: number[] = [];
  const work: Work<number, number> = (tasks) => Promise.resolve(tasks);
  await leader.finish(work, (outcomes) => void taken.push(...outcomes));
  assert.deepEqual(taken, [1, 2, 3]);
});

Deno.test("a team with nothing to do comes to an end", async () => {
  using pair = new Pair();
  const helping = pair.help();
  await pair.leader.finish(pair.workOf("leader"), () => assert.fail("there was nothing"));
  await helping;
});

Deno.test("a helper stops when its leader gives up", async () => {
  using pair = new Pair();
  pair.leader.publish(Array.from({ length: 100_000 }, (_, index) => index));
  const helping = pair.help();
  while (pair.done.helper.length === 0) await new Promise((resolve) => setTimeout(resolve));
  pair.leader[Symbol.dispose]();
  await helping;
  assert.ok(pair.done.helper.length < 100_000);
});

Deno.test("both stop waiting for each other when they are to be aborted", async () => {
  using pair = new Pair();
  const controller = new AbortController();
  const helping = pair.help(controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(helping, /enough/);

  const { port1, port2 } = new MessageChannel();
  const abort = new AbortController();
  using leader = new Leader<number, number>(port1, abort.signal);
  leader.publish([1]);
  // A helper that takes the batch and is never heard of again.
  let hasTaken = () => {};
  const taken = new Promise<void>((resolve) => hasTaken = resolve);
  const lost = help<number, number>(port2, forever, () => {
    hasTaken();
    return new Promise(() => {});
  });
  await taken;
  const finishing = leader.finish(() => assert.fail("it was taken"), () => {});
  abort.abort(new Error("enough"));
  await assert.rejects(finishing, /enough/);
  void lost;
  port1.close();
  port2.close();
});
