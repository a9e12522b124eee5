/**
 * Runs as a worker: rewrites files without a rest, each time with one letter throughout, appends to
 * a log of numbered lines, and makes, renames and removes others.
 *
 * @module
 */
/// <reference lib="deno.worker" />

self.addEventListener("message", ({ data: folder }: MessageEvent<string>) => {
  let round = 0;
  const step = () => {
    for (let index = 0; index < 3; index++) {
      const letter = String.fromCharCode(97 + (round + index) % 26);
      Deno.writeTextFileSync(`${folder}/rewritten-${index}`, letter.repeat(40_000 + round % 7));
    }
    const line = `${round} ${"x".repeat(round % 50)} ${round}\n`;
    Deno.writeTextFileSync(`${folder}/log.jsonl`, line, { append: true });
    Deno.writeTextFileSync(`${folder}/new`, `${round}`);
    Deno.renameSync(`${folder}/new`, `${folder}/renamed`);
    if (round % 3 === 0) Deno.removeSync(`${folder}/renamed`);
    round++;
    // Not in one go: the message that ends this has to come through.
    if (round === 1) self.postMessage("begun");
    setTimeout(step);
  };
  step();
});
