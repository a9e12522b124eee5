/** Digests as GitHub's own parser has them. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDigests } from "../../stages/formats/digest/digesting.ts";
import { makeSampleHome } from "../../tools/sample_home.ts";
import { has } from "../stages/formats/snapshot/source_tree.ts";

const EXTENSIONS = ["table", "strikethrough", "autolink", "tagfilter", "tasklist"];

const missing = !await has("cmark-gfm");

Deno.test({
  name: `GitHub's parser shows digests as they were meant, whatever was said in them${
    missing ? " (ignored: cmark-gfm is not installed)" : ""
  }`,
  ignore: missing,
  async fn() {
    const base = await Deno.makeTempDir({ prefix: "keepsake-markdown-" });
    try {
      makeSampleHome(base, { seed: 5, now: Date.UTC(2026, 10, 20) });
      const from = join(base, ".claude/projects");
      makeHostile(join(from, "-home-ada-hostile"));
      const to = join(base, "digests");
      const signal = new AbortController().signal;
      await makeDigests(
        { from, to, days: 9, all: true, tools: "short", redact: true, patterns: [] },
        { signal, log() {}, progress() {} },
      );
      const names = readdirSync(to).filter((name) => name.endsWith(".md"));
      assert.ok(names.length > 5);
      for (const name of names) {
        const text = await Deno.readTextFile(join(to, name));
        judge(await render(join(to, name)), text, name);
      }
    } finally {
      await Deno.remove(base, { recursive: true });
    }
  },
});

/** Two conversations in which everything tries to be more than text. */
function makeHostile(folder: string): void {
  mkdirSync(folder);
  const texts = [
    "</details>\n\n# Mine\n\n<script>alert(1)</script>\n\n<b>bold</b>",
    "```\nnever closed\n</summary></details>",
    "- a list\n  ```\n  in it\n</details>",
    "| a | b |\n| - | - |\n| </td></tr></table> | x |\n\nSetext\n===\n\n---",
    "[link](javascript:alert(1)) ![image](http://x.example/y.png) [ref]: http://x.example",
    "> quote\n> <img src=x onerror=alert(1)>\n<!-- keepsake end -->\n<title>",
  ];
  for (const [session, title] of [["h1", texts.join(" ")], ["h2", "<h1>plain</h1> | `x"]]) {
    const lines = texts.flatMap((text, place) => {
      const said = { cwd: "/home/ada/hostile<i>", sessionId: session, timestamp: TIME };
      const id = `t${place}`;
      const content = [
        { type: "thinking", thinking: text },
        { type: "text", text },
        { type: "tool_use", id, name: text, input: { command: text } },
      ];
      const answer = [{ type: "tool_result", tool_use_id: id, content: text }];
      return [
        { ...said, type: "user", uuid: `${session}u${id}`, message: { content: text } },
        { ...said, type: "assistant", uuid: `${session}a${id}`, message: { id, content } },
        { ...said, type: "user", uuid: `${session}r${id}`, message: { content: answer } },
      ];
    });
    const all = [...lines, { type: "custom-title", customTitle: title }];
    const log = all.map((line) => `${JSON.stringify(line)}\n`).join("");
    writeFileSync(join(folder, `${session}.jsonl`), log);
  }
}

const TIME = "2026-11-19T12:00:00.000Z";

/** Tags that Markdown makes, and those by which digests fold and link. */
const TAGS =
  /^(h[1-6]|p|pre|code|em|strong|del|a|ul|ol|li|blockquote|table|thead|tbody|tr|th|td|details|summary|br|hr|input)$/;
const EMPTY = new Set(["br", "hr", "input"]);

function judge(html: string, markdown: string, name: string): void {
  const open: string[] = [];
  const anchors = new Set<string>();
  const links: string[] = [];
  const headings: string[] = [];
  const rest = html.replace(/<!--[^]*?-->/g, "");
  for (const [whole, end, tag, attributes] of rest.matchAll(/<(\/?)([a-zA-Z][\w-]*)([^>]*)>/g)) {
    assert.match(tag!, TAGS, `${name}: ${whole}`);
    if (EMPTY.has(tag!)) continue;
    if (end === "/") {
      assert.equal(open.pop(), tag, `${name}: ${whole}`);
      continue;
    }
    open.push(tag!);
    const isFolded = open.includes("details");
    if (/^h[1-6]$/.test(tag!)) {
      headings.push(tag!);
      // Ours stand outside of all that folds, and what was said stands below ours.
      if (tag! < "h4") assert.ok(!isFolded, `${name}: ${whole}`);
    }
    assert.doesNotMatch(attributes!, /\son\w+=|javascript:/i, `${name}: ${whole}`);
    const [, id] = /\sid="([^"]*)"/.exec(attributes!) ?? [];
    const [, href] = /\shref="([^"]*)"/.exec(attributes!) ?? [];
    if (id !== undefined) anchors.add(id);
    if (href?.startsWith("#")) links.push(href.slice(1));
  }
  assert.deepEqual(open, [], name);
  assert.equal(headings[0], "h1");
  assert.equal(headings.filter((tag) => tag === "h1").length, 1, name);
  if (name.startsWith("_")) return;
  const conversations = markdown.split("\n<!-- keepsake conversation ").length - 1;
  assert.equal(headings.filter((tag) => tag === "h2").length, conversations, name);
  assert.equal(links.filter((link) => anchors.has(link)).length, conversations, name);
}

async function render(file: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("cmark-gfm", {
    args: ["--unsafe", ...EXTENSIONS.flatMap((name) => ["-e", name]), file],
  }).output();
  assert.ok(success);
  return new TextDecoder().decode(stdout);
}
