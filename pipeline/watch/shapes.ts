/**
 * An alert in the shape that its receiver takes. Pure.
 *
 * @module
 */
import type { Shape } from "../config/common.ts";
import type { Notice } from "./notice.ts";
import { isAccepted, type Told, type Trouble } from "./troubles.ts";

/** What is sent. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The shape that an address asks for; what is not known gets plain JSON. */
export function shapeOf(address: URL): Shape {
  const { hostname, pathname } = address;
  const isIn = (...domains: readonly string[]) =>
    domains.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
  if (isIn("discord.com", "discordapp.com")) {
    return /\/slack\/?$/.test(pathname) ? "slack" : "discord";
  }
  if (isIn("hooks.slack.com", "hooks.slack-gov.com")) return "slack";
  if (isIn("office.com", "office365.com", "logic.azure.com", "powerplatform.com")) return "teams";
  if (isIn("ntfy.sh") || hostname.startsWith("ntfy.")) return "ntfy";
  return "json";
}

/** What to send to an address. */
export function postOf(notice: Notice, address: URL, shape: Shape = shapeOf(address)): Post {
  const url = new URL(address);
  url.hash = "";
  const headers = { "content-type": "application/json", ...authorizationOf(url) };
  // What stands in the address goes into a header: no request is made to an address with a password.
  url.username = url.password = "";
  const body = bodyOf(notice, shape, url);
  // A topic is a part of the message there, and the address that of the server.
  if (shape === "ntfy") url.pathname = url.pathname.replace(/\/?[^/]*\/?$/, "/");
  return { url: url.href, headers, body: JSON.stringify(body) };
}

/** The header that stands for a user and a password in an address. */
export function authorizationOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === "" && password === "") return {};
  const text = `${decodePart(username)}:${decodePart(password)}`;
  const bytes = new TextEncoder().encode(text);
  return { authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

/** A part of an address as it was meant: a `%` that begins no escape stands for itself. */
function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Characters that the strictest receiver takes; the others could show no more at a glance. */
const LONGEST = 1900;

function bodyOf(notice: Notice, shape: Shape, url: URL): unknown {
  const { title } = notice;
  const text = cut(notice.text);
  switch (shape) {
    case "discord": {
      const content = `**${escapeMarkdown(title)}**\n${escapeMarkdown(notice.text)}`;
      // Nobody is called by what stands in a file name.
      return { content: cut(content), allowed_mentions: { parse: [] } };
    }
    case "slack":
      return { text: `*${escapeSlack(title)}*\n${escapeSlack(text)}` };
    case "teams":
      return teamsCard(title, text);
    case "ntfy": {
      const topic = decodePart(/([^/]*)\/?$/.exec(url.pathname)![1]!);
      const failed = notice.event === "failure";
      const tags = [failed ? "warning" : "white_check_mark"];
      return { topic, title, message: text, tags, priority: failed ? 4 : 3 };
    }
    case "json":
      return jsonOf(notice);
  }
}

/** Things of one kind that are told one by one; receivers refuse what is long. */
const MOST = 50;

/** Characters of a text where nobody says how many it may have. A program's word has an end, too. */
const ROOM = 8000;

/** Title and text, no longer than a program takes them: Linux has 128 KiB for one word. */
export function wordsOf({ title, text }: Notice): string[] {
  return [cut(title, ROOM), cut(text, ROOM)];
}

/** A notice as plain JSON, for receivers without a shape of their own. */
export function jsonOf(notice: Notice): unknown {
  const { event, pipeline, host, now, raised, over, still } = notice;
  const [title, text] = wordsOf(notice);
  const recovered = over.filter((told) => !isAccepted(told));
  const accepted = over.filter(isAccepted);
  return {
    event,
    pipeline,
    host,
    time: now.toISOString(),
    title,
    text,
    failed: raised.slice(0, MOST).map(troubleJson),
    recovered: recovered.slice(0, MOST).map(toldJson),
    accepted: accepted.slice(0, MOST).map(toldJson),
    still_failing: still.slice(0, MOST).map(troubleJson),
    counts: {
      failed: raised.length,
      recovered: recovered.length,
      accepted: accepted.length,
      still_failing: still.length,
    },
  };
}

function troubleJson(trouble: Trouble): unknown {
  const { message, hint } = trouble;
  return {
    ...toldJson(trouble),
    message: cut(message),
    hint: hint === undefined ? null : cut(hint),
  };
}

function toldJson({ subject, since }: Told) {
  return { what: subject, since: since.toISOString() };
}

function teamsCard(title: string, text: string): unknown {
  const block = (text: string, more: Readonly<Record<string, unknown>> = {}) => (
    { type: "TextBlock", text: escapeMarkdown(text), wrap: true, ...more }
  );
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    body: [block(title, { weight: "Bolder" }), ...text.split("\n").map((line) => block(line))],
  };
  const contentType = "application/vnd.microsoft.card.adaptive";
  return { type: "message", attachments: [{ contentType, contentUrl: null, content }] };
}

/** A link is one that somebody else may have made up. */
function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\[\]*_`]/g, "\\$&");
}

function escapeSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function cut(text: string, longest = LONGEST): string {
  if (text.length <= longest) return text;
  const characters = [...text];
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join("")}…`;
}
