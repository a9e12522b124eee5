/**
 * Text of anybody's, made fit to stand in a Markdown document of ours: it keeps its lists, tables and
 * code, and can neither end the block that it stands in, nor become HTML, nor pass for a heading of
 * ours. For CommonMark 0.31 with GitHub's extensions.
 *
 * @module
 */

/** A line of three or more backticks or tildes, with at most three spaces before it. */
const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})/;
/** What may stand before the first letter of a block: quotes, list markers, space. */
const CONTAINERS = /^(?:[ \t>]|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))*/;

/** Text that is Markdown itself, with its headings moved below ours. */
export function neutralMarkdown(text: string): string {
  const clean = cleanText(text);
  const lines = clean.replace(/^(?:[ \t]*\n)+/, "").trimEnd().split("\n");
  const result: string[] = [];
  let paragraph: string[] = [];
  let fence: { readonly indent: string; readonly mark: string } | undefined;
  const endParagraph = () => {
    result.push(...neutralLines(paragraph));
    paragraph = [];
  };
  const endFence = () => {
    if (fence !== undefined) result.push(fence.indent + fence.mark);
    fence = undefined;
  };
  const hasFences = /```|~~~/.test(clean);
  for (const line of hasFences ? lines.flatMap(fenceOnItsOwn) : lines) {
    if (fence !== undefined) {
      // A fence within a list ends where the list does: so that it ends here in any case.
      if (line.trim() !== "" && !line.startsWith(fence.indent) && line[0] !== "\t") endFence();
      else if (closes(line, fence.mark)) {
        endFence();
        continue;
      } else {
        result.push(breakMarkers(line));
        continue;
      }
    }
    const [opening, indent, mark] = hasFences && FENCE.exec(line) || [];
    if (opening !== undefined) {
      endParagraph();
      fence = { indent: indent!, mark: mark! };
      // Not taken out: that could make the mark longer.
      result.push(breakMarkers(line.replace(/[<>&|]/g, " ")));
    } else if (line.trim() === "") {
      endParagraph();
      result.push("");
    } else paragraph.push(line);
  }
  endParagraph();
  endFence();
  const start = result.findIndex((line) => line !== "");
  const end = result.findLastIndex((line) => line !== "");
  return start < 0 ? "" : result.slice(start, end + 1).join("\n");
}

/** Text as it is, in a block of code whose fence is longer than any in the text. */
export function codeBlock(text: string, language = ""): string {
  const clean = breakMarkers(cleanText(text)).replace(/^\n+/, "").trimEnd();
  let longest = 2;
  if (clean.includes("```")) {
    for (const [run] of clean.matchAll(/`{3,}/g)) longest = Math.max(longest, run.length);
  }
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${clean}\n${fence}`;
}

/** Text as a span of code on one line; nothing for nothing. */
export function codeSpan(text: string): string {
  const line = oneLine(text).replaceAll("|", "¦");
  if (line === "") return "";
  if (!line.includes("`")) return breakMarkers(`\`${line}\``);
  let longest = 0;
  for (const [run] of line.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const mark = "`".repeat(longest + 1);
  const space = /^`|`$/.test(line) ? " " : "";
  return breakMarkers(`${mark}${space}${line}${space}${mark}`);
}

/** Text on one line, as text alone: what has a meaning in Markdown is shown as it is written. */
export function plainLine(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_[\]#|~!$]/g, "\\$&")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replace(/^[-+=]/, "\\$&")
    .replace(/^(\d+)([.)])/, "$1\\$2");
}

/** Text on one line, with runs of space as one. */
export function oneLine(text: string): string {
  return cleanText(text).replace(SPACES, " ").trim();
}

/** Space that is more, or other, than one space. */
const SPACES = /[^\S ]\s*| \s+/g;

/** The beginning of a text, with `…` for what is cut. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  // Not within a pair of units that are one letter.
  const end = /[\uD800-\uDBFF]/.test(text.charAt(length - 1)) ? length - 1 : length;
  return `${text.slice(0, end).trimEnd()}…`;
}

/** Without what a terminal would obey, and with `\n` at every end of line. */
export function cleanText(text: string): string {
  return CONTROLS.test(text)
    ? text.replace(/\r\n?/g, "\n").replace(ESCAPES, "").replace(CONTROLS_ALL, "\uFFFD")
    : text;
}

// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0B-\x1F\x7F-\x9F\u202A-\u202E\u2066-\u2069]/;
const CONTROLS_ALL = new RegExp(CONTROLS.source, "g");
// deno-lint-ignore no-control-regex
const ESCAPES = /\x1B(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1B]*(?:\x07|\x1B\\)|[@-Z\\-_])/g;

/** The marks by which a digest is read again must be ours alone, also in code. */
function breakMarkers(text: string): string {
  return text.includes("<!--") ? text.replaceAll(/<!--(?=\s*keepsake)/g, "<!‐‐") : text;
}

/** A fence that begins right after a list's marker is moved to a line of its own. */
function fenceOnItsOwn(line: string): string[] {
  const [before = ""] = CONTAINERS.exec(line) ?? [];
  const rest = line.slice(before.length);
  if (before.trim() === "" || !/^(?:`{3,}[^`]*$|~{3,})/.test(rest)) return [line];
  if (before.includes(">")) return [`${before}\\${rest}`];
  return ["", before.trimEnd(), before.replace(/[^ \t]/g, " ") + rest];
}

function closes(line: string, mark: string): boolean {
  const rest = line.trim();
  return rest.length >= mark.length && rest.startsWith(mark.charAt(0)) &&
    rest === mark.charAt(0).repeat(rest.length);
}

function neutralLines(lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  // A span of code may reach over lines. Only where each line's are whole, it is certain what is one.
  const certain = lines.every((line) => !line.includes("`") || spansOf(line) !== undefined);
  return lines.map((line) => {
    const spans = certain && !line.includes("|") ? spansOf(line) ?? [] : [];
    let result = "";
    let at = 0;
    for (const [start, end] of spans) {
      result += neutralInline(line.slice(at, start)) + breakMarkers(line.slice(start, end));
      at = end;
    }
    return neutralBlock(result + neutralInline(line.slice(at)));
  });
}

/**
 * Where a line's spans of code are; `undefined` when one of its marks has no partner, or may be a part
 * of an address before it.
 */
function spansOf(line: string): [number, number][] | undefined {
  const spans: [number, number][] = [];
  for (let at = markIn(line, 0); at >= 0; at = markIn(line, spans.at(-1)![1])) {
    if (ADDRESS.test(line.slice(spans.at(-1)?.[1] ?? 0, at))) return undefined;
    const end = endOfRun(line, at);
    const close = partnerOf(line, end, end - at);
    if (close === undefined) return undefined;
    spans.push([at, close]);
  }
  return spans;
}

/** An address that GitHub makes a link of, with all that follows up to a space. */
const ADDRESS = /(?:www\.|:\/\/)\S*$/i;

/** Where the next mark begins that has no backslash before it; -1 when there is none. */
function markIn(line: string, from: number): number {
  let at = line.indexOf("`", from);
  for (let slash = from; at >= 0;) {
    slash = line.indexOf("\\", slash);
    if (slash < 0 || slash >= at) break;
    if (slash + 1 === at) at = line.indexOf("`", at + 1);
    slash += 2;
  }
  return at;
}

function endOfRun(line: string, at: number): number {
  while (line.charAt(at) === "`") at++;
  return at;
}

function partnerOf(line: string, from: number, length: number): number | undefined {
  for (let at = line.indexOf("`", from); at >= 0;) {
    const end = endOfRun(line, at);
    if (end - at === length) return end;
    at = line.indexOf("`", end);
  }
}

/** No HTML, no images, no links but to the web, no definitions that hold for the whole document. */
function neutralInline(text: string): string {
  if (!/[<&![\]]/.test(text)) return text;
  return text
    .replace(/&(?=#|[A-Za-z])/g, "&amp;")
    .replaceAll("<", "&lt;")
    // Not with a backslash: behind another, it would be none.
    .replace(/!(?=\[)/g, "&#33;")
    .replace(/\](?=:)/g, "&#93;")
    .replace(/\](?=\((?!\s*(?:https?:\/\/|mailto:|#)))/gi, "&#93;");
}

/** Headings of the text go below ours; lines that would make the one above a heading do not. */
function neutralBlock(line: string): string {
  if (!/[#=-]/.test(line)) return line;
  const [before = ""] = CONTAINERS.exec(line) ?? [];
  const rest = line.slice(before.length);
  if (/^#{1,6}(?=[ \t]|$)/.test(rest)) {
    return before + rest.replace(/^#+/, (marks) => "#".repeat(Math.min(6, marks.length + 3)));
  }
  return line.replace(/^([ \t>]*)(?=(?:=+|-+)[ \t]*$)/, "$1\\");
}
