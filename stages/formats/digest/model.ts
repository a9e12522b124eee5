/**
 * What a conversation is made of, between its logs and its Markdown.
 *
 * @module
 */

/** How much is shown of what tools were asked and answered. */
export type Tools = "none" | "short" | "full";

/** Letters that are shown of a text that is not shown whole. */
export const SHOWN = 400;

/** Letters that are kept of it, so that a secret in those that are shown is seen as one. */
export const WINDOW = 700;

/** Some text of a log, with the line that it stands in. Secrets in it are replaced in place. */
export interface Piece {
  text: string;
  readonly line: number;
  /** Whether it stands elsewhere too, where its secrets are counted. */
  readonly again?: boolean;
  /** Whether it is the beginning of a longer text, whose end may be the half of a secret. */
  readonly isCut?: boolean;
}

/** What a tool answered. */
export interface Result {
  readonly piece: Piece;
  readonly failed: boolean;
  readonly images: number;
}

/** A tool that was called, with what it answered. */
export interface Call {
  readonly kind: "call";
  readonly time: string;
  readonly id: string;
  readonly name: Piece;
  readonly input: Piece;
  result?: Result;
  /** The sub-agent that did it, where the answer says so. */
  agent?: string;
  /** Tells the prompt that a sub-agent was given. */
  asked?: string;
  /** What a sub-agent did for it whose lines stand in the same log, and the uuid of the newest. */
  inner?: Entry[];
  tip?: string;
}

/** Such a sub-agent, where no call of it is known. */
export interface InlineAgent {
  readonly kind: "agent";
  readonly time: string;
  inner?: Entry[];
  tip?: string;
}

/** One thing that was said or done. `time` is in ISO form, empty when it is not known. */
export type Entry =
  | {
    readonly kind: "user" | "steering";
    readonly time: string;
    readonly piece: Piece;
    readonly images: number;
  }
  | {
    readonly kind: "assistant" | "thinking" | "output";
    readonly time: string;
    readonly piece: Piece;
  }
  | {
    readonly kind: "note";
    readonly time: string;
    readonly label: string;
    readonly piece: Piece;
  }
  | {
    readonly kind: "folded";
    readonly time: string;
    readonly title: Piece;
    readonly piece: Piece;
    /** Whether Claude says it. */
    readonly isClaude?: true;
  }
  /** A prompt that waited; gone when it turns up as one. */
  | {
    readonly kind: "queued";
    readonly time: string;
    readonly piece: Piece;
    readonly original: string;
  }
  | Call
  | InlineAgent
  /** An answer to a call that is not known, or long settled: then it has the name of that. */
  | {
    readonly kind: "result";
    readonly time: string;
    readonly name?: Piece;
    readonly result: Result;
  };

/** What is counted in a log. Lines that another log had before count as repeated, and for no more. */
export interface LogStats {
  lines: number;
  broken: number;
  /** Of the broken ones, a last one that is still being written. */
  unfinished: number;
  /** The numbers of those that were too long to be read. */
  oversized: number[];
  repeated: number;
  prompts: number;
  answers: number;
  calls: number;
  images: number;
  compactions: number;
  /** Input, output, written to the cache, read from it. */
  tokens: number[];
  /** Lines, blocks and attachments of types that are not known, by shape. */
  unknown: Record<string, number>;
  /** Secrets, by rule and line: `github 12`. */
  secrets: Record<string, number>;
}

/** Tells texts apart without keeping them (FNV-1a). */
export function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return `${text.length}:${hash.toString(36)}`;
}

/** Nothing counted yet. */
export function newStats(): LogStats {
  return {
    ...{
      lines: 0,
      broken: 0,
      unfinished: 0,
      repeated: 0,
      prompts: 0,
      answers: 0,
      calls: 0,
      images: 0,
    },
    compactions: 0,
    oversized: [],
    tokens: [0, 0, 0, 0],
    unknown: {},
    secrets: {},
  };
}

/** Counts one more, or some. */
export function add(counts: Record<string, number>, key: string, count = 1): void {
  counts[key] = (Object.hasOwn(counts, key) ? counts[key]! : 0) + count;
}

/** All that was counted in several logs. */
export function sumStats(all: readonly LogStats[]): LogStats {
  const sum = newStats();
  for (const stats of all) {
    for (const key of COUNTS) sum[key] += stats[key];
    sum.tokens = sum.tokens.map((tokens, i) => tokens + (stats.tokens[i] ?? 0));
    // What stands in a digest may be of a time when these were not counted.
    sum.oversized.push(...stats.oversized ?? []);
    for (const [shape, count] of Object.entries(stats.unknown)) add(sum.unknown, shape, count);
    for (const [secret, count] of Object.entries(stats.secrets)) add(sum.secrets, secret, count);
  }
  return sum;
}

const COUNTS = [
  "lines",
  "broken",
  "unfinished",
  "repeated",
  "prompts",
  "answers",
  "calls",
  "images",
  "compactions",
] as const;
