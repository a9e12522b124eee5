/**
 * Finds where on this machine Claude Code keeps what is worth keeping: its folders, the file of its
 * state beside them, and the directories that settings or links lead to.
 *
 * @module
 */
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { ClaudePlace, Remark, Sources } from "../../contract.ts";
import { wayInto } from "../roots.ts";
import { readSmall } from "../small_file.ts";
import { reasonOf } from "../source_file.ts";
import {
  CLAUDE_FOLDER,
  claudeFolderKind,
  isUnknown,
  OLD_STATE_FILE,
  reasonToLeaveOut,
  STATE_FILE,
} from "./home.ts";

/** What decides where Claude Code keeps its files. */
export interface Machine {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string | undefined;
  /** Where relative paths start. */
  readonly directory: string;
  /** Absolute paths that are backed up anyway: those that are folders of Claude Code's count. */
  readonly named: readonly string[];
}

/** Looks for all of it. What is not there is left out, but for the first folder. */
export async function findClaude(machine: Machine): Promise<Sources> {
  return await new Search(machine).run();
}

/** Settings of an organisation, which hold for everybody on the machine. */
const MANAGED = {
  darwin: "/Library/Application Support/ClaudeCode/managed-settings.json",
  windows: "C:\\Program Files\\ClaudeCode\\managed-settings.json",
}[Deno.build.os as string] ?? "/etc/claude-code/managed-settings.json";

/** Folders in which a person links single things that are kept elsewhere. */
const LINKED_IN = /^(agents|commands|hooks|output-styles|rules|skills|themes|workflows)$/;

/** Nobody works on more at once, and each is looked at. */
const MOST_PROJECTS = 2000;

/** What is memory of every project: as if it lay in the folder of one that is called `*`. */
const ALL_MEMORY = "projects/*/memory";

type Settings = Readonly<Record<string, unknown>>;

class Search {
  readonly #machine: Machine;
  readonly #homes = new Set<string>();
  readonly #paths = new Set<string>();
  readonly #places: ClaudePlace[] = [];
  readonly #databases = new Set<string>();
  readonly #doubts: Remark[] = [];
  readonly #notes: Remark[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async run(): Promise<Sources> {
    await this.#findHomes();
    const projects = new Set<string>();
    for (const folder of this.#homes) {
      this.#paths.add(folder);
      this.#places.push({ path: realPathOf(folder) ?? folder, way: "" });
      for (const project of await this.#readState(folder)) projects.add(project);
      await this.#followLinks(folder);
    }
    const files = [MANAGED];
    for (const folder of this.#homes) {
      files.push(join(folder, "settings.json"), join(folder, "settings.local.json"));
    }
    const settings = await Promise.all(files.map((file) => this.#readSettings(file)));
    for (const one of settings) this.#takeDirectories(one, [...projects]);
    for (const project of [...projects].slice(0, MOST_PROJECTS)) await this.#lookInto(project);
    for (const database of databasesIn(this.#machine.home)) {
      if ((await statOf(database))?.isFile) this.#databases.add(database);
    }
    return {
      wanted: true,
      homes: [...this.#homes],
      paths: [...this.#paths],
      places: this.#places,
      databases: [...this.#databases],
      usual: this.#usual(),
      doubts: this.#doubts,
      notes: this.#notes,
    };
  }

  async #findHomes(): Promise<void> {
    const { environment, home, directory, named } = this.#machine;
    const moved = environment["CLAUDE_CONFIG_DIR"];
    if (moved) this.#homes.add(resolve(directory, moved));
    for (const path of named) if (await isHome(path)) this.#homes.add(path);
    if (home === undefined) return;
    // Several accounts on one machine have a folder each.
    for (const name of await namesIn(home)) {
      const path = join(home, name);
      if (name.startsWith(CLAUDE_FOLDER) && await isHome(path)) this.#homes.add(path);
    }
    const usual = join(home, CLAUDE_FOLDER);
    if (this.#homes.size === 0 || await statOf(usual)) this.#homes.add(usual);
  }

  /** Takes the file of Claude Code's state that belongs to a folder; answers the projects it names. */
  async #readState(folder: string): Promise<string[]> {
    const projects: string[] = [];
    for (const file of this.#stateFiles(folder)) {
      if (await statOf(file) === undefined) continue;
      this.#paths.add(file);
      const { projects: known } = await this.#readSettings(file);
      if (isRecord(known)) projects.push(...Object.keys(known).filter((path) => isAbsolute(path)));
    }
    return projects;
  }

  #stateFiles(folder: string): string[] {
    const { home } = this.#machine;
    const files = [join(folder, STATE_FILE), join(folder, OLD_STATE_FILE)];
    const isUsual = home !== undefined && folder === join(home, CLAUDE_FOLDER);
    return isUsual ? [...files, join(home, STATE_FILE)] : files;
  }

  /** All that is known by its name alone, there or not. */
  #usual(): string[] {
    const { home } = this.#machine;
    const folders = new Set(this.#homes);
    if (home !== undefined) folders.add(join(home, CLAUDE_FOLDER));
    return [
      ...[...folders].flatMap((folder) => [folder, ...this.#stateFiles(folder)]),
      ...databasesIn(home),
    ];
  }

  /** What a file of settings says; nothing where there is none. */
  async #readSettings(file: string, remarks = this.#doubts): Promise<Settings> {
    if (await statOf(file) === undefined) return {};
    try {
      const parsed = JSON.parse(readSmall(file) || "{}");
      return isRecord(parsed) ? parsed : {};
    } catch (error) {
      const state = error instanceof SyntaxError ? "it is not JSON" : reasonOf(error);
      const reason = `${state}, so that directories which it names are not known`;
      remarks.push({ path: file, reason });
      return {};
    }
  }

  /** Takes the directories that a person's own settings name. */
  #takeDirectories(settings: Settings, projects: readonly string[]): void {
    const { autoMemoryDirectory: memory, plansDirectory: plans } = settings;
    for (const [written, way] of [[memory, ALL_MEMORY], [plans, "plans"]] as const) {
      if (typeof written !== "string") continue;
      const path = this.#expand(written);
      if (path !== undefined) this.#take(path, way);
    }
    if (typeof plans !== "string" || this.#expand(plans) !== undefined) return;
    for (const project of projects.slice(0, MOST_PROJECTS)) {
      const path = resolve(project, plans);
      // What leads out of it by a person's own words is meant; a link came with the project.
      const isNamedInside = Boolean(wayInto(resolve(project), path));
      if (!isNamedInside || liesIn(project, path) !== false) this.#take(path, "plans");
      else this.#notes.push({ path, reason: "a link leads from there out of its project" });
    }
  }

  /**
   * Takes the directory of plans that a project's settings name. Those come with the project, from
   * whoever wrote it: nothing outside of the project is taken for their sake, and no run fails.
   */
  async #lookInto(project: string): Promise<void> {
    for (const name of ["settings.json", "settings.local.json"]) {
      const file = join(project, CLAUDE_FOLDER, name);
      const { plansDirectory: plans } = await this.#readSettings(file, this.#notes);
      if (typeof plans !== "string") continue;
      const path = this.#expand(plans) ?? resolve(project, plans);
      const isInside = liesIn(project, path);
      if (isInside === undefined) continue;
      if (isInside) this.#take(path, "plans");
      else this.#notes.push({ path: file, reason: `it names "${plans}", outside of its project` });
    }
  }

  /** Takes what links in a folder lead to: people keep instructions and skills among their dotfiles. */
  async #followLinks(folder: string): Promise<void> {
    const choice = { include_secrets: false, include_caches: false };
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      if (reasonToLeaveOut([{ kind: "home", path: name }], choice) !== undefined) continue;
      // It is taken already, under the name that says what it is.
      if (name === STATE_FILE || name === OLD_STATE_FILE) continue;
      // What nobody knows may lead anywhere: the walk tells of a link that leads out.
      if (isUnknown(name, true) && isUnknown(name, false)) continue;
      this.#takeTarget(folder, name);
      if (LINKED_IN.test(name)) {
        for (const child of await namesIn(path)) this.#takeTarget(folder, `${name}/${child}`);
      } else if (name === "projects") {
        for (const project of await namesIn(path)) {
          this.#takeTarget(folder, `${name}/${project}`);
          this.#takeTarget(folder, `${name}/${project}/memory`);
        }
      }
    }
  }

  #takeTarget(folder: string, way: string): void {
    const path = join(folder, way);
    try {
      if (!Deno.lstatSync(path).isSymlink) return;
    } catch {
      return; // Whatever is wrong with it, the walk says.
    }
    const target = realPathOf(path);
    if (target !== undefined) this.#take(target, way, `a link at "${path}" leads there`);
  }

  /**
   * Takes a path that is there, unless it holds everything else that a person has.
   *
   * @param way Where in a folder of Claude Code's it would usually lie.
   */
  #take(path: string, way: string, why = "named in settings"): void {
    const real = realPathOf(path);
    if (real === undefined) return;
    const { home } = this.#machine;
    const holds = (place: string | undefined) =>
      place !== undefined && wayInto(real, realPathOf(place) ?? place) !== undefined;
    if (dirname(real) === real || holds(home)) {
      const reason = `too much to take along for one name: ${why}; list it in "paths" to have it`;
      this.#doubts.push({ path, reason });
    } else {
      this.#paths.add(path);
      this.#places.push({ path: real, way });
    }
  }

  /** The absolute path; `undefined` for one that is relative to a project. */
  #expand(written: string): string | undefined {
    const { home } = this.#machine;
    if (home !== undefined && /^~([/\\]|$)/.test(written)) return join(home, written.slice(1));
    return isAbsolute(written) ? written : undefined;
  }
}

/** An add-on's memory of conversations, which it cannot make anew. */
function databasesIn(home: string | undefined): string[] {
  return home === undefined ? [] : [join(home, ".claude-mem", "claude-mem.db")];
}

async function isHome(path: string): Promise<boolean> {
  const names = new Set(await namesIn(path));
  const projects = await namesIn(join(path, "projects"));
  // A project's own folder has the usual name, too, which says nothing here.
  const name = basename(path) === CLAUDE_FOLDER ? "" : basename(path);
  return claudeFolderKind(name, (name) => names.has(name), () => projects) === "home";
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  } catch {
    return []; // It is no directory, or the walk says what is wrong with it.
  }
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.stat(path).catch(() => undefined);
}

function realPathOf(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

/** Whether a path truly lies in a project, and is not the project; `undefined`: it is not there. */
function liesIn(project: string, path: string): boolean | undefined {
  const [real, realProject] = [realPathOf(path), realPathOf(project)];
  if (real === undefined || realProject === undefined) return undefined;
  return Boolean(wayInto(realProject, real));
}

function isRecord(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
