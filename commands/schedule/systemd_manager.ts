/**
 * Speaks with a systemd that runs: the machine's, or the user's own.
 *
 * @module
 */
import { join } from "node:path";
import { writeFile } from "./files.ts";
import type { Place, Trial } from "./installer.ts";
import { type Ended, run } from "./program.ts";

/** Has systemctl do something. */
export async function control(place: Place, ...words: readonly string[]): Promise<void> {
  const { status, said } = await systemctl(place, words);
  if (status !== 0) throw new Error(`systemctl ${words[0]} ended with status ${status}: ${said}`);
}

/**
 * Has systemd itself run a service to its end, under all that the service's text says, and keeps
 * nothing of it.
 *
 * @param text Of a service that ends by itself (`oneshot`). Its last section is `[Service]`.
 * @returns The status of its program.
 * @throws {Error} when systemd did not start it, or it did not end by itself.
 */
export async function startOnce(
  place: Place,
  unit: string,
  text: string,
  signal: AbortSignal,
): Promise<Trial> {
  const service = `${unit}.service`;
  const path = (name: string) => join(runtimeDirectory(place), name);
  const folder = place.system ? "systemd/system" : "systemd/user";
  await using cleanup = new AsyncDisposableStack();
  // Without the journal, which not every user may read. "%t" is the directory for what is passing.
  const heard = path(`${unit}.log`);
  cleanup.defer(() => Deno.remove(heard).catch(() => {}));
  await writeFile({ path: heard, text: "" }, 0o600);
  cleanup.defer(async () => {
    await Deno.remove(path(service)).catch(() => {});
    await systemctl(place, ["daemon-reload"]);
  });
  const output = `StandardError=file:%t/${folder}/${unit}.log`;
  await writeFile({ path: path(service), text: `${text}${output}\n` });
  await control(place, "daemon-reload");
  // Also when this is interrupted: systemctl ends then, and what it started does not.
  cleanup.defer(async () => {
    await systemctl(place, ["stop", service]);
    await systemctl(place, ["reset-failed", service]);
  });
  const started = await systemctl(place, ["start", service], signal);
  signal.throwIfAborted();
  const said = (await Deno.readTextFile(heard)).trim();
  if (started.status === 0) return { status: 0, said };
  const names = ["Result", "ExecMainStatus"];
  const words = ["show", service, ...names.map((name) => `--property=${name}`)];
  const { out } = await systemctl(place, words);
  const [, result = "unknown"] = /^Result=(.+)$/m.exec(out) ?? [];
  const status = Number(/^ExecMainStatus=(\d+)$/m.exec(out)?.[1] ?? 0);
  if (result === "exit-code" && status > 0) return { status, said };
  const state = result === "success" ? started.said : `its result is "${result}"`;
  throw new Error(`systemd could not run ${service} to its end: ${state}\n${said}`.trim());
}

/** Where units are looked for that are gone with the next start of the machine. */
function runtimeDirectory({ system, userId }: Place): string {
  if (system) return "/run/systemd/system";
  return join(Deno.env.get("XDG_RUNTIME_DIR") ?? `/run/user/${userId}`, "systemd", "user");
}

function systemctl(
  { find, system }: Place,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<Ended> {
  const scope = system ? [] : ["--user"];
  return run([find("systemctl")!, ...scope, ...words], { ...(signal && { signal }) });
}
