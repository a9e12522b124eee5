/**
 * Claude Code's `settings.json` with and without our hooks: everything else in it, and how it is
 * written, stays as it is.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { findNodeAtLocation, type JSONPath, parseTree } from "jsonc-parser";
import type { Node, ParseError } from "jsonc-parser";
import { BackupError } from "../../pipeline/errors.ts";

/** A hook as it stands in the file. */
export interface Hook {
  readonly type: "command";
  readonly command: string;
  readonly args: readonly string[];
  /** Seconds. */
  readonly timeout: number;
}

/** A hook, and for which event of which kind it stands there. */
export interface Entry {
  /** `SessionStart`, `SessionEnd`. */
  readonly event: string;
  readonly matcher: string | undefined;
  readonly hook: Hook;
}

/** Tells our hooks from others, by their words. */
export type IsOwn = (event: string, args: readonly string[]) => boolean;

/** What a text of settings looks like with these hooks, each once. */
export function withHooks(text: string, entries: readonly Entry[], isOwn: IsOwn): string {
  const there = text.trim() === "" ? "{}\n" : text;
  // What is right already stays to the byte, in whichever order it stands.
  if (isRight(there, entries, isOwn)) return there;
  let result = withoutHooks(there, isOwn);
  for (const { event, matcher, hook } of entries) {
    const group = { ...(matcher !== undefined && { matcher }), hooks: [hook] };
    const [hooks, list] = [at(result, ["hooks"]), at(result, ["hooks", event])];
    result = list !== undefined
      ? insert(result, list, undefined, group)
      : hooks !== undefined
      ? insert(result, hooks, event, [group])
      : insert(result, at(result, [])!, "hooks", { [event]: [group] });
  }
  return result;
}

/** Whether exactly these are there of ours, each once. */
function isRight(text: string, entries: readonly Entry[], isOwn: IsOwn): boolean {
  const own = membersOf(at(text, ["hooks"])).flatMap(([event, list]) =>
    (list.children ?? []).flatMap((group) => {
      const matcher = membersOf(group).find(([name]) => name === "matcher")?.[1];
      return hooksOf(group).filter((hook) => isOwn(event, argsOf(hook)))
        .map((hook) => ({ event, matcher: matcher && valueOf(matcher), hook: valueOf(hook) }));
    })
  );
  return own.length === entries.length &&
    entries.every(({ event, matcher, hook }) =>
      own.some((one) => isDeepStrictEqual(one, { event, matcher, hook }))
    );
}

/** What it looks like without them. What they alone stood in goes with them. */
export function withoutHooks(text: string, isOwn: IsOwn): string {
  if (text.trim() === "") return text;
  let result = text;
  for (let spot = findOwn(result, isOwn); spot !== undefined; spot = findOwn(result, isOwn)) {
    result = cutOut(result, spot);
  }
  return result === text ? text : result.replace(/^(\s*)\{\s*\}/, "$1{}");
}

/** Ours, as they stand there. */
export function hooksIn(
  text: string,
  isOwn: IsOwn,
): readonly { readonly event: string; readonly args: readonly string[] }[] {
  if (text.trim() === "") return [];
  return membersOf(at(text, ["hooks"])).flatMap(([event, list]) =>
    (list.children ?? []).flatMap(hooksOf).map(argsOf)
      .filter((args) => isOwn(event, args)).map((args) => ({ event, args }))
  );
}

/** Whether a key says that Claude Code is to start none of them. */
export function areDisabled(text: string): boolean {
  if (text.trim() === "") return false;
  at(text, []);
  return membersOf(parseTree(text)).findLast(([name]) => name === "disableAllHooks")
    ?.[1].value === true;
}

/** Whether one of ours is there. */
export function hasHooks(text: string, isOwn: IsOwn): boolean {
  return text.trim() !== "" && findOwn(text, isOwn) !== undefined;
}

/** Whether every one of these is there. */
export function holds(text: string, entries: readonly Entry[]): boolean {
  return text.trim() !== "" &&
    entries.every(({ event, hook }) =>
      (at(text, ["hooks", event])?.children ?? []).some((group) =>
        hooksOf(group).some((one) => isDeepStrictEqual(valueOf(one), hook))
      )
    );
}

/** The highest thing in which one of ours stands alone. */
function findOwn(text: string, isOwn: IsOwn): JSONPath | undefined {
  const events = membersOf(at(text, ["hooks"]));
  for (const [event, list] of events) {
    for (const [index, group] of (list.children ?? []).entries()) {
      const hooks = hooksOf(group);
      const own = hooks.findIndex((hook) => isOwn(event, argsOf(hook)));
      if (own < 0) continue;
      if (hooks.length > 1) return ["hooks", event, index, "hooks", own];
      if (list.children!.length > 1) return ["hooks", event, index];
      return events.length > 1 ? ["hooks", event] : ["hooks"];
    }
  }
}

/** @throws {BackupError} `usage` where it is not what Claude Code could read. */
function at(text: string, path: JSONPath): Node | undefined {
  const errors: ParseError[] = [];
  const options = { disallowComments: true, allowTrailingComma: false };
  const root = parseTree(text, errors, options);
  const [error] = errors;
  if (error !== undefined) {
    const before = text.slice(0, error.offset).split("\n");
    throw unusable(
      `it is not JSON at line ${before.length}, column ${before.at(-1)!.length + 1}`,
    );
  }
  if (root?.type !== "object") throw unusable("it holds no object");
  let node: Node = root;
  for (const [depth, key] of path.entries()) {
    const [member, second] = membersOf(node).filter(([name]) => name === key);
    // Claude Code goes by the last one: what is put into another does nothing.
    if (second !== undefined) throw unusable(`its "${key}" stands there twice`);
    if (member === undefined) return undefined;
    node = member[1];
    const wanted = depth === 0 ? "object" : "array";
    if (node.type !== wanted) throw unusable(`its "${path[depth]}" is no ${wanted}`);
  }
  const names = path.length === 1 ? membersOf(node).map(([name]) => name) : [];
  const twice = names.find((name, place) => names.indexOf(name) < place);
  if (twice !== undefined) throw unusable(`its "${twice}" stands there twice`);
  return node;
}

function unusable(state: string): BackupError {
  return new BackupError("usage", `Cannot use settings: ${state}`, {
    hint: "Put the file right, and try again",
  });
}

/** Puts something in after all that is there, laid out as that is. */
function insert(text: string, container: Node, key: string | undefined, value: unknown): string {
  const { unit, eol } = layoutOf(text);
  const last = container.children?.at(-1);
  const name = key === undefined ? "" : `${JSON.stringify(key)}:`;
  const indent = indentAt(text, last ?? container);
  const isOneLine = unit === "" || (last !== undefined && indent === undefined);
  if (isOneLine) {
    const at = last === undefined ? container.offset + 1 : last.offset + last.length;
    return splice(text, at, `${last === undefined ? "" : ","}${name}${JSON.stringify(value)}`);
  }
  const inner = last === undefined ? (indent ?? "") + unit : indent!;
  const written = JSON.stringify(value, null, unit).replaceAll("\n", eol + inner);
  const line = `${eol}${inner}${name}${name === "" ? "" : " "}${written}`;
  if (last !== undefined) return splice(text, last.offset + last.length, `,${line}`);
  const end = container.offset + container.length - 1;
  return `${text.slice(0, container.offset + 1)}${line}${eol}${indent ?? ""}${text.slice(end)}`;
}

function splice(text: string, at: number, what: string): string {
  return text.slice(0, at) + what + text.slice(at);
}

/** What stands before the line that something is on; `undefined` when it does not begin that line. */
function indentAt(text: string, { offset, parent, type }: Node): string | undefined {
  const line = text.slice(text.lastIndexOf("\n", offset) + 1);
  const indent = /^[ \t]*/.exec(line)![0];
  const begins = text.slice(0, offset).endsWith(indent) &&
    /(^|\n)[ \t]*$/.test(text.slice(0, offset));
  // A value that follows its key stands where that does.
  const isValue = type !== "property" && parent?.type === "property";
  return begins || isValue ? indent : undefined;
}

/** How it is written; an empty unit: all on one line. */
function layoutOf(text: string): { readonly unit: string; readonly eol: string } {
  if (text.trim() === "{}") return { unit: "  ", eol: "\n" };
  const [, eol = "\n", unit = ""] = /(\r?\n)([ \t]+)\S/.exec(text) ?? [];
  return { unit, eol };
}

/** Takes something out with the comma that goes with it: what was put in last leaves no trace. */
function cutOut(text: string, path: JSONPath): string {
  const found = findNodeAtLocation(parseTree(text)!, path)!;
  const node = typeof path.at(-1) === "number" ? found : found.parent!;
  const siblings = node.parent!.children!;
  const place = siblings.indexOf(node);
  const [before, after] = [siblings[place - 1], siblings[place + 1]];
  const start = before ? before.offset + before.length : node.offset;
  const end = before || !after ? node.offset + node.length : after.offset;
  return text.slice(0, start) + text.slice(end);
}

function membersOf(node: Node | undefined): (readonly [string, Node])[] {
  if (node?.type !== "object") return [];
  return (node.children ?? []).flatMap(({ children }) => {
    const [key, value] = children ?? [];
    return key && value ? [[String(key.value), value] as const] : [];
  });
}

function hooksOf(group: Node): readonly Node[] {
  const hooks = membersOf(group).find(([name]) => name === "hooks")?.[1];
  return hooks?.type === "array" ? hooks.children ?? [] : [];
}

function argsOf(hook: Node): string[] {
  const args = membersOf(hook).find(([name]) => name === "args")?.[1];
  return (args?.children ?? []).map(({ value }) => String(value));
}

function valueOf(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(valueOf);
  if (node.type !== "object") return node.value;
  return Object.fromEntries(membersOf(node).map(([name, value]) => [name, valueOf(value)]));
}
