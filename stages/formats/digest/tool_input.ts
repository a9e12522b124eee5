/**
 * What a tool was asked, in short.
 *
 * @module
 */
import type { Tools } from "./model.ts";

/** What says most about a call, for tools that are known. */
const MAIN_KEYS: Readonly<Record<string, readonly string[]>> = {
  Agent: ["subagent_type", "description"],
  Bash: ["command"],
  Edit: ["file_path"],
  Glob: ["pattern", "path"],
  Grep: ["pattern", "path"],
  MultiEdit: ["file_path"],
  NotebookEdit: ["notebook_path"],
  Read: ["file_path"],
  Skill: ["skill"],
  Task: ["subagent_type", "description"],
  WebFetch: ["url"],
  WebSearch: ["query"],
  Write: ["file_path"],
};

/** Tools whose input is a list: what is said of each item, and in which key the list stands. */
const LISTS: Readonly<Record<string, readonly [key: string, say: (item: Values) => string]>> = {
  AskUserQuestion: ["questions", ({ question }) => isText(question) ? question : ""],
  TodoWrite: [
    "todos",
    ({ status, content }) =>
      isText(content) ? `${isText(status) ? `${status}: ` : ""}${content}` : "",
  ],
};

type Values = Readonly<Record<string, unknown>>;

/** Letters of each value, and in all. Long enough for what a secret needs to be seen as one. */
const VALUE_LENGTH = 800;
const TOTAL_LENGTH = 1000;

/** Says what a tool was asked: what matters most on one line, or all of it. */
export function briefInput(tool: string, input: unknown, tools: Tools): string {
  if (typeof input !== "object" || input === null) return input === undefined ? "" : json(input);
  if (tools === "full") return json(input, 2);
  const values = input as Values;
  const items = itemsOf(tool, values);
  if (items !== undefined) return items.join(" · ").slice(0, TOTAL_LENGTH);
  const main = Object.hasOwn(MAIN_KEYS, tool) ? MAIN_KEYS[tool]! : [];
  const known = main.filter((key) => Object.hasOwn(values, key));
  if (known.length > 0) return known.map((key) => sayValue(values[key])).join(" · ");
  return Object.entries(values)
    .map(([key, value]) => `${key}: ${sayValue(value)}`).join(" · ").slice(0, TOTAL_LENGTH);
}

/** The plan that a call lays before the user: it is said as much as done. */
export function planOf(tool: string, input: unknown): string {
  if (tool !== "ExitPlanMode" || typeof input !== "object" || input === null) return "";
  const { plan } = input as Values;
  return isText(plan) ? plan : "";
}

/** A list as a person would say it; `undefined` where anything in it is not as it should be. */
function itemsOf(tool: string, values: Values): readonly string[] | undefined {
  const [key, say] = Object.hasOwn(LISTS, tool) ? LISTS[tool]! : [];
  const list = key === undefined ? undefined : values[key];
  if (say === undefined || !Array.isArray(list)) return undefined;
  const items = list.map((item: unknown) =>
    typeof item === "object" && item !== null ? say(item as Values) : ""
  );
  return items.length === 0 || items.includes("") ? undefined : items;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

function sayValue(value: unknown): string {
  return (typeof value === "string" ? value : json(value)).slice(0, VALUE_LENGTH);
}

/** As JSON, or a word for what is too deep for that. */
function json(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, null, indent) ?? "";
  } catch {
    return "(too deep to show)";
  }
}
