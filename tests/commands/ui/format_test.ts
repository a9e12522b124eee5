import { equal } from "node:assert/strict";
import { sayBytes, sayCount, sayPath, saySeconds, sayTime } from "../../../commands/ui/format.ts";

Deno.test("sizes, counts and spans of time are said as people say them", () => {
  equal(sayBytes(0), "0 B");
  equal(sayBytes(200_000_000), "200 MB");
  equal(sayCount(1, "file"), "1 file");
  equal(sayCount(1_234_567, "file"), "1,234,567 files");
  equal(sayCount(2, "entry", "entries"), "2 entries");
  equal(saySeconds(0.04), "0.0 s");
  equal(saySeconds(9.96), "10 s");
  equal(saySeconds(99.6), "1m 40s");
  equal(saySeconds(3600), "1h");
});

Deno.test("sayTime tells the time on the clock on the wall", () => {
  const time = new Date("2026-01-02T23:30:00Z");
  equal(sayTime(time, 0), "2026-01-02 23:30");
  equal(sayTime(time, 60), "2026-01-03 00:30");
});

Deno.test("sayPath shortens the home directory alone", () => {
  equal(sayPath("/home/a/x", "/home/a"), "~/x");
  equal(sayPath("/home/a", "/home/a"), "~");
  equal(sayPath("/home/ab/x", "/home/a"), "/home/ab/x");
  equal(sayPath("/x", "/"), "/x");
  equal(sayPath("/x", undefined), "/x");
});
