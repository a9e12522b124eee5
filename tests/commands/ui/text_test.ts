import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { escapeControls, fit, pad, widthOf, wrap } from "../../../commands/ui/text.ts";

Deno.test("escapeControls leaves nothing that a terminal would obey", () => {
  equal(escapeControls("a\nb\r\tc"), "a\\nb\\r\\tc");
  equal(escapeControls("\x1b[31mred\x1b[0m"), "\\u{1b}[31mred\\u{1b}[0m");
  equal(escapeControls("\x9b2J\x7f\0"), "\\u{9b}2J\\u{7f}\\u{0}");
  equal(escapeControls("txt.\u202eexe"), "txt.\\u{202e}exe");
  equal(escapeControls("one\u2028two\ud800"), "one\\u{2028}two\\u{d800}");
});

Deno.test("escapeControls leaves every script and emoji as it is", () => {
  for (const text of ["naïve", "日本語", "👩‍👩‍👧", "שלום", "می\u200cخواهم", "\u0600١", "a\u0301"]) {
    equal(escapeControls(text), text);
  }
});

Deno.test("widthOf counts columns, not characters", () => {
  equal(widthOf("plain"), 5);
  equal(widthOf("日本"), 4);
  equal(widthOf("e\u0301"), 1);
  equal(widthOf("🦕"), 2);
});

Deno.test("fit cuts the middle and is never wider than asked", () => {
  equal(fit("/home/user/backups", 11), "/home…ckups");
  equal(fit("short", 11), "short");
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, width) => {
    return widthOf(fit(escapeControls(text), width)) <= width;
  }));
});

Deno.test("pad fills up on the side that is asked for", () => {
  equal(pad("日本", 6), "日本  ");
  equal(pad("12", 4, "right"), "  12");
  equal(pad("longer", 3), "longer");
});

Deno.test("wrap breaks at spaces and leaves long words whole", () => {
  deepEqual(wrap("one two three", 7), ["one two", "three"]);
  deepEqual(wrap("averylongword ok", 5), ["averylongword", "ok"]);
});
