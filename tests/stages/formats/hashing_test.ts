import assert from "node:assert/strict";
import fc from "fast-check";
import { Hashing } from "../../../stages/formats/hashing.ts";

Deno.test("a content hash is XXH64, padded, and may be told on the way", async () => {
  const hashing = await Hashing.quick();
  const hash = hashing.begin();
  assert.equal(hash.digest(), "ef46db3751d8e999");
  hash.update(new TextEncoder().encode("a"));
  assert.equal(hash.digest(), "d24ec4f1a98c6e5b");
  hash.update(new TextEncoder().encode("bc"));
  assert.equal(hash.digest(), "44bc2cf5ad770999");
});

Deno.test("a content hash is the same however the content comes", async () => {
  const hashing = await Hashing.quick();
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(fc.array(bytes, { maxLength: 6 }), (pieces) => {
    const [whole, parts] = [hashing.begin(), hashing.begin()];
    whole.update(Uint8Array.from(pieces.flatMap((piece) => [...piece])));
    for (const piece of pieces) {
      parts.digest();
      parts.update(piece);
    }
    assert.equal(parts.digest(), whole.digest());
  }));
});
