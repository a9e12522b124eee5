import assert from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline, PipelineError } from "../../../pipeline/config/load.ts";
import { inDirectory, load, refusal, stages } from "./support.ts";

const PLAIN = stages(
  'snapshot; paths = ["/data"]',
  'local; path = "/backups"; plaintext = true',
);

/** What is said of a file, its directory left out. */
async function said(content: string | Uint8Array): Promise<string> {
  const { code, problems, message, hint } = await refusal(content);
  assert.equal(code, "pipeline-invalid");
  assert.deepEqual(problems, [{ line: 1, column: 1, path: "", message, hint }]);
  return message.replace(/"\/.*\//, '"');
}

Deno.test("a byte order mark and line ends of Windows are taken", async () => {
  const pipeline = await load(`\ufeff${PLAIN.replaceAll("\n", "\r\n")}`);
  assert.deepEqual(pipeline.stages.map(({ id }) => id), ["snapshot", "local"]);
});

Deno.test("a file of 256 KiB is taken, and one byte more is too large", async () => {
  const comment = `#${"x".repeat(256 * 1024 - PLAIN.length - 1)}`;
  assert.equal((await load(PLAIN + comment)).stages.length, 2);
  assert.equal(
    await said(`${PLAIN}${comment}x`),
    'Cannot read "pipeline.toml": it is 257 KiB, and may be at most 256 KiB',
  );
});

Deno.test("a file of 300 KiB is refused by both sizes", async () => {
  assert.equal(
    await said("#".repeat(300 * 1024)),
    'Cannot read "pipeline.toml": it is 300 KiB, and may be at most 256 KiB',
  );
});

Deno.test("an empty file is said to be empty, also when it is a mark or white space", async () => {
  for (const content of ["", "\ufeff", " \r\n\t\n"]) {
    assert.equal(await said(content), 'Cannot use "pipeline.toml": it is empty');
  }
});

Deno.test("text that is not UTF-8 is refused with the line", async () => {
  const latin = new Uint8Array([...new TextEncoder().encode(`${PLAIN}# caf`), 0xe9, 0x0a]);
  assert.equal(await said(latin), 'Cannot read "pipeline.toml": it is not UTF-8 text, in line 9');
  assert.equal(
    await said(new Uint8Array([0xff, 0xfe, 0x5b, 0x00])),
    'Cannot read "pipeline.toml": it is UTF-16 text, and must be UTF-8',
  );
});

Deno.test("a binary file is said to be one", async () => {
  for (const bytes of [[0x7f, 0x45, 0x4c, 0x46, 0, 0xff], [0x1f, 0x8b, 8, 0], [0, 0, 0, 0]]) {
    const message = 'Cannot read "pipeline.toml": it is binary, and must be text';
    assert.equal(await said(new Uint8Array(bytes)), message);
  }
});

Deno.test("a missing file is said to be missing, with what to do", async () => {
  await inDirectory(async (directory) => {
    const file = join(directory, "nowhere", "pipeline.toml");
    await assert.rejects(loadPipeline(file, { environment: {}, home: undefined }), {
      message: `Cannot read "${file}": there is no such file`,
      hint: 'Correct its path, or write one with "keepsake init"',
    });
  });
});

Deno.test("a directory is said to be one", async () => {
  await inDirectory(async (directory) => {
    await assert.rejects(loadPipeline(directory, { environment: {}, home: undefined }), {
      message: `Cannot read "${directory}": it is a directory`,
      hint: "Name the file in it with --config FILE",
    });
  });
});

Deno.test("a name that no file can have gives an error, not a bug", async () => {
  const file = `/${"x".repeat(300)}`;
  await assert.rejects(loadPipeline(file, { environment: {}, home: undefined }), (error) => {
    assert.ok(error instanceof PipelineError);
    assert.match(error.message, /: its name or its path is too long for this system$/);
    return true;
  });
});

Deno.test(
  "a device without an end is refused",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await assert.rejects(loadPipeline("/dev/zero", { environment: {}, home: undefined }), {
      message: 'Cannot read "/dev/zero": it is more than 256 KiB, and may be at most 256 KiB',
    });
  },
);

const READ_SCRIPT = `
  import { loadPipeline } from ${
  JSON.stringify(import.meta.resolve("../../../pipeline/config/load.ts"))
};
  await loadPipeline(Deno.args[0], { environment: {}, home: undefined })
    .catch((error) => Deno.stdout.write(new TextEncoder().encode(error.message)));
`;

/** Root reads everything, unless it gives that up. */
const AS_MORTAL = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-all"] : [];

Deno.test(
  "an unreadable file is said to be unreadable",
  { ignore: Deno.build.os !== "linux" },
  async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "pipeline.toml");
      const script = join(directory, "read.ts");
      await Deno.writeTextFile(file, PLAIN, { mode: 0o000 });
      await Deno.writeTextFile(script, READ_SCRIPT);
      const config = new URL("../../../deno.json", import.meta.url).pathname;
      const [program = "", ...args] = [
        ...AS_MORTAL,
        Deno.execPath(),
        ...["run", "--quiet", "--frozen", "--cached-only", "--allow-all", "--config", config],
        ...[script, file],
      ];
      const { stdout, stderr } = await new Deno.Command(program, { args }).output();
      assert.equal(
        new TextDecoder().decode(stdout),
        `Cannot read "${file}": permission denied`,
        new TextDecoder().decode(stderr),
      );
    });
  },
);
