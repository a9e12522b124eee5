/**
 * Looks at this machine: what it has, and what keepsake is here.
 *
 * @module
 */
import { delimiter, resolve } from "node:path";
import { userInfo } from "node:os";
import { fileURLToPath } from "node:url";
import { BackupError } from "../../pipeline/errors.ts";
import { findIn } from "../../pipeline/programs.ts";
import { homeDirectory } from "../home.ts";
import type { Place } from "./installer.ts";

/**
 * This machine and its user.
 *
 * @throws {BackupError} `usage` without a home directory, or for a user that the system has no record
 *   of, as programs in containers may be started.
 */
export function thisPlace(system: boolean): Place {
  const home = homeDirectory();
  if (home === undefined) {
    throw new BackupError("usage", "Cannot schedule: there is no home directory", {
      hint: "Set HOME to its absolute path",
    });
  }
  const { username, uid, homedir } = ownRecord();
  return {
    home,
    system,
    userName: username,
    userId: uid,
    userHome: homedir || home,
    find: findProgram,
  };
}

/** What the system has on record of who runs this. */
function ownRecord(): Pick<ReturnType<typeof userInfo>, "username" | "uid" | "homedir"> {
  try {
    return userInfo();
  } catch (cause) {
    throw new BackupError("usage", "Cannot schedule: the system has no record of this user", {
      hint: "Schedule as a user that the system knows",
      cause,
    });
  }
}

/** Absolute path of a program in `PATH` or where systems keep theirs. */
export function findProgram(name: string): string | undefined {
  const path = [Deno.env.get("PATH") ?? "", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];
  return findIn(path.join(delimiter), name);
}

/**
 * The words that start this very keepsake: the executable, or Deno with the program's file.
 *
 * @param module Address of that file, where it is another than the one that runs now.
 */
export function thisProgram(module: string = Deno.mainModule): readonly [string, ...string[]] {
  const executable = Deno.execPath();
  if (Deno.build.standalone) return [executable];
  // Without the first three, a schedule could load from the network what was never looked at.
  const flags = ["--cached-only", "--frozen", "--no-prompt", "-A"];
  return [executable, "run", ...flags, fileURLToPath(module)];
}

/**
 * The same where nobody sets variables for it: it finds its libraries where they are now, and what it
 * starts stays silent, as schedules do. Windows has no program for that.
 */
export function equippedProgram(module: string): readonly [string, ...string[]] {
  const program = thisProgram(module);
  const env = Deno.build.standalone ? undefined : findProgram("env");
  if (env === undefined) return program;
  // Sessions begin anywhere: what is said from here on has to hold there.
  const variables = Object.entries(neededVariables())
    .map(([name, value]) => `${name}=${PATHS.includes(name) ? resolve(value) : value}`);
  return [env, ...variables, ...program];
}

/** Else Deno itself asks its maker, once a day, whether there is a newer one. */
const SILENCE = { DENO_NO_UPDATE_CHECK: "1" } as const;

/** Variables that say where Deno has its libraries. */
const PATHS: readonly string[] = ["DENO_DIR", "XDG_CACHE_HOME"];

/** What Deno has to be told: where its libraries are, if it was told so here, and to be silent. */
export function neededVariables(): Readonly<Record<string, string>> {
  if (Deno.build.standalone) return {};
  return { ...toldOf(PATHS), ...SILENCE };
}

/**
 * What says whom to trust by TLS, where that was said here: behind a company's proxy, nothing else is
 * reached.
 */
export function trustVariables(): Readonly<Record<string, string>> {
  const stores = (Deno.env.get("DENO_TLS_CA_STORE") ?? "").split(",").map((name) => name.trim());
  const store = stores.filter((name) => name !== "").join(",");
  const asksSystem = stores.includes("system") || Deno.env.get("NODE_USE_SYSTEM_CA") === "1";
  return {
    ...toldOf(["DENO_CERT", "NODE_EXTRA_CA_CERTS"]),
    ...(store !== "" && { DENO_TLS_CA_STORE: store }),
    ...(asksSystem && toldOf(["NODE_USE_SYSTEM_CA", "SSL_CERT_DIR", "SSL_CERT_FILE"])),
  };
}

function toldOf(names: readonly string[]): Readonly<Record<string, string>> {
  const told = names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value ? [[name, value]] : [];
  });
  return Object.fromEntries(told);
}

/** What a scheduler's programs get to see, as far as it can be told before. */
export function bareEnvironment(
  { system, userHome, userName }: Place,
  searchPath: string,
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (Deno.build.os === "windows") {
    const names = ["SystemRoot", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "TEMP"];
    const own = names.map((name) => [name, Deno.env.get(name) ?? ""]);
    return { ...Object.fromEntries(own), PATH: searchPath, ...variables };
  }
  const own = system ? {} : { LOGNAME: userName, USER: userName, SHELL: "/bin/sh" };
  return { HOME: userHome, ...own, PATH: searchPath, ...variables };
}
