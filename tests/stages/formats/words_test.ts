import { deepEqual, equal } from "node:assert/strict";
import { sayCount, sayOr, sayUtc, wrapText } from "../../../stages/formats/words.ts";

Deno.test("a count has its noun, and thousands apart", () => {
  const said = [0, 1, 999, 1000, 1_234_567].map((count) => sayCount(count, "file"));
  deepEqual(said, ["0 files", "1 file", "999 files", "1,000 files", "1,234,567 files"]);
  equal(sayCount(2, "copy", "copies"), "2 copies");
});

Deno.test("a moment is told in UTC, to the minute", () => {
  equal(sayUtc(Date.UTC(2026, 0, 2, 3, 4, 59)), "2026-01-02 03:04");
});

Deno.test("words to choose from are told as a sentence has them", () => {
  deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(sayOr), ["", "a", "a or b", "a, b or c"]);
});

Deno.test("a text is broken at its spaces, by letters or as wide as they are shown", () => {
  deepEqual(wrapText("one two three", 7), ["one two", "three"]);
  deepEqual(wrapText("averylongword ok", 5), ["averylongword", "ok"]);
  deepEqual(wrapText("日本 日本", 5), ["日本 日本"]);
  deepEqual(wrapText("日本 日本", 5, (text) => 2 * text.length), ["日本", "日本"]);
});
