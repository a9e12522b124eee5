/**
 * Puts what stands between the contents of a tar into a stream.
 *
 * @module
 */
import type { ByteSink } from "../../contract.ts";
import { type TarFields, tarHeader } from "./write.ts";

/** Puts a header. */
export async function putHeader(output: ByteSink, fields: TarFields): Promise<void> {
  const header = tarHeader(fields);
  const space = output.space();
  if (header.length > space.length) return await output.write(header);
  space.set(header);
  await output.commit(header.length);
}

/** Puts padding, or an archive's end. */
export async function putZeros(output: ByteSink, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const space = output.space();
    const length = Math.min(left, space.length);
    space.fill(0, 0, length);
    await output.commit(length);
    left -= length;
  }
}
