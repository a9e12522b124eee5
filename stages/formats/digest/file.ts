/**
 * The digest of a project, as a Markdown file that can be read again: what was written once stays,
 * whether or not its logs are still there. Marks between the conversations, which no text of a
 * conversation can hold, carry what the file does not show.
 *
 * @module
 */
import { sayUtc } from "../words.ts";
import { sayTokens } from "./conversation_view.ts";
import { codeSpan, plainLine, shorten } from "./markdown_text.ts";
import { type LogStats, sumStats } from "./model.ts";

/** What is known of a conversation without its text. */
export interface Meta {
  /** Path of its log, without the ending, below the directory of all. */
  readonly key: string;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly agents: number;
  readonly stats: LogStats;
}

/** Some text, or its bytes: where nobody reads it any more, they take less room. */
export type Part = string | Uint8Array;

/** A conversation as it stands in a digest. */
export interface Fragment {
  readonly meta: Meta;
  readonly head: string;
  readonly body: Part;
}

const PROJECT = "<!-- keepsake project ";
const CONVERSATION = "<!-- keepsake conversation ";
const BODY = "<!-- keepsake body -->";
const END = "<!-- keepsake end -->";
const CLOSE = " -->";

/** Newest first. */
export function byAge<T extends Pick<Meta, "last" | "key">>(metas: readonly T[]): T[] {
  return metas.toSorted((a, b) => (b.last ?? 0) - (a.last ?? 0) || (a.key < b.key ? -1 : 1));
}

/** The key of an earlier version of a conversation. */
export function earlierKey(key: string, number: number): string {
  return `${key}~${number}`;
}

/** Whether a key is that of a conversation, or of an earlier version of it. */
export function isVersionOf(key: string, current: string): boolean {
  return key === current || EARLIER.exec(key)?.[1] === current;
}

/** Those that count: an earlier version only where no later one of its conversation is there. */
export function counted(metas: readonly Meta[]): readonly Meta[] {
  const keys = new Set(metas.map(({ key }) => key));
  return metas.filter(({ key }) => {
    const [, current, number] = EARLIER.exec(key) ?? [];
    if (current === undefined) return true;
    return !keys.has(current) && !keys.has(earlierKey(current, Number(number) + 1));
  });
}

const EARLIER = /^(.*)~(\d+)$/s;

/** A conversation with its marks. */
export function writeFragment({ meta, head, body }: Fragment): readonly Part[] {
  const anchor = `<a id="${anchorOf(meta.key)}"></a>`;
  const top = `${CONVERSATION}${mark(meta)}${CLOSE}\n${anchor}\n\n${head}\n\n${BODY}\n`;
  return [top, body, `\n${END}\n`];
}

/** Parts as one text. */
export function textOf(parts: readonly Part[]): string {
  const texts = parts.map((part) => typeof part === "string" ? part : DECODER.decode(part));
  return texts.join("");
}

const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** The whole file, in parts. What is left out for its size is named. */
export function writeDigest(
  cwd: string,
  fragments: readonly { readonly meta: Meta; readonly parts: readonly Part[] }[],
  leftOut: readonly Meta[],
): readonly Part[] {
  const name = cwd.split(/[/\\]/).findLast((part) => part !== "") ?? cwd;
  const metas = fragments.map(({ meta }) => meta);
  const all = counted(metas);
  const sum = sumStats(all.map(({ stats }) => stats));
  const rows = metas.map((meta) => {
    const { title, last, stats } = meta;
    const link = `[${plainLine(shorten(title, 80))}](#${anchorOf(meta.key)})`;
    const day = last === undefined ? "" : sayUtc(last);
    return `| ${day} | ${link} | ${stats.prompts} | ${stats.answers} | ${stats.calls} |`;
  });
  const out = leftOut.map(({ title, last }) =>
    `- ${last === undefined ? "" : `${sayUtc(last)} `}${plainLine(shorten(title, 80))}`
  );
  const top = [
    `${PROJECT}${mark({ cwd })}${CLOSE}`,
    `# ${plainLine(name)}`,
    codeSpan(cwd),
    `${all.length} ${all.length === 1 ? "conversation" : "conversations"} · ${
      sayTokens(sum.tokens)
    }`,
    ...(rows.length === 0 ? [] : [
      [
        "| Last | Conversation | Prompts | Answers | Tool calls |",
        "| --- | --- | ---: | ---: | ---: |",
        ...rows,
      ].join("\n"),
    ]),
    ...(out.length === 0 ? [] : [`Left out for their size, oldest first:`, out.join("\n")]),
    "",
  ].join("\n\n");
  return [top, ...fragments.flatMap(({ parts }, place) => place === 0 ? parts : ["\n", ...parts])];
}

/** What was read of a file. */
export interface Digest {
  readonly cwd: string | undefined;
  readonly fragments: readonly Fragment[];
  /** What stands before, between and after the conversations. */
  readonly around: readonly string[];
  /** Whether some of a conversation is missing or cannot be read. */
  readonly isDamaged: boolean;
}

/** What a file holds, as far as it can be read, also one that an editor saved with its line ends. */
export function readDigest(written: string): Digest {
  const ours = written.startsWith("\uFEFF") ? written.slice(1) : written;
  const text = ours.includes("\r\n") ? ours.replaceAll("\r\n", "\n") : ours;
  const fragments: Fragment[] = [];
  let isDamaged = false;
  let at = text.startsWith(CONVERSATION) ? 0 : text.indexOf(`\n${CONVERSATION}`) + 1 || text.length;
  const around = [text.slice(0, at)];
  while (at < text.length) {
    const start = at + CONVERSATION.length;
    // Where the next begins, this one has come to its end, whether or not that is marked.
    const next = text.indexOf(`\n${CONVERSATION}`, start) + 1 || text.length;
    const end = text.indexOf(`\n${END}`, start);
    const isEnded = end >= 0 && end < next;
    const fragment = readFragment(text.slice(start, isEnded ? end : next), isEnded);
    if (fragment !== undefined) fragments.push(fragment);
    if (fragment === undefined || !isEnded) isDamaged = true;
    around.push(isEnded ? text.slice(end + 1 + END.length, next) : "");
    at = next;
  }
  const top = around[0]!;
  const begin = top.startsWith(PROJECT) ? 0 : top.indexOf(`\n${PROJECT}`) + 1 || top.length;
  const project = readMark(top.slice(begin + PROJECT.length, top.indexOf(CLOSE, begin)));
  const cwd = (project as { cwd?: unknown } | null | undefined)?.cwd;
  return { cwd: typeof cwd === "string" ? cwd : undefined, fragments, around, isDamaged };
}

function readFragment(text: string, isEnded: boolean): Fragment | undefined {
  const close = text.indexOf(`${CLOSE}\n`);
  const meta = readMark(text.slice(0, Math.max(0, close)));
  const inner = text.slice(close + CLOSE.length + 1);
  const middle = inner.indexOf(`\n\n${BODY}\n`);
  if (!isMeta(meta) || middle < 0) return undefined;
  const body = inner.slice(middle + BODY.length + 3);
  return {
    meta,
    head: inner.slice(0, middle).replace(/^<a [^\n]*\n\n/, ""),
    body: isEnded ? body : withoutTornEnd(body),
  };
}

/** A mark that was cut off would hide all that follows. */
function withoutTornEnd(body: string): string {
  const last = body.lastIndexOf("\n");
  return (END.startsWith(body.slice(last + 1)) ? body.slice(0, Math.max(0, last)) : body).trimEnd();
}

function isMeta(value: unknown): value is Meta {
  const { key, title, agents, stats } = (value ?? {}) as Partial<Meta>;
  return typeof key === "string" && typeof title === "string" && typeof agents === "number" &&
    Array.isArray(stats?.tokens) && typeof (stats.unknown && stats.secrets) === "object";
}

/** Whether a file holds nothing but what was read of it: no damage, and no words of a hand's. */
export function isAllRead({ cwd, fragments, around, isDamaged }: Digest): boolean {
  const [top = "", ...others] = around;
  const keys = new Set(fragments.map(({ meta }) => meta.key));
  if (isDamaged || cwd === undefined || keys.size < fragments.length) return false;
  if (others.some((text) => text.trim() !== "")) return false;
  const metas = fragments.map(({ meta }) => ({ meta, parts: [] }));
  return withoutNumbers(top) === withoutNumbers(textOf(writeDigest(cwd, metas, [])));
}

/** The top of a file without what may be otherwise in it for good reason. */
function withoutNumbers(top: string): string {
  return top.replace(/^[\d,]+ conversations? · .*$/m, "")
    .replace(/\(#c-\w+\)/g, "")
    .replace(/\n\nLeft out for their size, oldest first:\n\n(?:- .*\n)*/, "\n\n")
    .trim().replace(/\n{3,}/g, "\n\n");
}

/** JSON that ends no comment. */
function mark(value: unknown): string {
  return JSON.stringify(value).replace(/[<>-]/g, (letter) => ESCAPES[letter]!);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "-": "\\u002d",
};

function readMark(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A name for the place in the file: the same for the same conversation. */
function anchorOf(key: string): string {
  const [, current = key, number] = EARLIER.exec(key) ?? [];
  const name = current.replace(/^.*\//s, "").replace(/[^A-Za-z0-9]/g, "").slice(0, 32);
  return `c-${name}${number === undefined ? "" : `_${number}`}`;
}
