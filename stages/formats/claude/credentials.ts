/**
 * Cuts credentials out of Claude Code's file of state, which holds its session besides servers,
 * projects and all else that a person has set up.
 *
 * @module
 */
import type { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import type { Found } from "../snapshot/walk.ts";
import { MAX_TRIES, openPatiently, type Pause, ReadFault } from "../source_file.ts";
import { isHarmless, isPlain, namesCredential, namesNoCount } from "./credential_names.ts";
import { cutText, cutVariable, cutWords, GONE, isFlag } from "./credential_texts.ts";

/** Reads a file without its credentials. */
export interface CutFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Why that may be what the file never was, as a short phrase. */
  readonly fault: string | undefined;
}

/** More than such a file ever has: it is held in memory. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Reads a file of JSON and leaves the credentials in it out. The same content gives the same bytes.
 *
 * @throws {ReadFault} When it cannot be read, or is no JSON: nobody knows then what is in it.
 */
export async function readWithoutCredentials(
  found: Found,
  { hashing, pace, pause, now }: {
    readonly hashing: Hashing;
    readonly pace: Pace;
    readonly pause: Pause;
    readonly now: () => number;
  },
): Promise<CutFile> {
  for (let tries = 1;; tries++) {
    using file = await openPatiently(found.source, tries === 1 ? found : undefined, pause);
    const { size } = file.info;
    if (size > MOST_BYTES) throw new ReadFault("it is too large to cut its credentials out");
    const whole = new Uint8Array(size);
    const count = file.fill(whole);
    const bytes = withoutCredentials(whole.subarray(0, count));
    const isSettled = count === size &&
      await file.isSettled(size, hashing.of(whole), hashing, pace, now());
    if (bytes !== undefined && isSettled) return { bytes, fault: undefined };
    if (tries === MAX_TRIES) {
      if (bytes !== undefined) return { bytes, fault: "it changed while it was read" };
      throw new ReadFault("its credentials cannot be cut out: it is not JSON");
    }
    await pause(tries);
  }
}

/** The same JSON without credentials; `undefined` for what is none. */
export function withoutCredentials(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    return new TextEncoder().encode(`${JSON.stringify(cut(parsed), null, 2)}\n`);
  } catch {
    return undefined;
  }
}

/** @param name The key that it stands below; empty for the whole. */
function cut(value: unknown, name = ""): unknown {
  if (typeof value === "string") return cutString(value, name);
  if (typeof value !== "object" || value === null) return value;
  // What an environment or a header holds cannot be told by its name.
  const isFilled = name === "env" || name === "headers";
  if (Array.isArray(value)) return isFilled ? [] : cutList(value);
  if (isFilled) return {};
  const isByName = BY_NAME.has(name);
  const kept = Object.entries(value).map(([key, inner]) => [settle(key, cutText), inner] as const)
    .filter(([key, inner]) => !isCredential(key, inner, name));
  return Object.fromEntries(kept.map(([key, inner]) => [key, cut(inner, isByName ? "" : key)]));
}

/** Whether what a key names goes as a whole. */
function isCredential(key: string, value: unknown, parent: string): boolean {
  const isThing = typeof value === "object" && value !== null;
  // Names that people gave to servers, and paths of their projects.
  if (isThing && (parent === "mcpServers" || /[/\\]/.test(key))) return false;
  const isName = BY_NAME.has(parent) && !Array.isArray(value);
  if (isName && (typeof value !== "string" || isPlain(value))) return false;
  if (WHOLE.test(key.trim())) return true;
  return namesCredential(key) && !isCount(value, key);
}

/** What Claude Code keeps by names of skills, tools, tips and switches: those say nothing. */
const BY_NAME: ReadonlySet<string> = new Set([
  ...["agentUsage", "commandUsage", "hookUsage", "pluginUsage", "skillUsage", "toolUsage"],
  ...["tipsHistory", "experimentNoticesSeenCount", "cachedDynamicConfigs", "cachedStatsigGates"],
  ...["cachedGrowthBookFeatures", "growthBookOverrides"],
]);

/** What is left out whatever it holds. */
const WHOLE = /oauth|^(customApiKeyResponses|credentials?)$/i;

/**
 * Whether nothing but switches, dates and numbers stand there. Of numbers, most that are called so
 * are counts of tokens, and none is a secret.
 */
function isCount(value: unknown, name: string): boolean {
  if (typeof value === "number") return !namesNoCount(name);
  if (typeof value === "string") return isHarmless(name, value);
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, inner]) =>
    (Array.isArray(value) || /^[A-Za-z_]+$/.test(key)) && isCount(inner, name)
  );
}

function cutString(text: string, name: string, isOfWords = name === "command"): string {
  return settle(text, (rest) => cutOnce(rest, name, isOfWords));
}

/** Cuts until there is nothing left to cut: what is cut once more is the same. */
function settle(text: string, cutOnce: (text: string) => string): string {
  let rest = text;
  for (let passes = 0; passes < MOST_PASSES; passes++) {
    const before = rest;
    rest = cutOnce(before);
    if (rest === before) break;
  }
  return rest;
}

/** More than cutting takes to come to an end, which is two or three. */
const MOST_PASSES = 16;

/** A text can be JSON itself: that is written anew only where something was cut. */
function cutOnce(text: string, name: string, isOfWords: boolean): string {
  const parsed = parseThing(text);
  if (parsed === undefined) return isOfWords ? cutWords(text) : cutText(text);
  const whole = JSON.stringify(parsed);
  const rest = JSON.stringify(cut(parsed, name));
  if (rest !== whole) return rest;
  // Of a key that stands there twice, parsing has seen one only.
  const isWhole = whole.replaceAll(/\s/g, "") === text.replaceAll(/\s/g, "");
  return isWhole ? text : cutWords(text);
}

function parseThing(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Cuts what follows flags, where a list is one of words for a program. */
function cutList(list: readonly unknown[]): unknown[] {
  return list.map((value, at) => {
    const before = list[at - 1];
    const isText = typeof value === "string";
    if (isText || typeof value === "number") {
      const isNext = isText && /^(--|-[A-Za-z]$)/.test(value);
      if (isFlag(before) && !isNext && !isHarmless(String(before), String(value))) return GONE;
    }
    if (!isText) return cut(value);
    return cutString(/^(-e|--env)$/.test(String(before)) ? cutVariable(value) : value, "", true);
  });
}
