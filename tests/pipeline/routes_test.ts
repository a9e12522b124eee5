import assert from "node:assert/strict";
import fc from "fast-check";
import { type Routable, routesOf } from "../../pipeline/routes.ts";
import type { StageKind } from "../../stages/contract.ts";

/** `source a`, `encrypt b only=a,c input=d`: the words that decide a route. */
function stagesOf(...lines: readonly string[]): Routable[] {
  return lines.map((line) => {
    const [word = "", id = "", ...rest] = line.split(" ");
    const keys = Object.fromEntries(rest.map((key) => key.split("=") as [string, string]));
    const kind = (word === "encrypt" ? "transform" : word) as StageKind;
    const stage = { kind, seals: word === "encrypt" };
    return { id, stage, only: keys["only"]?.split(","), input: keys["input"] };
  });
}

/** Each step as `stage<-from`, `!` when plaintext arrives, with the gates it passes. */
function drawn(...lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    routesOf(stagesOf(...lines)).map(({ source, steps }) => [
      source.id,
      steps.map(({ stage, from, gates, sealed }) =>
        `${stage.id}<-${from}${sealed ? "" : "!"}${gates.map((gate) => `|${gate}`).join("")}`
      ).join(" "),
    ]),
  );
}

Deno.test("a stage takes the output of the nearest transform above, else of the source", () => {
  assert.deepEqual(
    drawn("source s", "gate g", "destination plain", "encrypt e", "destination a", "destination b"),
    { s: "plain<-s!|g e<-s!|g a<-e|g b<-e|g" },
  );
});

Deno.test("several sources go through what stands below each on their own", () => {
  assert.deepEqual(
    drawn("source s", "destination a", "source t", "encrypt e", "destination b"),
    { s: "a<-s! e<-s! b<-e", t: "e<-t! b<-e" },
  );
});

Deno.test("only limits a stage, and what it makes, to the snapshots it names", () => {
  assert.deepEqual(
    drawn("source s", "source t", "gate g only=t", "encrypt e only=s", "destination a"),
    { s: "e<-s! a<-e", t: "a<-t!|g" },
  );
});

Deno.test("input takes a stage's output in place of the one above", () => {
  assert.deepEqual(
    drawn("source s", "encrypt e", "destination a", "encrypt f input=s", "destination b"),
    { s: "e<-s! a<-e f<-s! b<-f" },
  );
});

Deno.test("input keeps a stage off the routes on which there is no such output", () => {
  assert.deepEqual(
    drawn("source s", "source t", "encrypt e only=s", "destination a input=e"),
    { s: "e<-s! a<-e", t: "" },
  );
});

Deno.test("a gate with input decides for what went through that stage alone", () => {
  assert.deepEqual(
    drawn(
      "source s",
      "encrypt e",
      "encrypt f input=s",
      "gate g input=e",
      "destination a input=e",
      "destination b",
    ),
    { s: "e<-s! f<-s! a<-e|g b<-f" },
  );
  assert.deepEqual(
    drawn("source s", "encrypt e", "gate g input=e", "transform t", "destination a"),
    { s: "e<-s! t<-e|g a<-t|g" },
  );
});

const KINDS = ["source", "transform", "encrypt", "gate", "destination", "prepare"] as const;

/** Any pipeline whose `only` and `input` name stages above, of whatever kind. */
const pipelines = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    only: fc.option(fc.array(fc.nat(11), { maxLength: 3 }), { nil: undefined, freq: 3 }),
    input: fc.option(fc.nat(11), { nil: undefined, freq: 3 }),
  }),
  { maxLength: 12 },
).map((drafts) =>
  drafts.map(({ kind, only, input }, index): Routable => ({
    id: `${index}`,
    stage: { kind: kind === "encrypt" ? "transform" : kind, seals: kind === "encrypt" },
    only: only?.filter((id) => id < index).map(String),
    input: input === undefined || input >= index ? undefined : `${input}`,
  }))
);

Deno.test("routes keep the order of the file and follow only and input, for any pipeline", () => {
  fc.assert(
    fc.property(pipelines, (stages) => {
      const routes = routesOf(stages);
      const place = (stage: Routable) => stages.indexOf(stage);
      assert.deepEqual(
        routes.map(({ source }) => source),
        stages.filter(({ stage }) => stage.kind === "source"),
      );
      for (const { source, steps } of routes) {
        const acts = ({ only }: Routable) => only === undefined || only.includes(source.id);
        for (const [index, { stage, from, gates, sealed }] of steps.entries()) {
          const above = steps.slice(0, index);
          const feeding = above.find((step) => step.stage.id === from);
          const transforms = above.filter((step) => step.stage.stage.kind === "transform");
          assert.ok(place(stage) > place(above.at(-1)?.stage ?? source), "order");
          assert.ok(["transform", "destination"].includes(stage.stage.kind), "kind");
          assert.ok(acts(stage), "only");
          assert.equal(from, stage.input ?? transforms.at(-1)?.stage.id ?? source.id, "from");
          assert.ok(from === source.id || feeding?.stage.stage.kind === "transform", "feeding");
          const comesSealed = feeding !== undefined &&
            (feeding.sealed || feeding.stage.stage.seals === true);
          assert.equal(sealed, comesSealed, "sealed");
          for (const id of gates) {
            const gate = stages[Number(id)]!;
            assert.ok(gate.stage.kind === "gate" && acts(gate), "gate");
            assert.ok(place(gate) > place(source) && place(gate) < place(stage), "gate above");
          }
        }
        // What is on no step had nothing to take, or does not act on this source.
        const taken = new Set(steps.map(({ stage }) => stage));
        const transforms = steps.filter(({ stage }) => stage.stage.kind === "transform");
        const outputs = [source.id, ...transforms.map(({ stage }) => stage.id)];
        for (const stage of stages.slice(place(source) + 1)) {
          const takes = ["transform", "destination"].includes(stage.stage.kind);
          if (!takes || taken.has(stage)) continue;
          assert.ok(!acts(stage) || !outputs.includes(stage.input ?? source.id), "left out");
        }
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a destination changes nothing for the stages below it, in any pipeline", () => {
  fc.assert(
    fc.property(pipelines, (stages) => {
      const without = stages.filter(({ stage }) => stage.kind !== "destination");
      const steps = (all: readonly Routable[]) =>
        routesOf(all).map((route) =>
          route.steps.filter(({ stage }) => stage.stage.kind === "transform")
        );
      assert.deepEqual(steps(stages), steps(without));
    }),
    { numRuns: 1000 },
  );
});
