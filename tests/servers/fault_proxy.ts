/**
 * A TCP proxy that stands between a client and a real server and does what networks do: cuts,
 * truncates, delays, and answers HTTP requests in the server's place. Any protocol goes through it;
 * answers need HTTP without TLS.
 *
 * ```ts
 * await using proxy = new FaultProxy(server.port);
 * proxy.arm();                                                    // nothing wrong, but counted
 * await operation(proxy.port);
 * const { up } = proxy.traffic;                                   // what the operation sends
 * proxy.arm({ kind: "cut", direction: "up", after: up / 2 });     // next time, half of that
 * proxy.arm({ kind: "answer", request: 1, status: 503, headers: { "retry-after": "1" } });
 * assert.equal(proxy.fired, 1);                                   // it did go wrong
 * ```
 *
 * @module
 */
import { HttpRequests, type RequestHead } from "./http_requests.ts";

/** Bytes from the client are going up, bytes from the server down. */
export type Direction = "up" | "down";

/** Where in the traffic something happens: counted over all connections, since it was armed. */
interface Point {
  readonly direction: Direction;
  /** Bytes that still get through. */
  readonly after: number;
  /** To how many connections it happens; one by default. */
  readonly times?: number;
}

/** What goes wrong. */
export type Fault =
  /** The connection ends, both ways at once. */
  | { readonly kind: "cut" } & Point
  /** The rest of this direction is swallowed, and the receiver sees an orderly end. */
  | { readonly kind: "truncate" } & Point
  /** Nothing gets through for so many milliseconds; `Infinity`: never again. */
  | { readonly kind: "delay"; readonly ms: number } & Point
  /** The server does not see the request: this is the answer. */
  | Answer;

/** An answer in the server's place. */
export interface Answer {
  readonly kind: "answer";
  /** The first request that gets it, from 0, of those that `matches` accepts. */
  readonly request?: number;
  /** How many get it; one by default. */
  readonly times?: number;
  readonly matches?: (head: RequestHead) => boolean;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What went through, since the proxy was armed. */
export interface Traffic {
  readonly up: number;
  readonly down: number;
  readonly connections: number;
  /** Heads of HTTP requests, those that were answered here too. */
  readonly requests: readonly RequestHead[];
}

/** A fault with what is left of it. */
interface Armed<F extends Fault = Fault> {
  readonly fault: F;
  left: number;
  seen: number;
}

/** One connection: the client's end and the server's. */
interface Link {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Directions in which nothing is passed on any more. */
  readonly muted: Set<Direction>;
  /** Faults that this connection has met. */
  readonly met: Set<Armed>;
}

/** Listens on 127.0.0.1 until it is disposed of. */
export class FaultProxy implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #links = new Set<Link>();
  readonly #serving: Promise<void>;
  readonly #stop = new AbortController();
  #armed: Armed[] = [];
  #traffic = { up: 0, down: 0, connections: 0, requests: [] as RequestHead[] };
  #fired = 0;
  #first = Promise.withResolvers<void>();

  /** @param target Port of the server, on 127.0.0.1. */
  constructor(target: number) {
    this.#target = target;
    this.#serving = this.#serve();
  }

  /** Where clients connect to. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** What went through since the last `arm`. */
  get traffic(): Traffic {
    return this.#traffic;
  }

  /** How often something went wrong since the last `arm`. */
  get fired(): number {
    return this.#fired;
  }

  /** Resolves when the first thing went wrong since the last `arm`. */
  get happened(): Promise<void> {
    return this.#first.promise;
  }

  /** Lets these things go wrong from now on, and no others; counts from nought. */
  arm(...faults: readonly Fault[]): void {
    this.#armed = faults.map((fault) => ({ fault, left: fault.times ?? 1, seen: 0 }));
    this.#traffic = { up: 0, down: 0, connections: 0, requests: [] };
    this.#fired = 0;
    this.#first = Promise.withResolvers();
  }

  /** Lets nothing go wrong any more; what has is still counted. */
  disarm(): void {
    this.#armed = [];
  }

  /** Ends every connection that is open, as a network does that goes away. */
  cutAll(): void {
    for (const link of this.#links) close(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#listener.close();
    this.cutAll();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const open: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) open.push(this.#connect(client));
    } catch {
      // Closed while it was accepting.
    }
    await Promise.all(open);
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    this.#traffic.connections++;
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch {
      client.close(); // The server is down: so is what stands before it.
      return;
    }
    const link: Link = { client, server, muted: new Set(), met: new Set() };
    this.#links.add(link);
    const requests = new HttpRequests();
    await Promise.all([
      this.#pump(link, "up", requests),
      this.#pump(link, "down", requests),
    ]);
    close(link);
    this.#links.delete(link);
  }

  async #pump(link: Link, direction: Direction, requests: HttpRequests): Promise<void> {
    const [from, to] = direction === "up" ? [link.client, link.server] : [link.server, link.client];
    const buffer = new Uint8Array(1 << 16);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const bytes = buffer.subarray(0, count);
        if (link.muted.has(direction)) continue;
        if (direction === "down") await this.#pass(link, "down", bytes);
        else await this.#passRequests(link, bytes, requests);
      }
      if (!link.muted.has(direction)) await to.closeWrite();
    } catch {
      close(link); // One of the two has hung up.
    }
  }

  /** Passes on what a client sends, but for requests that are answered here. */
  async #passRequests(link: Link, bytes: Uint8Array, requests: HttpRequests): Promise<void> {
    for (const { head, part } of requests.take(bytes)) {
      const answer = head && this.#answerTo(head);
      if (answer === undefined) await this.#pass(link, "up", part);
      else {
        // What is left of the request goes nowhere, and the answer is all there is.
        link.muted.add("up").add("down");
        await write(link.client, new TextEncoder().encode(render(answer)));
        await link.client.closeWrite();
        link.server.close();
      }
      if (link.muted.has("up")) return;
    }
  }

  #answerTo(head: RequestHead): Answer | undefined {
    this.#traffic.requests.push(head);
    for (const armed of this.#armed) {
      const { fault } = armed;
      if (fault.kind !== "answer" || !(fault.matches?.(head) ?? true)) continue;
      if (armed.seen++ < (fault.request ?? 0) || armed.left <= 0) continue;
      armed.left--;
      this.#fired++;
      this.#first.resolve();
      return fault;
    }
  }

  async #pass(link: Link, direction: Direction, bytes: Uint8Array): Promise<void> {
    const to = direction === "up" ? link.server : link.client;
    for (let rest = bytes; rest.length > 0 && !link.muted.has(direction);) {
      const done = this.#traffic[direction];
      const next = this.#next(link, direction, done + rest.length);
      const room = next === undefined ? rest.length : Math.max(0, next.fault.after - done);
      const part = rest.subarray(0, room);
      this.#traffic[direction] += part.length;
      if (part.length > 0) await write(to, part);
      rest = rest.subarray(room);
      if (next !== undefined) await this.#happen(next, link);
    }
  }

  /** The first thing to go wrong before so many bytes are through. */
  #next(link: Link, direction: Direction, end: number): Armed<Fault & Point> | undefined {
    const candidates = this.#armed.filter((armed): armed is Armed<Fault & Point> =>
      armed.fault.kind !== "answer" && armed.fault.direction === direction && armed.left > 0 &&
      armed.fault.after < end && !link.met.has(armed)
    );
    return candidates.sort((a, b) => a.fault.after - b.fault.after)[0];
  }

  async #happen(armed: Armed<Fault & Point>, link: Link): Promise<void> {
    const { fault } = armed;
    armed.left--;
    link.met.add(armed);
    this.#fired++;
    this.#first.resolve();
    if (fault.kind === "delay") return await pause(fault.ms, this.#stop.signal);
    link.muted.add(fault.direction);
    if (fault.kind === "cut") {
      link.muted.add("up").add("down");
      close(link);
    } else await (fault.direction === "up" ? link.server : link.client).closeWrite();
  }
}

async function write(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
}

function close({ client, server }: Pick<Link, "client" | "server">): void {
  for (const end of [client, server]) {
    try {
      end.close();
    } catch {
      // Closed before.
    }
  }
}

/** This is what is being tested with, not waited for: a delay is a fault. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined;
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

function render({ status, headers = {}, body = "" }: Answer): string {
  const lines = Object.entries({
    "content-length": String(new TextEncoder().encode(body).length),
    "connection": "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Fault\r\n${lines.join("")}\r\n${body}`;
}
