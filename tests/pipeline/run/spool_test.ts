import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { works } from "../../platform/probe.ts";

const traces = await works("strace", "-V");
const unlessTraces = traces ? "" : " (ignored: strace is not installed)";

Deno.test({
  name: `the spool trusts no file of which a flush on the way failed${unlessTraces}`,
  ignore: !traces,
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "keepsake-spool-" });
    try {
      const module = fileURLToPath(new URL("../../../pipeline/run/spool.ts", import.meta.url));
      const script = join(folder, "script.ts");
      await Deno.writeTextFile(
        script,
        `import { Spool } from ${JSON.stringify(module)};
        const spool = await Spool.open(${JSON.stringify(join(folder, "spool"))});
        async function* stream() {
          for (let sent = 0; sent < 40; sent++) {
            await new Promise((resolve) => setTimeout(resolve));
            yield new Uint8Array(1 << 20);
          }
        }
        const told = await spool.write(stream(), false).then(({ size }) => size, ({ message }) => message);
        console.log(told, Array.from(Deno.readDirSync(${
          JSON.stringify(join(folder, "spool"))
        })).length);`,
      );
      const fault = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"];
      const { stdout, stderr } = await new Deno.Command("strace", {
        args: [
          ...["-f", "-qq", "-o", "/dev/null", ...fault],
          ...[Deno.execPath(), "run", "-A", "--quiet", "--no-config", script],
        ],
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert.match(
        said,
        /^Cannot spool the archive in ".*": its disk or device reports an input or output error 0\n$/,
        new TextDecoder().decode(stderr),
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
