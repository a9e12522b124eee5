/**
 * Finds where HTTP/1.1 requests begin in the bytes of a connection, without touching them. What is
 * no HTTP is passed on as it is.
 *
 * @module
 */

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Bytes as they came; with `head`, a request begins with them. */
export interface RequestPart {
  readonly head: RequestHead | undefined;
  readonly part: Uint8Array;
}

/** What is expected next. */
type State = "head" | "body" | "chunk-size" | "chunk" | "trailer" | "opaque";

/** Takes the bytes of one connection, in any pieces. */
export class HttpRequests {
  #state: State = "head";
  /** Bytes of the body, or of a chunk with its end of line, that are still to come. */
  #left = 0;
  #line = "";

  /** Cuts the bytes where requests begin. Of a head that is not whole, nothing is given yet. */
  take(bytes: Uint8Array): RequestPart[] {
    const parts: RequestPart[] = [];
    for (let rest = bytes; rest.length > 0;) {
      const { part, head, used } = this.#step(rest);
      if (part.length > 0) parts.push({ head, part });
      rest = rest.subarray(used);
    }
    return parts;
  }

  #step(rest: Uint8Array): RequestPart & { readonly used: number } {
    switch (this.#state) {
      case "head":
        return this.#stepHead(rest);
      case "opaque":
        return { head: undefined, part: rest, used: rest.length };
      case "body":
      case "chunk": {
        const part = rest.subarray(0, this.#left);
        this.#left -= part.length;
        if (this.#left === 0) this.#state = this.#state === "body" ? "head" : "chunk-size";
        return { head: undefined, part, used: part.length };
      }
      default: {
        const end = rest.indexOf(0x0a) + 1;
        const part = rest.subarray(0, end || rest.length);
        this.#line += decode(part);
        if (end > 0) this.#endLine(this.#line.trimEnd());
        return { head: undefined, part, used: part.length };
      }
    }
  }

  #endLine(line: string): void {
    this.#line = "";
    if (this.#state === "trailer") {
      if (line === "") this.#state = "head";
      return;
    }
    const size = parseInt(line, 16);
    this.#state = size > 0 ? "chunk" : "trailer";
    this.#left = size + 2;
  }

  #stepHead(rest: Uint8Array): RequestPart & { readonly used: number } {
    const before = this.#line.length;
    this.#line += decode(rest);
    if (!/^[A-Z]{0,10}( |$)/.test(this.#line)) {
      this.#state = "opaque";
      return { head: undefined, part: encode(this.#line), used: rest.length };
    }
    const end = this.#line.indexOf("\r\n\r\n");
    if (end < 0) return { head: undefined, part: rest.subarray(0, 0), used: rest.length };
    const text = this.#line.slice(0, end + 4);
    this.#line = "";
    const head = parseHead(text);
    const { "transfer-encoding": coding, "content-length": length = "0" } = head.headers;
    this.#left = Number(length);
    this.#state = coding?.includes("chunked") ? "chunk-size" : this.#left > 0 ? "body" : "head";
    return { head, part: encode(text), used: text.length - before };
  }
}

function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.trimEnd().split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers = lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
  });
  return { method, target, headers: Object.fromEntries(headers) };
}

/** One character a byte: nothing is lost on the way there and back. */
function decode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function encode(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
