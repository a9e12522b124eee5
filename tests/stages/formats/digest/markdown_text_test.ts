/** Text of anybody's stays where it is put, as a renderer of GitHub's Markdown sees it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import MarkdownIt from "markdown-it";
import {
  codeBlock,
  codeSpan,
  neutralMarkdown,
  oneLine,
  plainLine,
  shorten,
} from "../../../../stages/formats/digest/markdown_text.ts";

const renderer = new MarkdownIt({ html: true, linkify: false });

/** How a document is seen that has the text between a heading before and one after it. */
function assertHeld(made: string, text: string): void {
  const source =
    `### Before\n\n<details><summary>x</summary>\n\n${made}\n\n</details>\n\n### After\n\nend`;
  const tokens = renderer.parse(source, {});
  const told = `${JSON.stringify(text)} → ${JSON.stringify(made)}`;
  const headings = tokens.filter(({ type }) => type === "heading_open");
  assert.equal(headings[0]!.tag, "h3", told);
  assert.equal(headings.at(-1)!.tag, "h3", told);
  assert.equal(headings.at(-1)!.level, 0, told);
  for (const { tag } of headings.slice(1, -1)) assert.match(tag, /h[456]/, told);
  const html = tokens.filter(({ type }) => type === "html_block").map(({ content }) => content);
  assert.deepEqual(html, ["<details><summary>x</summary>\n", "</details>\n"], told);
  for (const { children } of tokens) {
    for (const child of children ?? []) {
      assert.notEqual(child.type, "html_inline", told);
      assert.notEqual(child.type, "image", told);
      const href = child.attrGet("href");
      if (href !== null) assert.match(String(href), /^(https?:|mailto:|#)/i, told);
    }
  }
}

const HOSTILE = [
  "</details>",
  "<script>alert(1)</script>",
  "```\nunclosed <b>",
  "~~~~\n```\n</details>",
  "``\x1b[0m`\n</details>\n<b>",
  "text\n~~\x1b[1m~\n<script>",
  "- ```js\n  code\n  ```\n  <script>x</script>",
  "1. a\n   ```\n   <x>\nout <b>of</b> it\n   ```\n   <i>",
  "10. a\n    ```\n    <x>\n    ```\n    <i>in</i>",
  "> ```\n<script>\n> ```\n<b>",
  "a ` b\n`<script>`",
  "| a | b |\n| --- | --- |\n| `a | <b>` | c |",
  "title\n===",
  "title\n---",
  "> title\n> ===",
  "- title\n  ---",
  "# One\n## Two\n###### Six",
  "- # In a list\n> ## In a quote",
  "[x]: javascript:alert(1)\n\n[x]",
  "[a](javascript:alert(1)) [b](data:text/html,x) [c](java&#115;cript:x)",
  "![pixel](https://tracker.example/p.png)",
  "[ok](https://example.org) and <https://example.org>",
  "<!-- keepsake end -->\n<!-- comment",
  "\\`<b>\\`",
  "``<b>` ``",
  "&lt;b&gt; &#60;script&#62;",
  "a\r<b>\r\n===\r",
  "\x1b[31mred\x1b[0m \x00 \u202eevil",
  "<details>\n\n<summary>",
  "    indented <b>\n\ttab <i>",
  "*  ```\n   <b>\n*  ```\n   <i>",
  "- - ~~~\n    x\n    ~~~\n    <b>",
  "<?php ?> <![CDATA[x]]> <!DOCTYPE x> </b>",
  "a\n  ```\n\tx <b>\n y\n  ```\n<i>",
  "text\n-\n=\n--",
  "[^1]: note\n[a]:\nhttps://x",
  "~~~>~~~ x\n~~~\n<b>",
  "```|a|\n|---|\n<b>",
];

Deno.test("no text breaks out of its place", () => {
  for (const text of HOSTILE) assertHeld(neutralMarkdown(text), text);
  for (const text of HOSTILE) assertHeld(codeBlock(text), text);
  for (const text of HOSTILE) assertHeld(`word ${codeSpan(text)} word`, text);
  for (const text of HOSTILE) assertHeld(`word ${plainLine(text)}`, text);
});

Deno.test("no mixture of such texts breaks out of its place", () => {
  const pieces = [
    ...HOSTILE.flatMap((text) => text.split(/(?<=\n)|(?<= )/)),
    ...["\n", "\n\n", "`", "``", "```", "~~~", "  ", "   ", "    ", "\t", "> ", "- ", "1. ", "|"],
    ...["<b>", "\\", "[", "](", "]:", "!", "&#60;", "=", "-", "#", "a", "é"],
  ];
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((all) => all.join(""));
  const runs = Deno.env.get("KEEPSAKE_SLOW") ? 100_000 : 3000;
  fc.assert(
    fc.property(text, (text) => {
      assertHeld(neutralMarkdown(text), text);
      assertHeld(codeBlock(text), text);
      assertHeld(`word ${codeSpan(text)} word`, text);
      assertHeld(`word ${plainLine(text)}`, text);
    }),
    { numRuns: runs },
  );
});

Deno.test("what GitHub takes for the rest of an address is no code", () => {
  // No renderer at hand does so: its grammar lets an address go on up to a space.
  for (const address of ["www.example.org", "see (HTTPS://example.org/<x>", "`a` http://b/"]) {
    const made = neutralMarkdown(`${address}\`<details>\` here`);
    assert.ok(!made.includes("<"), made);
  }
  const code = "`www.a` b `<x>` and https://b `<y>`";
  assert.equal(neutralMarkdown(code), code);
});

Deno.test("lists, tables, code and headings of a text stay what they are", () => {
  const html = renderer.render(neutralMarkdown(
    "# Title\n\n- one\n- two `a<b>`\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```ts\nif (a < b) {}\n```\n\n**bold** [link](https://example.org)",
  ));
  assert.match(html, /<h4>Title<\/h4>/);
  assert.match(html, /<li>two <code>a&lt;b&gt;<\/code><\/li>/);
  assert.match(html, /<td>1<\/td>/);
  assert.match(html, /<pre><code class="language-ts">if \(a &lt; b\) \{\}\n<\/code><\/pre>/);
  assert.match(html, /<strong>bold<\/strong> <a href="https:\/\/example.org">link<\/a>/);
});

Deno.test("a block of code shows its text to the letter", () => {
  const text = "a < b & c\n```\n````\n  indented";
  const [token] = renderer.parse(codeBlock(text), {});
  assert.equal(token!.content, `${text}\n`);
});

Deno.test("a line of text shows what it says", () => {
  for (
    const text of ["1. one", "- a", "# b", "*c* _d_ `e` [f](g) <h> &amp; \\i ~~j~~ | k", "+ l"]
  ) {
    const html = renderer.renderInline(plainLine(text));
    const shown = html.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&");
    assert.equal(shown, text);
  }
});

Deno.test("a text is not cut within a letter", () => {
  assert.equal(shorten("ab🌊c", 3), "ab…");
  assert.equal(shorten("abc", 3), "abc");
  assert.equal(oneLine(" a\n\tb  c "), "a b c");
});
