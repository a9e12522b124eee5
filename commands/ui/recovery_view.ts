/**
 * The recovery sheet, as Markdown and as HTML that prints well. Pure.
 *
 * @module
 */
import type { Recovery, WayBack } from "../../pipeline/recovery.ts";
import { escapeControls } from "./text.ts";

/** Where and when a sheet was printed. */
export interface Origin {
  readonly host: string;
  readonly printed: Date;
}

/** One part of the page. */
type Block =
  | { readonly type: "title" | "heading" | "text"; readonly text: string }
  | { readonly type: "list"; readonly items: readonly string[] }
  | { readonly type: "code"; readonly lines: readonly string[] };

/** The page as Markdown. */
export function sheetAsMarkdown(recovery: Recovery, origin: Origin): string {
  return blocksOf(recovery, origin).map((block) => {
    switch (block.type) {
      case "title":
        return `# ${escapeControls(block.text)}\n`;
      case "heading":
        return `## ${escapeControls(block.text)}\n`;
      case "text":
        return `${escapeControls(block.text)}\n`;
      case "list":
        return block.items.map((item) => `- ${escapeControls(item)}\n`).join("");
      case "code":
        return ["```sh", ...block.lines.map(escapeControls), "```", ""].join("\n");
    }
  }).join("\n").trimEnd();
}

/** The page as one HTML file without anything else. */
export function sheetAsHtml(recovery: Recovery, origin: Origin): string {
  const blocks = blocksOf(recovery, origin);
  const body = blocks.map((block) => {
    switch (block.type) {
      case "title":
        return `<h1>${escapeHtml(block.text)}</h1>`;
      case "heading":
        return `<h2>${escapeHtml(block.text)}</h2>`;
      case "text":
        return `<p>${escapeHtml(block.text)}</p>`;
      case "list":
        return `<ul>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
      case "code":
        return `<pre>${escapeHtml(block.lines.join("\n"))}</pre>`;
    }
  });
  const title = escapeHtml(blocks[0]?.type === "title" ? blocks[0].text : "");
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<title>${title}</title><style>${STYLE}</style></head><body>`,
    ...body,
    "</body></html>",
  ].join("\n");
}

const STYLE = [
  "@page{size:A4;margin:15mm}",
  "body{font:10pt/1.4 serif;max-width:46em;margin:1em auto;color:#000;background:#fff}",
  "h1{font-size:15pt}h2{font-size:11pt;margin:1em 0 .3em;break-after:avoid}",
  "p,ul{margin:.3em 0}li{overflow-wrap:anywhere}",
  // Lines that go on are broken anywhere, not cut off at the edge of the paper.
  "pre{font:8.5pt/1.4 monospace;white-space:pre-wrap;overflow-wrap:anywhere;border:.5pt solid #888;padding:.5em;break-inside:avoid}",
].join("");

function blocksOf(recovery: Recovery, { host, printed }: Origin): Block[] {
  const { pipeline, file, recipients, sources, ways } = recovery;
  const text = (text: string): Block => ({ type: "text", text });
  const sealed = recipients.length > 0;
  return [
    { type: "title", text: `Recovery sheet: ${pipeline} on ${host}` },
    text(
      `Printed ${
        printed.toISOString().slice(0, 10)
      }. How to get everything back, with stock tools, on a machine that has never seen keepsake. Keep this page away from that machine. Print it anew when the pipeline file changes (${file}).`,
    ),
    { type: "heading", text: "What is backed up, and where it is" },
    {
      type: "list",
      items: [
        ...sources.map(({ id, paths }) => `${id}: ${paths.join(", ")}`),
        ...ways.map(({ destination, location }) => `at ${destination}: ${location}`),
      ],
    },
    { type: "heading", text: "The identity that opens it" },
    ...(sealed
      ? [
        text(
          `${
            placeOf(recovery)
          }: ______________________________. It is not on this page, and without it nothing below opens. It belongs to one of these recipients; the comment in its file names them, and age-keygen -y identity.txt prints its own:`,
        ),
        { type: "list", items: recipients } as const,
        ...(recipients.some((recipient) => recipient.startsWith("age1pq1"))
          ? [
            text(
              "Of those, age1pq1… are post-quantum: they take age 1.3 or newer, and many systems' packages have an older one. It is one file: https://github.com/FiloSottile/age/releases",
            ),
          ]
          : []),
      ]
      : [text("Nothing is encrypted: no identity is needed.")]),
    ...ways.flatMap(blocksOfWay),
    { type: "heading", text: "Then" },
    text(
      "The files lie below restored, in a folder for each snapshot id, each under the last name of its path, with the present time: by older ones, Claude Code would sweep conversations away. Compare before you replace anything. With keepsake at hand, keepsake verify and keepsake restore check every byte on the way.",
    ),
  ];
}

function placeOf({ identity, isForeign }: Recovery): string {
  if (isForeign) {
    return `NOT ${identity}, which the pipeline file names and which opens nothing that is stored now. Write down where the right one is`;
  }
  return `Kept in ${
    identity ?? "a file that the pipeline file does not name"
  }, and wherever you keep its copy`;
}

function blocksOfWay({ destination, sealed, tools, before, lines }: WayBack): Block[] {
  const heading: Block = { type: "heading", text: `Everything back from ${destination}` };
  if (lines.length === 0) {
    return [heading, { type: "text", text: "This takes keepsake: keepsake restore --help." }];
  }
  const identity = sealed ? ", with the identity in it as identity.txt" : "";
  return [
    heading,
    {
      type: "text",
      text: `It takes ${
        tools.join(", ")
      }, in an empty folder${identity}, as the user whose files they are: for root, tar makes all of it root's, with the setuid bits that it had. ${
        before.join(" ")
      }`
        .trim(),
    },
    { type: "code", lines },
  ];
}

function escapeHtml(text: string): string {
  return text.split("\n").map(escapeControls).join("\n")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
