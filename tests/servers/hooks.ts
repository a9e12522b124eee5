/**
 * A receiver of alerts and heartbeats on 127.0.0.1 that remembers what it was told, and answers as a
 * test wants it to.
 *
 * @module
 */

/** One request. */
export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
}

/** How it answers: a status, a redirect to a path, or never. */
export type Answering = number | { readonly to: string } | "hangs";

/** The receiver. */
export class Hooks implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #hanging: PromiseWithResolvers<Response>[] = [];
  /** All requests, the oldest first. */
  readonly received: Received[] = [];
  /** How the next requests are answered, one by one; the last goes for all that follow. */
  answers: Answering[] = [200];

  constructor() {
    const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#take(request));
  }

  /** The host, with its port. */
  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  /** The address of a path. */
  at(path: string): string {
    return `http://${this.host}${path}`;
  }

  /** The bodies, as JSON, since the last time that somebody asked. */
  take(): Record<string, unknown>[] {
    return this.received.splice(0).filter(({ body }) => body !== "")
      .map(({ body }) => JSON.parse(body));
  }

  async #take(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    this.received.push({ method, target: pathname + search, headers, body: await request.text() });
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    if (answer === "hangs") {
      const pending = Promise.withResolvers<Response>();
      this.#hanging.push(pending);
      return await pending.promise;
    }
    if (typeof answer === "number") return new Response(null, { status: answer });
    return new Response(null, { status: 302, headers: { location: answer.to } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { resolve } of this.#hanging) resolve(new Response());
    await this.#server.shutdown();
  }
}
