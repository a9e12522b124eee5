/**
 * Everything that a worker could try without permission.
 *
 * @module
 */

/**
 * Tries what a stage has no business with; answers, for each attempt, whether it was denied. To be
 * sent as text to a worker.
 */
export async function attemptEverything(
  folder: string,
  program: string,
): Promise<Record<string, string>> {
  const outside = `${folder}/outside.txt`;
  const attempts: Record<string, () => unknown> = {
    "read file": () => Deno.readTextFileSync(outside),
    "read directory": () => [...Deno.readDirSync(folder)],
    "read stat": () => Deno.statSync(outside),
    "read link": () => Deno.realPathSync(outside),
    "read by dots": () => Deno.readTextFileSync(`${folder}/state/../outside.txt`),
    "read node:fs": async () => (await import("node:fs")).readFileSync(outside),
    "read /proc": () => Deno.readTextFileSync("/proc/self/status"),
    "read working directory": () => [...Deno.readDirSync(".")],
    "write file": () => Deno.writeTextFileSync(`${folder}/new.txt`, "x"),
    "write directory": () => Deno.mkdirSync(`${folder}/new`),
    "write removal": () => Deno.removeSync(outside),
    "write rename": () => Deno.renameSync(outside, `${folder}/other.txt`),
    "write link": () => Deno.linkSync(outside, `${folder}/hard.txt`),
    "write symlink": () => Deno.symlinkSync(outside, `${folder}/soft.txt`),
    "write temporary": () => Deno.makeTempFileSync(),
    "net connect": () => Deno.connect({ hostname: "127.0.0.1", port: 47119 }),
    "net listen": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
    "net fetch": () => fetch("http://127.0.0.1:47119/"),
    "net resolve": () => Deno.resolveDns("localhost", "A"),
    "env get": () => Deno.env.get("PATH"),
    "env all": () => Deno.env.toObject(),
    "env set": () => Deno.env.set("KEEPSAKE_PROBE", "1"),
    "run program": () => new Deno.Command(program, { args: ["--version"] }).outputSync(),
    "sys hostname": () => Deno.hostname(),
    "sys user": () => Deno.uid(),
    "ffi library": () => Deno.dlopen(`${folder}/library.so`, {}),
    "import http": () => import(`http://127.0.0.1:47119/${"code"}.js`),
    "import https": () => import(`https://127.0.0.1:47119/${"code"}.js`),
  };
  const results: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      results[name] = "allowed";
    } catch (error) {
      const denied = error instanceof Deno.errors.NotCapable ||
        /Requires .* access/.test((error as Error).message);
      results[name] = denied ? "denied" : `failed otherwise: ${error}`;
    }
  }
  return results;
}
