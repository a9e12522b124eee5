/** Secrets in files that are searched in parts. */
import { deepEqual } from "node:assert/strict";
import search from "../../../../stages/formats/secrets/search.ts";
import { tarOf } from "../tar/tar_bytes.ts";
import { makeCanaries } from "./canaries.ts";

const KINDS = ["api key in JSON", "bearer token", "npmrc token"];

for (const kind of KINDS) {
  Deno.test(`a secret is found wherever a part of its file ends: ${kind}`, async () => {
    const { text } = makeCanaries().find((canary) => canary.kind === kind)!;
    const line = `${text}\n`;
    const before = 2 ** 20 - 2 ** 15 - 2 ** 16;
    for (const shift of [0, 19]) {
      // Where a part ends, all is full of them.
      const count = Math.floor(2 ** 17 / line.length);
      const content = "\n".repeat(before + shift) + line.repeat(count) + "\n".repeat(2 ** 16);
      const archive = tarOf([{ path: "a.txt", content }]);
      const found = await search.run({
        input: inPieces(archive, 50_000),
        codec: "none",
        key: new Uint8Array(32),
        signal: new AbortController().signal,
      });
      const first = before + shift + 1;
      deepEqual(found.map(({ line, count }) => [line, count]), [[first, count]], `${shift}`);
    }
  });
}

async function* inPieces(bytes: Uint8Array<ArrayBuffer>, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
