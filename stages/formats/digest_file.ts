/**
 * The digest of a project, as a Markdown file that can be read again: what was written once stays,
 * whether or not its logs are still there. Marks between the conversations, which no text of a
 * conversation can hold, carry what the file does not show.
 *
 * @module
 */
import { type LogStats, sumStats } from "./conversation_model.ts";
import { sayTime, sayTokens } from "./conversation_view.ts";
import { codeSpan, plainLine, shorten } from "./markdown_text.ts";

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
    const day = last === undefined ? "" : sayTime(last);
    return `| ${day} | ${link} | ${stats.prompts} | ${stats.answers} | ${stats.calls} |`;
  });
  const out = leftOut.map(({ title, last }) =>
    `- ${last === undefined ? "" : `${sayTime(last)} `}${plainLine(shorten(title, 80))}`
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

/** What a file holds; nothing of one that is not as it was written. */
export function readDigest(text: string): {
  readonly cwd: string | undefined;
  readonly fragments: readonly Fragment[];
} {
  const project = text.startsWith(PROJECT)
    ? readMark(text.slice(PROJECT.length, text.indexOf(CLOSE)))
    : undefined;
  const fragments: Fragment[] = [];
  for (let at = text.indexOf(`\n${CONVERSATION}`); at >= 0;) {
    const start = at + 1 + CONVERSATION.length;
    const close = text.indexOf(`${CLOSE}\n`, start);
    const end = text.indexOf(`\n${END}\n`, start);
    if (close < 0 || end < 0) break;
    const inner = text.slice(close + CLOSE.length + 1, end);
    const middle = inner.indexOf(`\n\n${BODY}\n`);
    const meta = readMark(text.slice(start, close)) as Meta | undefined;
    if (meta !== undefined && typeof meta.key === "string" && middle >= 0) {
      fragments.push({
        meta,
        head: inner.slice(0, middle).replace(/^<a [^\n]*\n\n/, ""),
        body: inner.slice(middle + BODY.length + 3),
      });
    }
    at = text.indexOf(`\n${CONVERSATION}`, end);
  }
  const cwd = (project as { cwd?: unknown } | undefined)?.cwd;
  return { cwd: typeof cwd === "string" ? cwd : undefined, fragments };
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
