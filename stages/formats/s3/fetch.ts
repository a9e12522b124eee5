/**
 * Reads an object, and goes on where the connection broke off.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import { type S3Session, within } from "./client.ts";
import { isAnswer, isRefusal } from "./faults.ts";
import { pauseBefore } from "./retry.ts";

/** What is known of an object from its first byte on. */
export interface ObjectHead {
  readonly size: number;
  /** What its content is called: the rest must be of the same. */
  readonly etag: string | undefined;
}

/**
 * Reads all of an object, in order.
 *
 * @param take Gets each piece once, and how many bytes there are in all.
 * @throws {StageError} `snapshot-missing`, or what {@linkcode explainFault} makes of the rest.
 */
export async function readObject(
  session: S3Session,
  object: string,
  take: (bytes: Uint8Array, size: number) => Promise<void>,
): Promise<void> {
  let head: ObjectHead | undefined;
  let done = 0;
  for (let failures = 0;;) {
    const before = done;
    let isTaking = false;
    try {
      const { body, ...found } = await open(session, object, done, head);
      head ??= found;
      for await (const bytes of attentive(body, session.place.timeout)) {
        session.signal.throwIfAborted();
        isTaking = true;
        await take(bytes, head.size);
        isTaking = false;
        done += bytes.length;
      }
      if (done === head.size) return;
      throw new StageError(
        "destination-unreachable",
        `Cannot read "${object}": it ended after ${done} of ${head.size} bytes`,
      );
    } catch (error) {
      session.signal.throwIfAborted();
      failures = done > before ? 1 : failures + 1;
      const pause = pauseBefore(failures, { errorType: "TRANSIENT" }, Math.random(), 0);
      // The library has asked for the answer again itself; only its body is for us to mend.
      if (
        isTaking || isRefusal(error) || head === undefined || done > head.size ||
        pause === undefined
      ) {
        throw error;
      }
      session.log("debug", `Reads on in "${object}" after ${done} bytes`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

async function open(
  { client, library, place, address, signal }: S3Session,
  object: string,
  from: number,
  head: ObjectHead | undefined,
) {
  const command = new library.GetObjectCommand({
    Bucket: place.bucket,
    Key: object,
    ...(from > 0 && { Range: `bytes=${from}-` }),
    ...(from > 0 && head?.etag !== undefined && { IfMatch: head.etag }),
  });
  const answer = await client.send(command, within({ signal })).catch((error) => {
    if (!isAnswer(error, "NoSuchKey")) throw error;
    throw new StageError(
      "snapshot-missing",
      `Cannot fetch "${object}" from "${address}": there is no such file`,
      { hint: "Check that this is the right bucket and prefix" },
    );
  });
  const { Body, ContentLength, ContentRange, ETag } = answer;
  const start = Number(/^bytes (\d+)-/.exec(ContentRange ?? "")?.[1] ?? 0);
  if (start !== from || Body === undefined || ContentLength === undefined) {
    throw new StageError(
      "destination-refused",
      `Cannot fetch "${object}" from "${address}": the server does not answer what it was asked`,
      { hint: "Check endpoint" },
    );
  }
  return {
    size: start + ContentLength,
    etag: ETag,
    body: Body as AsyncIterable<Uint8Array> & Ending,
  };
}

/** A stream of the library's. */
interface Ending {
  destroy(error?: Error): unknown;
}

/** Ends a stream that has fallen silent: the connection may be gone without a word. */
async function* attentive(
  body: AsyncIterable<Uint8Array> & Ending,
  patience: number,
): AsyncIterable<Uint8Array> {
  const silence = Object.assign(new Error("The server has fallen silent"), {
    name: "TimeoutError",
  });
  const parts = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const waiting = Promise.withResolvers<never>();
      const timer = setTimeout(() => waiting.reject(silence), patience);
      try {
        const next = await Promise.race([parts.next(), waiting.promise]);
        if (next.done) return;
        clearTimeout(timer);
        yield next.value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    body.destroy();
  }
}
