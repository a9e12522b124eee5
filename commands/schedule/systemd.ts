/**
 * systemd: a service and a timer, of the user or of the machine.
 *
 * @module
 */
import { join } from "node:path";
import { exists, namesOf, writeFile } from "./files.ts";
import type { Installer, Place } from "./installer.ts";
import { run } from "./program.ts";
import { control, startOnce } from "./systemd_manager.ts";
import { serviceFor, timerFor } from "./systemd_units.ts";
import { unitWordsIn } from "./words.ts";

/** The installer for systemd. */
export const systemd: Installer = {
  name: "systemd",
  searchPath: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  servesMachine: true,

  // systemctl is there in containers too, where no systemd runs.
  isPresent: ({ find }) => find("systemctl") !== undefined && exists("/run/systemd/system"),

  files: (job, place) => {
    const path = (kind: string) => join(directory(place), `${unitOf(job.name)}.${kind}`);
    return [
      { path: path("service"), text: serviceFor(job, place) },
      { path: path("timer"), text: timerFor(job) },
    ];
  },

  // A full stop is in no pipeline's name: no other pipeline's unit is called like that.
  prove: (job, place, signal) =>
    startOnce(place, `${unitOf(job.name)}.trial`, serviceFor(job, place), signal),

  async install(job, place) {
    for (const file of systemd.files(job, place)) await writeFile(file);
    await control(place, "daemon-reload");
    await control(place, "enable", "--now", `${unitOf(job.name)}.timer`);
    if (place.system || await lingers(place)) return [];
    return [
      `Timers of yours run while you are logged in; for backups at any time: loginctl enable-linger ${place.userName}`,
    ];
  },

  async remove(name, place) {
    const paths = pathsOf(name, place).filter(exists);
    if (paths.length === 0) return false;
    await control(place, "disable", "--now", `${unitOf(name)}.timer`);
    for (const path of paths) await Deno.remove(path);
    await control(place, "daemon-reload");
    return true;
  },

  async show(name, place) {
    const paths = pathsOf(name, place).filter(exists);
    if (paths.length === 0) return;
    const texts = await Promise.all(
      paths.map(async (path) => `# ${path}\n${await Deno.readTextFile(path)}`),
    );
    return texts.join("\n");
  },

  names: (place) => namesOf(directory(place), /^keepsake-([a-z0-9-]{1,32})\.(?:service|timer)$/),

  wordsIn: (text) => unitWordsIn(/^ExecStart=(.*)$/m.exec(text)?.[1] ?? ""),
};

/** Name of a job's units. */
function unitOf(name: string): string {
  return `keepsake-${name}`;
}

function directory({ system, home }: Place): string {
  return system ? "/etc/systemd/system" : join(home, ".config", "systemd", "user");
}

function pathsOf(name: string, place: Place): string[] {
  return ["service", "timer"].map((kind) => join(directory(place), `${unitOf(name)}.${kind}`));
}

async function lingers({ find, userName }: Place): Promise<boolean> {
  const loginctl = find("loginctl");
  if (loginctl === undefined) return false;
  const { out } = await run([loginctl, "show-user", userName, "--property=Linger", "--value"]);
  return out.trim() === "yes";
}
