/** The proxy itself: what it lets through is what was sent, and what it breaks is broken. */
import assert from "node:assert/strict";
import { type Fault, FaultProxy } from "./fault_proxy.ts";

Deno.test("the proxy passes everything on, both ways, and counts it", async () => {
  await using place = new Place();
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  assert.deepEqual(await place.echo(noise), { status: 200, body: noise });
  assert.deepEqual(await place.echo(new Uint8Array()), { status: 200, body: new Uint8Array() });
  const { up, down, requests } = place.proxy.traffic;
  assert.ok(up > 60_000 && down > 60_000, `${up} ${down}`);
  assert.deepEqual(requests.map(({ method, target }) => `${method} ${target}`), [
    "POST /echo?x=1",
    "POST /echo?x=1",
  ]);
  assert.equal(place.proxy.fired, 0);
});

Deno.test("the proxy finds requests whose bodies come in chunks", async () => {
  await using place = new Place();
  const chunks = ["a".repeat(10), "GET / HTTP/1.1\r\n\r\n", "b".repeat(70_000)];
  const body = ReadableStream.from(chunks).pipeThrough(new TextEncoderStream());
  const response = await fetch(place.url, { method: "POST", body });
  assert.equal(await response.text(), chunks.join(""));
  await place.echo(new Uint8Array(3));
  assert.equal(place.proxy.traffic.requests.length, 2);
});

Deno.test("the proxy passes on what is no HTTP", async () => {
  await using place = new RawPlace();
  const client = await Deno.connect({ port: place.proxy.port });
  for (const line of ["SSH-2.0-x\r\n", "\x00\x01\xff"]) {
    const bytes = Uint8Array.from(line, (character) => character.charCodeAt(0));
    await client.write(bytes);
    const buffer = new Uint8Array(100);
    const count = await client.read(buffer);
    assert.deepEqual(buffer.subarray(0, count ?? 0), bytes);
  }
  client.close();
});

for (
  const [what, fault] of [
    ["cuts what is sent", { kind: "cut", direction: "up", after: 5_000 }],
    ["cuts what comes back", { kind: "cut", direction: "down", after: 50 }],
    ["cuts before the first byte", { kind: "cut", direction: "up", after: 0 }],
    ["truncates what is sent", { kind: "truncate", direction: "up", after: 5_000 }],
    ["truncates what comes back", { kind: "truncate", direction: "down", after: 5_000 }],
    ["holds back what comes", { kind: "delay", direction: "down", after: 0, ms: Infinity }],
  ] satisfies [string, Fault][]
) {
  Deno.test(`the proxy ${what}, at the byte and once`, async () => {
    await using place = new Place();
    place.proxy.arm(fault);
    const echo = place.echo(new Uint8Array(20_000), AbortSignal.timeout(200));
    // The server, too, may see that a request is not whole, and say so.
    assert.notEqual(await echo.then(({ status }) => status, () => undefined), 200);
    const { kind, direction, after } = fault;
    if (kind !== "delay") assert.equal(place.proxy.traffic[direction], after);
    assert.equal(place.proxy.fired, 1);
    assert.equal((await place.echo(new Uint8Array(20_000))).status, 200);
  });
}

Deno.test("the proxy answers in the server's place, the request that is meant", async () => {
  await using place = new Place();
  const headers = { "retry-after": "7" };
  place.proxy.arm({ kind: "answer", request: 1, times: 2, status: 503, headers, body: "no" });
  const statuses: number[] = [];
  for (let round = 0; round < 4; round++) {
    const response = await fetch(place.url, { method: "POST", body: new Uint8Array(300_000) });
    statuses.push(response.status);
    if (response.status === 503) assert.equal(response.headers.get("retry-after"), "7");
    await response.body?.cancel();
  }
  assert.deepEqual(statuses, [200, 503, 503, 200]);
  assert.equal(place.served, 2);
});

Deno.test("the proxy of a server that is down hangs up", async () => {
  await using place = new Place();
  await place.server.shutdown();
  await assert.rejects(place.echo(new Uint8Array(1)));
});

/** An HTTP server that gives back what it gets, behind a proxy. */
class Place implements AsyncDisposable {
  served = 0;
  readonly server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      onError: () => new Response("", { status: 400 }),
    },
    async (request) => {
      const body = await request.arrayBuffer();
      this.served++;
      return new Response(body);
    },
  );
  readonly proxy = new FaultProxy(this.server.addr.port);

  get url(): string {
    return `http://127.0.0.1:${this.proxy.port}/echo?x=1`;
  }

  async echo(body: Uint8Array<ArrayBuffer>, signal?: AbortSignal) {
    const response = await fetch(this.url, { method: "POST", body, ...(signal && { signal }) });
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.server.shutdown();
  }
}

/** A TCP server that gives back what it gets, behind a proxy. */
class RawPlace implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving = this.#serve();
  readonly proxy = new FaultProxy(this.#listener.addr.port);

  async #serve(): Promise<void> {
    try {
      for await (const conn of this.#listener) await conn.readable.pipeTo(conn.writable);
    } catch {
      // Closed while it was accepting.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    this.#listener.close();
    await this.#serving;
  }
}
