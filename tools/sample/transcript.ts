/**
 * Writes conversation logs the way Claude Code 2.1 does: one JSON document a line, linked by
 * `parentUuid`, with bookkeeping lines in between that have neither uuid nor time.
 *
 * @module
 */
import type { Random } from "./random.ts";

/** What one line says, besides what all lines of its kind carry. */
export type Fields = Readonly<Record<string, unknown>>;

/** A block of a message's content: text, thinking, a tool's use or result, an image. */
export type Block = Fields & { readonly type: string };

/** Where a conversation takes place. */
export interface Place {
  /** The working directory that its lines name. */
  readonly cwd: string;
  readonly branch: string;
  readonly version: string;
}

/** What tells a sub-agent's log from its parent's. */
export interface Sidechain {
  readonly agentId: string;
}

/** A conversation log that grows line by line. */
export class Transcript {
  readonly sessionId: string;
  readonly #random: Random;
  readonly #place: Place;
  readonly #sidechain: Sidechain | undefined;
  #lines: string[] = [];
  #bytes = 0;
  #parent: string | null = null;
  #time: number;

  /** `start` is the time of the first line, in milliseconds since 1970. */
  constructor(
    random: Random,
    place: Place,
    start: number,
    { sessionId = random.uuid(), sidechain }: { sessionId?: string; sidechain?: Sidechain } = {},
  ) {
    this.#random = random;
    this.#place = place;
    this.#time = start;
    this.sessionId = sessionId;
    this.#sidechain = sidechain;
  }

  /** About how long the log is by now; a little less where it is not plain ASCII. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Time of the newest line, in milliseconds since 1970. */
  get time(): number {
    return this.#time;
  }

  /** The whole log. */
  get text(): string {
    return this.#lines.join("");
  }

  /** The lines so far, for another conversation to replay. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** What the user, or a tool in the user's name, says. Answers the line's uuid. */
  user(content: string | readonly Block[], fields: Fields = {}): string {
    return this.#link("user", { message: { role: "user", content }, ...fields });
  }

  /** What Claude says: one line a block, as the log has it. Answers the last line's uuid. */
  assistant(blocks: readonly Block[], fields: Fields = {}): string {
    const id = `msg_01${this.#random.token(22)}`;
    const requestId = `req_011C${this.#random.token(20)}`;
    let uuid = "";
    for (const block of blocks) {
      uuid = this.#link("assistant", {
        message: {
          model: "claude-opus-4-6",
          id,
          type: "message",
          role: "assistant",
          content: [block],
          stop_reason: block.type === "tool_use" ? "tool_use" : null,
          stop_sequence: null,
          usage: this.#usage(),
        },
        requestId,
        ...fields,
      });
    }
    return uuid;
  }

  /** A use of a tool and what came of it. Answers the id that links the two. */
  tool(
    name: string,
    input: Fields,
    result: string | readonly Block[],
    toolUseResult: unknown,
    { is_error = false } = {},
  ): string {
    const id = `toolu_01${this.#random.token(22)}`;
    const call = this.assistant([{ type: "tool_use", id, name, input }]);
    this.user(
      [{ tool_use_id: id, type: "tool_result", content: result, ...(is_error && { is_error }) }],
      { toolUseResult, sourceToolAssistantUUID: call },
    );
    return id;
  }

  /** A note of the program: a compaction, a hook's summary, an error. */
  system(subtype: string, level: "info" | "warning" | "error", fields: Fields): string {
    return this.#link("system", { subtype, level, isMeta: false, ...fields });
  }

  /** What was handed to Claude next to a message. */
  attachment(type: string, fields: Fields): string {
    return this.#link("attachment", { attachment: { type, ...fields } });
  }

  /** How a tool or a sub-agent is getting on. Hangs off the log without being part of its chain. */
  progress(toolUseID: string, data: Fields): void {
    const parent = this.#parent;
    this.#link("progress", { data, toolUseID, parentToolUseID: toolUseID });
    this.#parent = parent;
  }

  /** A bookkeeping line. */
  note(type: string, fields: Fields): void {
    this.#push({ type, ...fields, sessionId: this.sessionId });
  }

  /** A line as it is, with nothing added. */
  raw(line: Fields): void {
    this.#push(line);
  }

  /** Lines of another conversation, as a resumed or forked one repeats them. */
  replay(lines: readonly string[]): void {
    for (const line of lines) {
      const { uuid } = JSON.parse(line) as { uuid?: string };
      this.#parent = uuid ?? this.#parent;
      this.#lines.push(line);
    }
  }

  /** Lets the next line start a new root, as after a compaction. Answers the uuid left behind. */
  cut(): string | null {
    const left = this.#parent;
    this.#parent = null;
    return left;
  }

  #link(type: string, fields: Fields): string {
    const uuid = this.#random.uuid();
    this.#time += this.#random.between(40, 9000);
    this.#push({
      parentUuid: this.#parent,
      isSidechain: this.#sidechain !== undefined,
      userType: "external",
      cwd: this.#place.cwd,
      sessionId: this.sessionId,
      version: this.#place.version,
      gitBranch: this.#place.branch,
      ...this.#sidechain,
      type,
      ...fields,
      uuid,
      timestamp: new Date(this.#time).toISOString(),
    });
    this.#parent = uuid;
    return uuid;
  }

  #push(line: Fields): void {
    const text = JSON.stringify(line) + "\n";
    this.#lines.push(text);
    this.#bytes += text.length;
  }

  #usage(): Fields {
    return {
      input_tokens: this.#random.between(3, 12),
      cache_creation_input_tokens: this.#random.between(200, 9000),
      cache_read_input_tokens: this.#random.between(14_000, 160_000),
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: this.#random.between(20, 1800),
      service_tier: "standard",
    };
  }
}
