/**
 * What a tool was asked, in short.
 *
 * @module
 */
import type { Tools } from "./conversation_model.ts";

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

/** Letters of each value, and in all. Long enough for what a secret needs to be seen as one. */
const VALUE_LENGTH = 800;
const TOTAL_LENGTH = 1000;

/** Says what a tool was asked: what matters most on one line, or all of it. */
export function briefInput(tool: string, input: unknown, tools: Tools): string {
  if (typeof input !== "object" || input === null) return input === undefined ? "" : json(input);
  if (tools === "full") return json(input, 2);
  const values = input as Readonly<Record<string, unknown>>;
  const main = Object.hasOwn(MAIN_KEYS, tool) ? MAIN_KEYS[tool]! : [];
  const known = main.filter((key) => Object.hasOwn(values, key));
  if (known.length > 0) return known.map((key) => sayValue(values[key])).join(" · ");
  return Object.entries(values)
    .map(([key, value]) => `${key}: ${sayValue(value)}`).join(" · ").slice(0, TOTAL_LENGTH);
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
