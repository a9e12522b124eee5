/**
 * What a bucket holds, page by page. An answer that is no listing is never taken for an empty one.
 *
 * @module
 */
import type { _Object, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { StageError } from "../../errors.ts";
import { type S3Session, within } from "./client.ts";

/** Every object whose name begins like that. */
export async function* objectsOf(session: S3Session, prefix: string): AsyncIterable<_Object> {
  const before = new Set<string | undefined>();
  let token: string | undefined;
  do {
    const page = await list(session, { Prefix: prefix, ContinuationToken: token });
    const { Contents = [], IsTruncated, NextContinuationToken } = page;
    if (!Contents.every(({ Size = 0 }) => Number.isSafeInteger(Size) && Size >= 0)) {
      throw alien(session, "the server lists a file with a size that is none");
    }
    yield* Contents;
    token = IsTruncated ? NextContinuationToken : undefined;
    if (IsTruncated && token === undefined) {
      throw alien(session, "the server does not say where its listing goes on");
    }
    if (before.has(token)) throw alien(session, "the server's listing goes in circles");
    before.add(token);
  } while (token !== undefined);
}

/** Whether there is an object of that name. Unlike other ways to ask, it gives a reason for a no. */
export async function isThere(session: S3Session, object: string): Promise<boolean> {
  const { Contents = [] } = await list(session, { Prefix: object, MaxKeys: 1 });
  return Contents[0]?.Key === object;
}

async function list(
  session: S3Session,
  asked: {
    readonly Prefix: string;
    readonly MaxKeys?: number;
    readonly ContinuationToken?: string | undefined;
  },
): Promise<ListObjectsV2CommandOutput> {
  const { client, library, place } = session;
  const command = new library.ListObjectsV2Command({ Bucket: place.bucket, ...asked });
  const page = await client.send(command, within(session));
  session.alive?.();
  // Where one has to sign in to the network, every request is answered with a page of HTML.
  if (page.Name === place.bucket) return page;
  throw alien(session, "the answer is not that of an S3 server");
}

function alien({ address }: S3Session, state: string): StageError {
  return new StageError("destination-unreachable", `Cannot list "${address}": ${state}`, {
    hint: "Check endpoint, and whether the network asks to sign in",
  });
}
