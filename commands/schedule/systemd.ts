/**
 * systemd: a service and a timer, of the user or of the machine.
 *
 * @module
 */
import { join } from "node:path";
import type { Calendar } from "./calendar.ts";
import { exists, writeFile } from "./files.ts";
import type { Installer, Place } from "./installer.ts";
import { type Job, wordsFor } from "./job.ts";
import { run } from "./program.ts";

/** The installer for systemd. */
export const systemd: Installer = {
  name: "systemd",
  searchPath: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",

  // systemctl is there in containers too, where no systemd runs.
  isPresent: ({ find }) => find("systemctl") !== undefined && exists("/run/systemd/system"),

  files: (job, place) => {
    const path = (kind: string) => join(directory(place), `${unitOf(job.name)}.${kind}`);
    return [
      { path: path("service"), text: serviceFor(job, place) },
      { path: path("timer"), text: timerFor(job) },
    ];
  },

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
};

function serviceFor(job: Job, { system, userHome }: Place): string {
  // The machine's own manager gives its services no home.
  const variables = system ? { HOME: userHome, ...job.environment } : job.environment;
  const environment = Object.entries(variables).map(([name, path]) =>
    `Environment=${quote(`${name}=${path}`, false)}`
  );
  return lines([
    HEADER,
    "[Unit]",
    `Description=Backup by keepsake: ${job.name}`,
    "Documentation=man:systemd.timer(5)",
    ...(system ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "",
    "[Service]",
    "Type=oneshot",
    ...environment,
    `ExecStart=${wordsFor(job, "due").map((word) => quote(word, true)).join(" ")}`,
    "# A destination that failed is tried again by the next run, and told of meanwhile.",
    "Restart=no",
    ...PRIORITY,
    ...HARDENING,
    ...(system ? MACHINE_HARDENING : []),
  ]);
}

const HEADER =
  '# Made by "keepsake schedule install", and replaced by the next: changes here are lost.';

/** Last in line for the processor and the disk. */
const PRIORITY = [
  "Nice=19",
  "CPUSchedulingPolicy=batch",
  "IOSchedulingClass=idle",
  "IOWeight=100",
];

/** What every process may give up. Not `MemoryDenyWriteExecute`: JavaScript is compiled as it runs. */
const HARDENING = [
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallErrorNumber=EPERM",
  "UMask=0077",
];

/** What only the machine's own manager can take away. */
const MACHINE_HARDENING = [
  "PrivateDevices=yes",
  "PrivateTmp=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectSystem=full",
];

function timerFor({ name, calendar }: Job): string {
  return lines([
    HEADER,
    "[Unit]",
    `Description=Backup by keepsake: ${name}`,
    "",
    "[Timer]",
    ...onCalendar(calendar).map((time) => `OnCalendar=${time}`),
    "# Catches up after the machine was off or asleep.",
    "Persistent=true",
    "",
    "[Install]",
    "WantedBy=timers.target",
  ]);
}

/** The times, in systemd's words. Where cron lets a day of either kind count, there are two. */
export function onCalendar(
  { minutes, hours, days, months, weekdays }: Calendar,
): readonly string[] {
  const list = (values: readonly number[] | undefined) =>
    values?.map((value) => String(value).padStart(2, "0")).join(",") ?? "*";
  const time = `${list(hours)}:${list(minutes)}:00`;
  const on = (weekdays: readonly number[] | undefined, days: readonly number[] | undefined) => {
    const names = weekdays ? `${weekdays.map((day) => WEEKDAYS[day]).join(",")} ` : "";
    return `${names}*-${list(months)}-${list(days)} ${time}`;
  };
  if (weekdays === undefined || days === undefined) return [on(weekdays, days)];
  return [on(weekdays, undefined), on(undefined, days)];
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

/** A word of a unit file: nothing in it is a specifier, a variable or an escape. */
function quote(word: string, isCommand: boolean): string {
  const plain = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%");
  return `"${isCommand ? plain.replaceAll("$", "$$$$") : plain}"`;
}

function lines(list: readonly string[]): string {
  return list.map((line) => `${line}\n`).join("");
}

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

async function control(place: Place, ...words: readonly string[]): Promise<void> {
  const scope = place.system ? [] : ["--user"];
  const { status, said } = await run([place.find("systemctl")!, ...scope, ...words]);
  if (status !== 0) throw new Error(`systemctl ${words[0]} ended with status ${status}: ${said}`);
}

async function lingers({ find, userName }: Place): Promise<boolean> {
  const loginctl = find("loginctl");
  if (loginctl === undefined) return false;
  const { out } = await run([loginctl, "show-user", userName, "--property=Linger", "--value"]);
  return out.trim() === "yes";
}
