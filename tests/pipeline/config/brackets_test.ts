import assert from "node:assert/strict";
import { openBracketAt } from "../../../pipeline/config/brackets.ts";
import { assertLinear } from "../../growth.ts";

/** The bracket that is open at the end of a text: `[ of line 2`. */
function openAtEnd(text: string): string {
  const lines = text.split("\n");
  const open = openBracketAt(text, lines.length, lines.at(-1)!.length + 1);
  if (open === undefined) return "none";
  return `${open.character} of line ${open.line}${open.isHeader ? ", a header" : ""}`;
}

const CASES: readonly (readonly [text: string, open: string])[] = [
  ["", "none"],
  ["a = [1, 2]\n", "none"],
  ["a = [1,\n", "[ of line 1"],
  ["a = [\n  [1],\n  [2,\n", "[ of line 3"],
  ["a = [\n[1],\n", "[ of line 1"],
  ["a = {b = [1]\n", "{ of line 1"],
  ["[[stage]]\nuse = 'x'\npaths = [\n  '['\n", "[ of line 3"],
  ["[[stage\n", "[ of line 1, a header"],
  ["x = 1\n\t[pipeline\n", "[ of line 2, a header"],
  ['a = ["]", # ]\n', "[ of line 1"],
  ['a = "[" # [\n', "none"],
  ['a = "\\"["\n', "none"],
  ["a = '\\'\nb = [", "[ of line 2"],
  ['a = """\n[ "" [\n"""\nb = 1\n', "none"],
  ["a = '''\n[ '' [\n'''\nb = 1\n", "none"],
  ['a = """ \\""" [ """\nb = [', "[ of line 2"],
  ['a = """\n[', "none"],
  ['a = "[\n', "none"],
  ["]]]\na = [", "[ of line 2"],
];

for (const [text, open] of CASES) {
  Deno.test(`openBracketAt() finds ${open} in ${JSON.stringify(text)}`, () => {
    assert.equal(openAtEnd(text), open);
  });
}

Deno.test("openBracketAt() looks at nothing behind the place", () => {
  assert.equal(openBracketAt("a = [1\nb = 2\nc = [", 2, 1)?.line, 1);
  assert.equal(openBracketAt("a = 1\nb = [2", 1, 6), undefined);
});

Deno.test("openBracketAt() takes a time that grows with the text, not its square, whatever it holds", async () => {
  for (const piece of ['"""', '\\"""', "'''", "[", "{[", '"', "#", '"\\', "'\n"]) {
    const look = (size: number) => {
      const text = piece.repeat(size / piece.length);
      openBracketAt(text, text.split("\n").length, 1 + text.length);
    };
    await assertLinear(look, 2 ** 18, JSON.stringify(piece));
  }
});
