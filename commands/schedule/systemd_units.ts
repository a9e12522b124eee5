/**
 * What systemd is told: a service and its timer, as text.
 *
 * @module
 */
import type { Calendar } from "./calendar.ts";
import type { Place } from "./installer.ts";
import { type Job, wordsFor } from "./job.ts";

/** The service: pure. */
export function serviceFor(job: Job, { system, userHome }: Place): string {
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
  "# Reads what belongs to others, and writes only to what belongs to the one it runs as.",
  "CapabilityBoundingSet=CAP_DAC_READ_SEARCH",
  "PrivateDevices=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectSystem=full",
];

/** The timer that starts it: pure. */
export function timerFor({ name, calendar }: Job): string {
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
  { minutes, hours, days, months, weekdays, needsBoth }: Calendar,
): readonly string[] {
  const list = (values: readonly number[] | undefined) =>
    values?.map((value) => String(value).padStart(2, "0")).join(",") ?? "*";
  const time = `${list(hours)}:${list(minutes)}:00`;
  const on = (weekdays: readonly number[] | undefined, days: readonly number[] | undefined) => {
    const names = weekdays ? `${weekdays.map((day) => WEEKDAYS[day]).join(",")} ` : "";
    return `${names}*-${list(months)}-${list(days)} ${time}`;
  };
  if (weekdays === undefined || days === undefined || needsBoth) return [on(weekdays, days)];
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
