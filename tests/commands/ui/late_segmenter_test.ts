import { deepEqual } from "node:assert/strict";

const { Segmenter } = Intl;

Deno.test("a late segmenter cuts texts up as a real one does", async () => {
  const parameters = ["en", { granularity: "word" }] as const;
  const real = new Segmenter(...parameters);
  try {
    await import("../../../commands/ui/late_segmenter.ts");
    const late = new Intl.Segmenter(...parameters);
    const text = "One two 👩‍👩‍👧 e\u0301.";
    deepEqual([...late.segment(text)], [...real.segment(text)]);
    deepEqual(late.resolvedOptions(), real.resolvedOptions());
    deepEqual(Intl.Segmenter.supportedLocalesOf("en"), Segmenter.supportedLocalesOf("en"));
  } finally {
    Object.defineProperty(Intl, "Segmenter", { value: Segmenter });
  }
});
