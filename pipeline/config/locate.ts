/**
 * Finds where in the text of a pipeline file something stands. Only ever needed for a file that is
 * wrong, so that the parser that keeps positions is loaded for those alone.
 *
 * @module
 */
import type { AST } from "toml-eslint-parser";
import type { Finding, Path } from "./problems.ts";

/** A place in a text, both counted from 1, columns in characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where each finding stands: itself, else the nearest thing around it that is in the text. */
export async function locate(
  text: string,
  findings: readonly Pick<Finding, "path" | "at">[],
): Promise<Position[]> {
  const places = await placesOf(text);
  const lines = lineStarts(text);
  return findings.map(({ path, at }) => {
    for (let length = path.length; length > 0; length--) {
      const place = places.get(keyOf(path.slice(0, length)));
      if (place === undefined) continue;
      return positionAt(text, lines, length === path.length ? place[at] : place.key);
    }
    return { line: 1, column: 1 };
  });
}

/** The column in characters, of one counted in UTF-16 units. */
export function columnOf(text: string, line: number, column: number): number {
  const start = lineStarts(text)[line - 1] ?? 0;
  return lengthOf(text.slice(start, start + column - 1)) + 1;
}

/** Offsets of a key, or of a table's header, and of the value. */
interface Place {
  readonly key: number;
  readonly value: number;
}

type Places = Map<string, Place>;

/** A file a person wrote is a hundredth of it; beyond, the parser takes its time. */
const LONGEST_PARSED = 64 * 1024;

/** Nothing that can be wrong lies deeper: `stage`, its number, an option, a place in a list. */
const DEEPEST = 4;

async function placesOf(text: string): Promise<Places> {
  if (text.length > LONGEST_PARSED) return scan(text);
  const { parseTOML } = await import("toml-eslint-parser");
  try {
    const [body] = parseTOML(text, { tomlVersion: "1.1" }).body;
    const places: Places = new Map();
    for (const node of body.body) {
      if (node.type === "TOMLTable") placeTable(places, node);
      else placePair(places, [], node);
    }
    return places;
  } catch {
    // It refuses, or overflows its stack on, some of what the first parser takes.
    return scan(text);
  }
}

function placeTable(places: Places, table: AST.TOMLTable): void {
  const [start] = table.range;
  const { resolvedKey } = table;
  place(places, resolvedKey, start, start);
  for (const pair of table.body) placePair(places, resolvedKey, pair);
}

function placePair(places: Places, within: Path, { key, value }: AST.TOMLKeyValue): void {
  if (within.length >= DEEPEST) return;
  const names = key.keys.map((part) => part.type === "TOMLBare" ? part.name : part.value);
  place(places, [...within, ...names], key.range[0], value.range[0]);
  placeValue(places, [...within, ...names], value);
}

function placeValue(places: Places, path: Path, value: AST.TOMLContentNode): void {
  if (path.length >= DEEPEST) return;
  if (value.type === "TOMLInlineTable") {
    for (const pair of value.body) placePair(places, path, pair);
  }
  if (value.type === "TOMLArray") {
    for (const [index, element] of value.elements.entries()) {
      const [start] = element.range;
      place(places, [...path, index], start, start);
      placeValue(places, [...path, index], element);
    }
  }
}

/** What stands around it is placed too, unless it has a place of its own already. */
function place(places: Places, path: Path, key: number, value: number): void {
  for (let length = 1; length <= Math.min(path.length, DEEPEST); length++) {
    const known = keyOf(path.slice(0, length));
    if (!places.has(known)) places.set(known, { key, value: length === path.length ? value : key });
  }
}

/** Headers and keys line by line: a guess, that text of several lines can mislead. */
function scan(text: string): Places {
  const places: Places = new Map();
  let within: Path = [];
  let stages = 0;
  for (const match of text.matchAll(LINE_REGEXP)) {
    const [, brackets, table, key] = match;
    const start = match.index + match[0].search(/\S/);
    if (key !== undefined) {
      place(places, [...within, key], start, match.index + match[0].length);
      continue;
    }
    within = brackets === "[[" && table === "stage" ? ["stage", stages++] : [table!];
    place(places, within, start, start);
  }
  return places;
}

const LINE_REGEXP = /^[ \t]*(?:(\[\[?)[ \t]*([\w-]+)[ \t]*\]|([\w-]+)[ \t]*=[ \t]*)/gm;

function keyOf(path: Path): string {
  return JSON.stringify(path);
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function positionAt(text: string, lines: readonly number[], offset: number): Position {
  let low = 0;
  let high = lines.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (lines[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: lengthOf(text.slice(lines[low], offset)) + 1 };
}

/** In characters. Counting them one by one would take its time in a file that is one long line. */
function lengthOf(text: string): number {
  return /[\uD800-\uDBFF]/.test(text) ? [...text].length : text.length;
}
