/**
 * One request, to the host that its address names and to no other.
 *
 * Not `fetch`, which goes through whatever proxy the environment names: that would hear addresses
 * that are secrets, and stands in no grant. Deno 2.9 has no client without (of its proxies, `tcp`
 * sends `https:` in clear), and `node:https` asks for rights besides the network where
 * `NODE_EXTRA_CA_CERTS` is set.
 *
 * @module
 */

/** What to ask for. */
export interface Request {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/**
 * Sends a request by HTTP/1.1 (RFC 9112) and answers with the status. No redirect is followed, and
 * what else is answered is not read.
 *
 * @param timeout Milliseconds for all of it.
 * @throws {DOMException} `TimeoutError`.
 * @throws {Error} What the system, TLS or the answer has against it.
 */
export async function statusOf(request: Request, timeout: number): Promise<number> {
  const address = new URL(request.url);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new DOMException("It takes too long", "TimeoutError")),
    timeout,
  );
  const opened = connect(address);
  try {
    const connection = await Promise.race([opened, late.promise]);
    return await Promise.race([ask(connection, address, request), late.promise]);
  } finally {
    clearTimeout(timer);
    opened.then((connection) => connection.close(), () => {});
  }
}

async function connect({ protocol, hostname, port }: URL): Promise<Deno.Conn> {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (protocol === "http:") {
    return await Deno.connect({ hostname: host, port: Number(port || 80) });
  }
  if (protocol !== "https:") throw new TypeError(`Cannot use "${protocol}"`);
  const connection = await Deno.connectTls({ hostname: host, port: Number(port || 443) });
  try {
    await connection.handshake();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function ask(
  connection: Deno.Conn,
  { host, pathname, search }: URL,
  { method, headers, body }: Request,
): Promise<number> {
  const bytes = new TextEncoder().encode(body ?? "");
  const all = {
    host,
    accept: "*/*",
    // There are receivers that turn away who has none.
    "user-agent": "keepsake",
    connection: "close",
    ...(body !== undefined && { "content-length": bytes.length }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`;
  const sent = send(connection, [new TextEncoder().encode(head), bytes]);
  // Who refuses a body may have answered before it has all of it: the answer is what counts.
  sent.catch(() => {});
  return await readStatus(connection);
}

async function send(connection: Deno.Conn, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    for (let rest = part; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
  }
}

/** More than any receiver says before it comes to the point. */
const LONGEST = 64 * 1024;

async function readStatus(connection: Deno.Conn): Promise<number> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let length = 0; length < LONGEST;) {
    const count = await connection.read(buffer);
    if (count === null) break;
    length += count;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    // Answers with 1xx are followed by the one that counts.
    text = text.replace(/^(?:HTTP\/1\.\d 1\d\d\b.*?\r?\n\r?\n)+/s, "");
    const [, status] = /^HTTP\/1\.\d ([2-9]\d\d)\b[^\n]*\n/.exec(text) ?? [];
    if (status !== undefined) return Number(status);
  }
  throw new TypeError("It does not answer as HTTP has it");
}
