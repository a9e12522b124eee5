import { deepEqual, equal, rejects } from "node:assert/strict";
import type { S3Session } from "../../../../stages/formats/s3/client.ts";
import { isThere, objectsOf } from "../../../../stages/formats/s3/list.ts";

/** A server whose pages say in turn that the listing goes on there; the last of them for ever. */
function serverOf(...tokens: readonly (string | undefined)[]) {
  let asked = 0;
  let size: number | undefined;
  const send = () => {
    if (asked > 100) throw new Error("It is asked without end");
    const token = tokens.at(Math.min(asked, tokens.length - 1));
    const page = {
      Name: "backups",
      Contents: [{ Key: `${asked++}`, ...(size !== undefined && { Size: size }) }],
      IsTruncated: token !== undefined,
      ...(token !== undefined && { NextContinuationToken: token }),
    };
    return Promise.resolve(page);
  };
  const session = {
    client: { send },
    library: { ListObjectsV2Command: class {} },
    place: { bucket: "backups" },
    address: "s3://backups/",
    signal: new AbortController().signal,
  } as unknown as S3Session;
  const sized = (bytes: number) => {
    size = bytes;
    return session;
  };
  return { session, asked: () => asked, sized };
}

async function namesOf(session: S3Session): Promise<string[]> {
  const names: string[] = [];
  for await (const { Key } of objectsOf(session, "")) names.push(Key!);
  return names;
}

Deno.test("a listing goes on for as long as the server says where", async () => {
  deepEqual(await namesOf(serverOf("a", "b", "c", undefined).session), ["0", "1", "2", "3"]);
  deepEqual(await namesOf(serverOf(undefined).session), ["0"]);
});

Deno.test("a listing that goes in circles ends, whatever the length of the circle", async () => {
  for (const circle of [["a"], ["a", "b"], ["a", "b", "c", "d"], [""]]) {
    const { session, asked } = serverOf(...circle, ...circle, ...circle);
    await rejects(namesOf(session), {
      code: "destination-unreachable",
      message: 'Cannot list "s3://backups/": the server\'s listing goes in circles',
    });
    equal(asked(), circle.length + 1);
  }
});

Deno.test("a size that is none is no size to go by", async () => {
  for (const size of [NaN, -5, Infinity, 0.5]) {
    await rejects(namesOf(serverOf(undefined).sized(size)), {
      code: "destination-unreachable",
      message: 'Cannot list "s3://backups/": the server lists a file with a size that is none',
    });
  }
  deepEqual(await namesOf(serverOf(undefined).sized(0)), ["0"]);
});

Deno.test("an object whose name goes on is another one", async () => {
  deepEqual(await isThere(serverOf(undefined).session, "0"), true);
  deepEqual(await isThere(serverOf(undefined).session, ""), false);
});
