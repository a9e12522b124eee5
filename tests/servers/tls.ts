/**
 * TLS in front of a server that has none: a listener with a certificate that only those trust who
 * know the authority made here.
 *
 * @module
 */
import { join } from "node:path";

/** Why there can be none here: the end of a test's name; empty where there can. */
export const unlessTls: string = await missing();

/** Passes on what comes by TLS. */
export class TlsFront implements AsyncDisposable {
  readonly port: number;
  /** File with the certificate of the authority. */
  readonly authority: string;
  readonly #folder: string;
  readonly #listener: Deno.TlsListener;

  private constructor(folder: string, listener: Deno.TlsListener) {
    this.#folder = folder;
    this.#listener = listener;
    this.port = (listener.addr as Deno.NetAddr).port;
    this.authority = join(folder, "authority.pem");
  }

  /** Starts one on 127.0.0.1, for that port there. */
  static async start(port: number): Promise<TlsFront> {
    const folder = await Deno.makeTempDir({ prefix: "keepsake-tls-" });
    const at = (name: string) => join(folder, name);
    await Deno.writeTextFile(at("server.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    const key = ["-newkey", "rsa:2048", "-nodes"];
    const authority = ["-x509", ...key, "-keyout", at("authority.key"), "-out"];
    await openssl("req", ...authority, at("authority.pem"), "-days", "2", "-subj", "/CN=Test");
    const request = [...key, "-keyout", at("server.key"), "-out", at("server.csr")];
    await openssl("req", ...request, "-subj", "/CN=localhost");
    const signer = ["-CA", at("authority.pem"), "-CAkey", at("authority.key"), "-CAcreateserial"];
    const names = ["-extfile", at("server.ext"), "-days", "2", "-out", at("server.pem")];
    await openssl("x509", "-req", "-in", at("server.csr"), ...signer, ...names);
    const front = new TlsFront(
      folder,
      Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        cert: await Deno.readTextFile(at("server.pem")),
        key: await Deno.readTextFile(at("server.key")),
      }),
    );
    void front.#accept(port);
    return front;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #accept(port: number): Promise<void> {
    for await (const inner of this.#listener) void pass(inner, port).catch(() => {});
  }
}

async function pass(inner: Deno.TlsConn, port: number): Promise<void> {
  const outer = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.allSettled([
    inner.readable.pipeTo(outer.writable),
    outer.readable.pipeTo(inner.writable),
  ]);
}

async function openssl(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

async function missing(): Promise<string> {
  const isThere = await openssl("version").then(() => true, () => false);
  return isThere ? "" : " (ignored: openssl is not installed)";
}
