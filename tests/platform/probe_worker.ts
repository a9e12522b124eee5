/**
 * Runs what it is sent, once, and answers what came of it.
 *
 * @module
 */
/// <reference lib="deno.worker" />

self.addEventListener("message", async ({ data: { code, args } }: MessageEvent) => {
  try {
    // The tests send functions of their own as text: a worker shares no code with them.
    // deno-lint-ignore no-eval
    self.postMessage({ answer: await (0, eval)(`(${code})`)(...args) });
  } catch (error) {
    const { name, message } = error as Error;
    self.postMessage({ error: name, says: message });
  }
});
