/**
 * When Claude Code deletes conversations: `cleanupPeriodDays` in all of its settings.
 *
 * A session sweeps the conversations of every project, by the settings that hold where it was
 * started. So the shortest time that any project sets is the one to reckon with.
 *
 * @module
 */
import { join } from "node:path";
import type { Remark } from "../../contract.ts";
import { stateOf, systemCode } from "../../errors.ts";
import { readSmall } from "../small_file.ts";

/** What one file of settings says of the sweep. */
export type Setting =
  | { readonly kind: "none" }
  | { readonly kind: "days"; readonly file: string; readonly days: number }
  /** It cannot be used, and then nothing is swept where it holds. */
  | { readonly kind: "invalid"; readonly file: string; readonly reason: string };

/** The settings that hold in one project, besides the user's. */
export interface ProjectSettings {
  /** `.claude/settings.local.json` */
  readonly local: Setting;
  /** `.claude/settings.json` */
  readonly shared: Setting;
}

/** When conversations in one of Claude Code's folders go. */
export interface Sweep {
  /** Absolute path of the folder. */
  readonly home: string;
  /** How long a log stays after it was last written to. */
  readonly days: number;
  /** The file that says so; `undefined`: none does, and Claude Code's own number holds. */
  readonly file: string | undefined;
  /** The settings that keep it from sweeping, until somebody puts them right. */
  readonly paused: Remark | undefined;
}

/** How long conversations stay when no settings say so. */
export const USUAL_DAYS = 30;

/**
 * What all settings come to.
 *
 * @param managed The organisation's: these hold before all others.
 */
export function decideSweep(
  home: string,
  managed: readonly Setting[],
  user: Setting,
  projects: readonly ProjectSettings[],
): Sweep {
  const broken = [...managed, user].find((setting) => setting.kind === "invalid");
  const paused = broken && { path: broken.file, reason: broken.reason };
  const own = user.kind === "days" ? user : { days: USUAL_DAYS, file: undefined };
  const set = managed.filter((setting) => setting.kind === "days");
  const others = projects.map(({ local, shared }) => local.kind === "none" ? shared : local)
    .filter((setting) => setting.kind === "days");
  const holding = set.length > 0 ? set : [own, ...others];
  const { days, file } = holding.reduce((least, one) => one.days < least.days ? one : least);
  return { home, days, file, paused };
}

/** Reads all settings that decide about one of Claude Code's folders. */
export function readSweep(
  home: string,
  directories: readonly string[],
  managed: readonly string[] = managedFiles(),
): Sweep {
  const remote = join(home, "remote-settings.json"); // What an organisation's server said last.
  return decideSweep(
    home,
    [...managed, remote].map(readSetting),
    readSetting(join(home, "settings.json")),
    [...new Set(directories)].map((directory) => ({
      local: readSetting(join(directory, ".claude", "settings.local.json")),
      shared: readSetting(join(directory, ".claude", "settings.json")),
    })),
  );
}

/** What one file of settings says. */
export function readSetting(file: string): Setting {
  let text: string;
  try {
    text = readSmall(file);
  } catch (error) {
    // A project's directory may be gone, or a file by now.
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return { kind: "none" };
    return { kind: "invalid", file, reason: `it cannot be read: ${stateOf(error)}` };
  }
  return settingIn(text, file);
}

/** What a text of settings says. */
export function settingIn(text: string, file: string): Setting {
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch {
    // What is broken keeps the sweep from its work only where the key is meant to be.
    const isMeant = text.includes(`"${KEY}"`);
    return isMeant ? { kind: "invalid", file, reason: "it is not JSON" } : { kind: "none" };
  }
  if (typeof settings !== "object" || settings === null || !Object.hasOwn(settings, KEY)) {
    return { kind: "none" };
  }
  const days = (settings as Readonly<Record<string, unknown>>)[KEY];
  if (typeof days === "number" && Number.isInteger(days) && days >= 1) {
    return { kind: "days", file, days };
  }
  return { kind: "invalid", file, reason: `its ${KEY} is no whole number of days from 1 on` };
}

const KEY = "cleanupPeriodDays";

/** Where organisations put settings that hold for everybody on a machine. */
function managedFiles(): string[] {
  const folder = {
    darwin: "/Library/Application Support/ClaudeCode",
    windows: "C:\\Program Files\\ClaudeCode",
  }[Deno.build.os as string] ?? "/etc/claude-code";
  const parts = join(folder, "managed-settings.d");
  return [
    join(folder, "managed-settings.json"),
    ...namesIn(parts).map((name) => join(parts, name)),
  ];
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}
