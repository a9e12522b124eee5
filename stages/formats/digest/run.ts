/**
 * Brings the digests up to date: reads what is new in the logs, and writes the projects that changed.
 * It is long because it is the whole course of a run, from the first log to the totals.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { PrepareResult, Remark } from "../../contract.ts";
import { Hashing } from "../hashing.ts";
import type { Pace } from "../pace.ts";
import type { SecretScanner } from "../secrets/scanner.ts";
import { Leader } from "../team.ts";
import { sayCount } from "../words.ts";
import { type Apart, ConversationReader, type Reading, takeOwners } from "./conversation_reader.ts";
import {
  byAge,
  earlierKey,
  type Fragment,
  isAllRead,
  isVersionOf,
  type Meta,
  type Part,
  readDigest,
  textOf,
  writeDigest,
  writeFragment,
} from "./file.ts";
import { guessFor, lookAhead, newestTime, ownTime } from "./log_head.ts";
import { safeName } from "./log_names.ts";
import { bytesOf, type Conversation } from "./log_tree.ts";
import { renderManifest, sumUp, type Totals } from "./manifest.ts";
import {
  type DigestOptions,
  INDEX,
  MANIFEST,
  renderingOf,
  type Sameness,
  sayNothingNew,
  selectionOf,
} from "./settled.ts";
import {
  type ConversationState,
  type DigestStore,
  encodePieces,
  type Index,
  leftOutName,
  type Mark,
  type ProjectState,
  STATE_FOLDER,
  stateName,
  VERSION,
  withoutText,
  withoutWords,
  writeState,
} from "./state.ts";
import { type DigestContext, inBatches, type ReadApart, readingWith, scannerFor } from "./team.ts";

/** What a run did, in numbers. */
export interface DigestDetails extends Totals {
  /** Digests that were written, by file name. */
  readonly written: readonly string[];
}

const DAY_MS = 86_400_000;
/** Projects that may be on their way to the disk: it takes its time, and each is held in memory. */
const WRITES = 8;
/** The file that names the digests that are new since somebody took note. */
const PENDING = "_digest-pending";

/** A project while it is brought up to date. All keys are such that obey today's rules. */
interface Project {
  readonly cwd: string;
  readonly slug: string;
  /** Where its conversations belong: a secret of today may have been none when it was written. */
  readonly place: string;
  readonly state: ProjectState | undefined;
  /** Whether its files hold what the state says. */
  readonly isTrusted: boolean;
  /** Whether what is remembered can be gone on from: else it tells whose lines are whose. */
  readonly isCurrent: boolean;
  readonly remembered: Readonly<Record<string, ConversationState>>;
  /** Keys of the conversations in its files. */
  readonly held: ReadonlySet<string>;
  /** Conversations that come from another project, which was a guess or has another name now. */
  readonly arriving: Map<string, Project>;
  /** Keys of those that stand in another project now. */
  readonly leaving: Set<string>;
}

/** A conversation that is to be read, in the order of all. */
interface Turn {
  readonly conversation: Conversation;
  readonly project: Project;
  /** See `Beginning`. */
  readonly kin: readonly string[];
}

/** Projects whose conversations may go on from each other, and are read in one order therefore. */
interface Group {
  readonly projects: readonly Project[];
  readonly turns: readonly Turn[];
}

/** What becomes of a project's files. */
interface Draft {
  readonly project: Project;
  /** What the files hold now. */
  readonly before: string | undefined;
  readonly hidden: string | undefined;
  /** Those of them that hold more than could be read. */
  readonly touched: readonly string[];
  readonly fragments: Map<string, Fragment>;
  /** What comes from another project of conversations that are here as well, by their keys. */
  readonly twins: readonly (readonly [key: string, fragment: Fragment])[];
  readonly states: Record<string, ConversationState>;
  readonly readings: Reading[];
}

/** A run that has something to do, or may have. */
export class DigestRun {
  readonly #options: DigestOptions;
  readonly #context: DigestContext;
  readonly #store: DigestStore;
  readonly #now: number;
  readonly #pace: Pace;
  readonly #sameness: Sameness;
  readonly #port: MessagePort | undefined;
  readonly #unreadable: Remark[] = [];
  readonly #marks = new Map<string, Mark>();
  readonly #writes: Promise<void>[] = [];
  #hashing: Hashing | undefined;

  constructor(
    options: DigestOptions,
    context: DigestContext,
    { store, sameness, port, pace, now }: {
      readonly store: DigestStore;
      readonly sameness: Sameness;
      /** To a second worker, where there is one. */
      readonly port: MessagePort | undefined;
      readonly pace: Pace;
      readonly now: number;
    },
  ) {
    this.#options = options;
    this.#context = context;
    this.#store = store;
    this.#sameness = sameness;
    this.#port = port;
    this.#pace = pace;
    this.#now = now;
  }

  /** Brings every project up to date, and says what it did. */
  async update(
    index: Index | undefined,
    conversations: readonly Conversation[],
  ): Promise<PrepareResult> {
    this.#hashing = await Hashing.quick();
    this.#pace.total = bytesOf(conversations);
    const isSameView = index?.rendering === renderingOf(this.#options);
    using leader = new Leader<Conversation, ReadApart>(this.#port, this.#context.signal);
    const scanner = await scannerFor(this.#options);
    const projects = await this.#loadProjects(index, isSameView, scanner);
    const turns = await this.#assign(conversations, projects, index, scanner);
    const groups = groupsOf([...projects.values()], turns);
    const due = new Set(turns.map(({ conversation: { key } }) => key));
    const known = new Map<Project, Record<string, ConversationState>>();
    const owners = new Map<string, string>();
    for (const project of projects.values()) {
      known.set(project, knownOf(project, due));
      for (const [key, { logs }] of Object.entries(project.remembered)) {
        if (project.isCurrent || project.held.has(key)) takeOwners(logs, owners);
      }
    }
    const reader = new ConversationReader({
      from: this.#options.from,
      tools: this.#options.tools,
      owners,
      scanner,
      hashing: this.#hashing,
      pace: this.#pace,
      unreadable: this.#unreadable,
      marks: this.#marks,
    });
    const states: ProjectState[] = [];
    const empty: ProjectState[] = [];
    const written: string[] = [];
    const apart = new Map<string, Apart>();
    const fresh = groups.flatMap(({ turns }) =>
      turns.filter(({ conversation: { key }, project }) => !Object.hasOwn(known.get(project)!, key))
    ).map(({ conversation }) => conversation);
    for (const batch of inBatches(fresh)) leader.publish(batch);
    const left = new Set(fresh.map(({ key }) => key));
    const isSized = index?.selection === selectionOf(this.#options);
    let next = 0;
    const goOn = async () => {
      for (; next < groups.length; next++) {
        const { projects, turns } = groups[next]!;
        if (turns.some(({ conversation: { key } }) => left.has(key))) return;
        await this.#writes.at(-WRITES);
        const changing = new Set(turns.map(({ project }) => project));
        const drafts = new Map<Project, Draft>();
        for (const project of projects) {
          const { state, isCurrent, arriving, leaving } = project;
          const isDue = changing.has(project) || arriving.size > 0 || leaving.size > 0;
          if (state !== undefined && isCurrent && isSized && !isDue) states.push(state);
          else {
            const draft = await this.#begin(project, known.get(project)!, isSameView, scanner);
            drafts.set(project, draft);
          }
        }
        for (const { conversation, project } of turns) {
          await readInto(drafts.get(project)!, conversation, reader, apart);
        }
        for (const [project, draft] of drafts) {
          if (project.leaving.size > 0) await Promise.all(this.#writes);
          const made = await this.#complete(draft, reader);
          if (made.state.shown.length + made.state.leftOut.length === 0) {
            empty.push(withoutText(made.state));
            continue;
          }
          states.push(withoutText(made.state));
          if (made.isNew) written.push(`${project.slug}.md`);
        }
      }
    };
    await goOn();
    const work = readingWith({
      ...this.#options,
      scanner,
      hashing: this.#hashing,
      pace: this.#pace,
    });
    await leader.finish(work, async (outcomes) => {
      for (const { key, apart: read } of outcomes) {
        apart.set(key, read);
        left.delete(key);
      }
      await goOn();
    });
    return await this.#finish(byPlace(states), byPlace(empty), written, conversations, index);
  }

  /** Every project that has a digest, or had one, by its working directory. */
  async #loadProjects(
    index: Index | undefined,
    isSameView: boolean,
    scanner: SecretScanner | undefined,
  ): Promise<Map<string, Project>> {
    const projects = new Map<string, Project>();
    const { to } = this.#options;
    for (const { name, isFile } of Deno.readDirSync(to)) {
      if (!isFile || !name.endsWith(".md") || name.startsWith("_")) continue;
      const slug = name.slice(0, -3);
      if (slug.includes(".")) continue; // One that was set aside, or somebody else's.
      const state = this.#store.readJson<ProjectState>(stateName(slug));
      const cwd = state?.cwd ?? readDigest(this.#store.read(name) ?? "").cwd;
      if (cwd === undefined) continue; // Somebody else's file.
      let isTrusted = state !== undefined && index !== undefined;
      for (const file of [name, leftOutName(slug)]) {
        const look = this.#store.look(file);
        const mark = index?.files[file];
        if (look === undefined && mark === undefined) continue;
        isTrusted &&= look !== undefined && index !== undefined &&
          await this.#sameness.isSame(join(to, file), look, mark, index);
      }
      const metas = isTrusted ? [...state!.shown, ...state!.leftOut] : this.#metasIn(slug);
      const loaded = { ...newProject(cwd, slug), state, isTrusted };
      projects.set(cwd, await remember(loaded, metas, isSameView, scanner));
    }
    // What a digest held that is gone comes back from the logs that are still there.
    for (const { name } of Deno.readDirSync(join(to, STATE_FOLDER))) {
      const slug = name.slice(0, -".json".length);
      if (!name.endsWith(".json") || this.#store.look(`${slug}.md`) !== undefined) continue;
      const state = this.#store.readJson<ProjectState>(stateName(slug));
      if (state?.cwd === undefined || projects.has(state.cwd)) continue;
      const loaded = { ...newProject(state.cwd, slug), state };
      projects.set(state.cwd, await remember(loaded, this.#metasIn(slug), isSameView, scanner));
    }
    return projects;
  }

  /** Gives each conversation that is to be read to its project, the earliest first. */
  async #assign(
    conversations: readonly Conversation[],
    projects: Map<string, Project>,
    index: Index | undefined,
    scanner: SecretScanner | undefined,
  ): Promise<readonly Turn[]> {
    const { from, all, days } = this.#options;
    const isGuess = ({ place }: Project, key: string) =>
      place === (scanner?.redact(guessFor(key)) ?? guessFor(key));
    const isPassing = (project: Project, key: string) =>
      project.place !== project.cwd || isGuess(project, key);
    const homes = new Map<string, Project>();
    for (const project of projects.values()) {
      for (const key of new Set([...Object.keys(project.remembered), ...project.held])) {
        const other = homes.get(key);
        // In two after a run that was killed while it moved from one to the other.
        const isLeft = other !== undefined && isPassing(project, key);
        if (isLeft) project.leaving.add(key);
        else if (other !== undefined && isPassing(other, key)) other.leaving.add(key);
        if (!isLeft) homes.set(key, project);
      }
    }
    const move = (key: string, home: Project, project: Project) => {
      // Two at once would be one too many: the other moves the next time.
      if (project.arriving.has(key)) home.leaving.delete(key);
      else {
        project.arriving.set(key, home);
        home.leaving.add(key);
      }
    };
    // In two also where its project had another name in between.
    for (const project of projects.values()) {
      for (const key of project.place === project.cwd ? [] : project.leaving) {
        move(key, project, homes.get(key)!);
      }
    }
    const found: (Pick<Turn, "conversation" | "kin"> & {
      readonly place: string;
      readonly first: number;
      readonly isOwn: boolean;
      readonly home: Project | undefined;
    })[] = [];
    for (const conversation of conversations) {
      const { key } = conversation;
      const home = homes.get(key);
      const known = home?.remembered[key];
      if (home?.isCurrent && known !== undefined && index !== undefined) {
        if (await this.#isUnchanged(conversation, known, index)) continue;
      }
      if (home === undefined && !all) {
        const newest = newestTime(from, conversation);
        if (newest !== undefined && newest < this.#now - days * DAY_MS) continue;
      }
      const beginning = lookAhead(from, conversation, this.#unreadable);
      const cwd = scanner?.redact(beginning.cwd) ?? beginning.cwd;
      const isFree = home === undefined || isGuess(home, key) && !beginning.isGuess;
      found.push({ ...beginning, conversation, place: isFree ? cwd : home.place, home });
    }
    const ownTimes = new Map<Conversation, number>();
    const ownTimeOf = (conversation: Conversation) => {
      const time = ownTimes.get(conversation) ?? ownTime(from, conversation);
      ownTimes.set(conversation, time);
      return time;
    };
    // Of those that begin with the same lines, the one that they are named after came first, and
    // then the one that was the first to go on from them.
    found.sort((a, b) =>
      a.first - b.first || Number(b.isOwn) - Number(a.isOwn) ||
      (a.isOwn ? 0 : ownTimeOf(a.conversation) - ownTimeOf(b.conversation)) ||
      (a.conversation.key < b.conversation.key ? -1 : 1)
    );
    const slugs = new Set([...projects.values()].map(({ slug }) => slug));
    const projectAt = async (cwd: string) => {
      const project = projects.get(cwd) ?? newProject(cwd, await slugOf(cwd, slugs));
      slugs.add(project.slug);
      projects.set(cwd, project);
      return project;
    };
    const turns: Turn[] = [];
    for (const { conversation, place, home, kin } of found) {
      const project = await projectAt(place);
      turns.push({ conversation, project, kin });
      if (home !== undefined && home !== project) move(conversation.key, home, project);
    }
    for (const [key, home] of homes) {
      if (home.place === home.cwd || home.leaving.has(key)) continue;
      move(key, home, await projectAt(home.place));
    }
    return turns;
  }

  /** What a digest's own files hold, whatever is remembered. */
  #metasIn(slug: string): readonly Meta[] {
    return [leftOutName(slug), `${slug}.md`]
      .flatMap((name) => metasOf(readDigest(this.#store.read(name) ?? "").fragments));
  }

  async #isUnchanged(
    { logs }: Conversation,
    state: ConversationState,
    index: Index,
  ): Promise<boolean> {
    for (const { path, file = path, look } of logs) {
      const mark = index.logs[path];
      if (state.logs[path] === undefined || mark === undefined) return false;
      if (!await this.#sameness.isSame(join(this.#options.from, file), look, mark, index)) {
        return false;
      }
      this.#marks.set(path, { look: look.text, hash: mark.hash });
    }
    return true;
  }

  /** What a project's files hold, and what comes to it or leaves it. */
  async #begin(
    project: Project,
    known: Readonly<Record<string, ConversationState>>,
    isSameView: boolean,
    scanner: SecretScanner | undefined,
  ): Promise<Draft> {
    const { slug, isTrusted, arriving, leaving } = project;
    const [before, hidden] = [`${slug}.md`, leftOutName(slug)].map((name) =>
      this.#store.read(name)
    );
    const fragments = new Map<string, Fragment>();
    const touched: string[] = [];
    const twins: [key: string, fragment: Fragment][] = [];
    const read = async (text: string) => {
      const digest = readDigest(text);
      const kept = digest.fragments.map((fragment) =>
        isSameView ? fragment : redacted(fragment, scanner)
      );
      return { digest, kept: await Promise.all(kept) };
    };
    for (const [name, text] of [[leftOutName(slug), hidden], [`${slug}.md`, before]] as const) {
      if (text === undefined) continue;
      const { digest, kept } = await read(text);
      if (!isTrusted && !isAllRead(digest)) touched.push(name);
      for (const fragment of kept) fragments.set(fragment.meta.key, fragment);
    }
    for (const left of leaving) {
      for (const key of [...fragments.keys()]) {
        if (isVersionOf(key, left)) fragments.delete(key);
      }
    }
    const own = new Set(fragments.keys());
    for (const from of new Set(arriving.values())) {
      const keys = [...arriving].filter(([, other]) => other === from).map(([key]) => key);
      for (const name of [leftOutName(from.slug), `${from.slug}.md`]) {
        for (const fragment of (await read(this.#store.read(name) ?? "")).kept) {
          const key = keys.find((key) => isVersionOf(fragment.meta.key, key));
          if (key === undefined) continue;
          if (own.has(fragment.meta.key)) twins.push([key, fragment]);
          else fragments.set(fragment.meta.key, fragment);
        }
      }
    }
    const states = { ...known };
    return { project, before, hidden, touched, fragments, twins, states, readings: [] };
  }

  /** Puts what was read into a project's files. */
  async #complete(
    { project, before, hidden, touched, fragments, twins, states, readings }: Draft,
    reader: ConversationReader,
  ): Promise<{ readonly state: ProjectState; readonly isNew: boolean }> {
    const { cwd, slug, leaving } = project;
    for (const reading of readings) {
      const { fragment, state } = reader.render(reading, readings);
      const { key } = fragment.meta;
      const old = fragments.get(key);
      // What was said once stays, also when its log was cut short or written anew.
      keepEarlier(fragments, key, fragment, reading.replaces ? old : undefined);
      if (fragment.body.length > 0 || old === undefined) fragments.set(key, fragment);
      states[key] = state;
      if (fragment.body.length === 0) fragments.delete(key);
    }
    for (const [key, twin] of twins) {
      const isSaid = readings.some((reading) => reading.key === key && !reading.replaces);
      if (twin.meta.key !== key || !isSaid) keepEarlier(fragments, key, fragments.get(key), twin);
    }
    const read = new Set(readings.map(({ key }) => key));
    const told = readings.some(({ logs: [main] }) => (main?.summaries ?? []).length > 0);
    for (const [key, state] of Object.entries(told ? states : {})) {
      const fragment = fragments.get(key);
      const made = read.has(key) || !fragment ? undefined : reader.retitle(state, readings);
      if (made === undefined) continue;
      fragments.set(key, { ...fragment!, ...made });
      states[key] = { ...state, meta: made.meta };
    }
    if (fragments.size > 0 || leaving.size > 0) {
      for (const name of touched) await this.#setAside(name);
    }
    if (fragments.size === 0 && leaving.size > 0) {
      // What is remembered goes last: while it is there, the others are looked for.
      for (const name of [`${slug}.md`, leftOutName(slug), stateName(slug)]) {
        await this.#store.remove(name);
      }
    }
    return await this.#writeProject(
      { cwd, slug, conversations: states },
      fragments,
      { before, hidden },
    );
  }

  /** Keeps a file that holds more than could be read of it, before it is written over. */
  async #setAside(name: string): Promise<void> {
    const stamp = new Date(this.#now).toISOString().replace(/[-:]|\.\d+/g, "");
    const stem = name.replace(/\.md$/, `.before-${stamp}`);
    let aside = `${stem}.md`;
    for (let n = 2; this.#store.look(aside) !== undefined; n++) aside = `${stem}-${n}.md`;
    await this.#store.copy(name, aside);
    const why = "holds what keepsake did not write, or cannot be read whole any more";
    this.#context.log("warn", `"${name}" ${why}: as it was, it is kept as "${aside}"`);
  }

  #writeProject(
    project: Pick<ProjectState, "cwd" | "slug" | "conversations">,
    fragments: ReadonlyMap<string, Fragment>,
    { before, hidden }: {
      readonly before: string | undefined;
      readonly hidden: string | undefined;
    },
  ): Promise<{ readonly state: ProjectState; readonly isNew: boolean }> {
    const { cwd } = project;
    const all = byAge([...fragments.values()].map((fragment) => ({
      key: fragment.meta.key,
      last: fragment.meta.last,
      meta: fragment.meta,
      parts: writeFragment(fragment),
    })));
    let count = all.length;
    let parts = writeDigest(cwd, all, []);
    const limit = this.#options.max_size;
    if (limit !== undefined) {
      for (let size = byteLength(parts); size > limit && count > 0;) {
        size -= byteLength(all[--count]!.parts) + 1;
        if (size > limit) continue;
        parts = writeDigest(cwd, all.slice(0, count), metasOf(all.slice(count)).reverse());
        size = byteLength(parts);
      }
      if (count === 0 && all.length > 0) parts = writeDigest(cwd, [], metasOf(all).reverse());
    }
    const leftOut = all.slice(count);
    const aside = leftOut.length > 0 ? writeDigest(cwd, leftOut, []) : undefined;
    const isNew = before === undefined || textOf(parts) !== before;
    const { tools } = this.#options;
    const state: ProjectState = {
      ...{ version: VERSION, ...project, tools },
      shown: metasOf(all.slice(0, count)),
      leftOut: metasOf(leftOut),
    };
    if (all.length > 0) {
      this.#writes.push(this.#writeFiles(state, parts, isNew, aside, hidden));
      // While the next project is read; what goes wrong is thrown when all are waited for.
      this.#writes.at(-1)!.catch(() => {});
    }
    return Promise.resolve({ state, isNew });
  }

  /** What leaves the digest is safe elsewhere before, and what comes back is gone there after. */
  async #writeFiles(
    state: ProjectState,
    parts: readonly Part[],
    isNew: boolean,
    aside: readonly Part[] | undefined,
    hidden: string | undefined,
  ): Promise<void> {
    const { slug } = state;
    if (aside !== undefined) {
      await this.#write(leftOutName(slug), aside, textOf(aside) !== hidden);
    }
    await this.#write(`${slug}.md`, parts, isNew);
    if (aside === undefined && hidden !== undefined) await this.#store.remove(leftOutName(slug));
    await this.#store.write(stateName(slug), writeState(state));
  }

  async #write(name: string, parts: readonly Part[], isNew: boolean): Promise<void> {
    const hash = this.#hashing!.begin();
    const seen = (bytes: Uint8Array) => hash.update(bytes);
    if (isNew) await this.#store.write(name, parts, seen);
    else encodePieces(parts).forEach(seen);
    const look = this.#store.look(name)?.text ?? "";
    this.#marks.set(`file ${name}`, { look, hash: hash.digest() });
  }

  async #finish(
    states: readonly ProjectState[],
    /** Those without a digest: there is nothing to show of them. */
    empty: readonly ProjectState[],
    written: readonly string[],
    conversations: readonly Conversation[],
    before: Index | undefined,
  ): Promise<PrepareResult> {
    await Promise.all(this.#writes);
    const totals = sumUp(states, empty);
    const manifest = renderManifest(states, totals);
    if (manifest !== this.#store.read(MANIFEST)) await this.#store.write(MANIFEST, [manifest]);
    if (written.length > 0) {
      const pending = this.#store.read(PENDING)?.split("\n").filter((name) => name !== "") ?? [];
      const names = [...new Set([...pending, ...written])].sort()
        .filter((name) => this.#store.look(name) !== undefined);
      await this.#store.write(PENDING, [`${names.join("\n")}\n`]);
    }
    const unread = new Set(this.#unreadable.map(({ path }) => path));
    const logs: Record<string, Mark> = {};
    for (const { path, look } of conversations.flatMap(({ logs }) => logs)) {
      if (unread.has(join(this.#options.from, path))) continue;
      logs[path] = this.#marks.get(path) ?? { look: look.text, hash: "" };
    }
    const files: Record<string, Mark> = {};
    for (const { slug, leftOut } of states) {
      for (const name of [`${slug}.md`, ...leftOut.length > 0 ? [leftOutName(slug)] : []]) {
        const mark = this.#marks.get(`file ${name}`) ?? before?.files[name];
        if (mark !== undefined) files[name] = mark;
      }
    }
    const index: Index = {
      version: VERSION,
      rendering: renderingOf(this.#options),
      selection: selectionOf(this.#options),
      chosen: this.#now,
      written: Date.now(),
      logs,
      files,
    };
    await this.#store.write(INDEX, [JSON.stringify(index)]);
    await this.#store.flush();
    for (const { slug, leftOut } of states) {
      if (leftOut.length === 0 || !written.includes(`${slug}.md`)) continue;
      const titles = leftOut.map(({ title }) => `"${title.slice(0, 60)}"`).reverse();
      const more = titles.length > 5 ? ` and ${titles.length - 5} more` : "";
      const said = `${titles.slice(0, 5).join(", ")}${more}`;
      this.#context.log("warn", `Left out of ${slug}.md for its size, oldest first: ${said}`);
    }
    const details: DigestDetails = { ...totals, written };
    return {
      message: sayDone(details),
      unchanged: written.length === 0,
      unreadable: this.#unreadable,
      details,
    };
  }
}

function sayDone(
  { written, projects, secrets, broken, oversized, unknown }: DigestDetails,
): string {
  const unknowns = Object.values(unknown).reduce((sum, number) => sum + number, 0);
  return [
    written.length === 0 && projects > 0
      ? sayNothingNew(projects)
      : `${written.length} of ${sayCount(projects, "digest")} updated`,
    ...(secrets > 0 ? [`${sayCount(secrets, "secret")} redacted`] : []),
    ...(broken > 0 ? [`${sayCount(broken, "broken line")}`] : []),
    ...(oversized.length > 0 ? [`${sayCount(oversized.length, "line")} too long`] : []),
    ...(unknowns > 0 ? [`${sayCount(unknowns, "unknown item")}`] : []),
  ].join(", ");
}

/** In an order that is none of the disk's. */
function byPlace(states: readonly ProjectState[]): ProjectState[] {
  return states.toSorted((a, b) => a.cwd < b.cwd ? -1 : 1);
}

function newProject(cwd: string, slug: string): Project {
  const none = { state: undefined, isTrusted: false, isCurrent: false, remembered: {} };
  const [held, leaving] = [new Set<string>(), new Set<string>()];
  return { cwd, slug, place: cwd, ...none, held, arriving: new Map(), leaving };
}

/** A project with what is remembered of it, and what its files hold. */
async function remember(
  project: Project,
  metas: readonly Meta[],
  isSameView: boolean,
  scanner: SecretScanner | undefined,
): Promise<Project> {
  const { cwd, state, isTrusted } = project;
  const place = scanner === undefined ? cwd : await placeOf(cwd, scanner);
  const isCurrent = isTrusted && isSameView;
  if (isCurrent) {
    const held = new Set(metas.map(({ key }) => key));
    return { ...project, place, isCurrent, remembered: state!.conversations, held };
  }
  const remembered: Record<string, ConversationState> = {};
  for (const conversation of Object.values(state?.conversations ?? {})) {
    const named = await nameKept(withoutWords(conversation), scanner);
    remembered[named.meta.key] = named;
  }
  const names = metas.map(({ key }) => scanner === undefined ? key : safeName(key, scanner));
  return { ...project, place, isCurrent, remembered, held: new Set(await Promise.all(names)) };
}

/** Where a project's conversations belong that was written when fewer things were secret. */
async function placeOf(cwd: string, scanner: SecretScanner): Promise<string> {
  // A guess is the name of a folder.
  const place = /[/\\]/.test(cwd) ? scanner.redact(cwd) : await safeName(cwd, scanner);
  // What stands for a secret may be one by somebody's pattern: that would go on for ever.
  return scanner.redact(place) === place ? place : cwd;
}

/** What is known of a project's conversations: all, or of those that the digest alone has. */
function knownOf(
  project: Project,
  due: ReadonlySet<string>,
): Record<string, ConversationState> {
  const { remembered, arriving, leaving } = project;
  const stays = Object.keys(remembered).filter((key) => !leaving.has(key));
  const known: Record<string, ConversationState> = {};
  for (const key of [...stays, ...arriving.keys()]) {
    const isThere = (there: Project) => there.isCurrent || there.held.has(key) && !due.has(key);
    const state = heldOf(project, key, isThere);
    if (state !== undefined) known[key] = state;
  }
  return known;
}

/** What is remembered of a conversation, also where two projects have some of it. */
function heldOf(
  project: Project,
  key: string,
  isThere: (project: Project) => boolean = () => true,
): ConversationState | undefined {
  const [one, other] = [project, project.arriving.get(key)].flatMap((there) =>
    there !== undefined && isThere(there) ? there.remembered[key] ?? [] : []
  );
  if (one === undefined || other === undefined) return one;
  const logs = { ...one.logs };
  for (const [path, log] of Object.entries(other.logs)) {
    const uuids = [logs[path]?.uuids ?? "", log.uuids].filter((text) => text !== "").join(" ");
    logs[path] = { ...logs[path] ?? log, uuids };
  }
  return { ...one, logs };
}

/** Puts projects together that are read together, in the order in which they are come to. */
function groupsOf(projects: readonly Project[], turns: readonly Turn[]): readonly Group[] {
  const groups = new Map(projects.map((project) => [project, new Set([project])]));
  const join = (one: Project, other: Project) => {
    const [into, from] = [groups.get(one)!, groups.get(other)!];
    for (const project of into === from ? [] : from) groups.set(project, into.add(project));
  };
  for (const project of projects) {
    for (const other of project.arriving.values()) join(project, other);
  }
  const byKin = new Map<string, Project>();
  for (const { project, kin } of turns) {
    for (const name of kin) {
      join(byKin.get(name) ?? project, project);
      byKin.set(name, project);
    }
  }
  const inOrder = [...turns.map(({ project }) => project), ...projects];
  const byGroup = Map.groupBy(turns, ({ project }) => groups.get(project)!);
  return Array.from(new Set(inOrder.map((project) => groups.get(project)!)), (group) => ({
    // What leaves a project is safe in another before.
    projects: [...group].sort((a, b) => Number(a.leaving.size > 0) - Number(b.leaving.size > 0)),
    turns: byGroup.get(group) ?? [],
  }));
}

/** Reads a conversation, or takes over what was read of it apart. */
async function readInto(
  { project, fragments, states, readings }: Draft,
  conversation: Conversation,
  reader: ConversationReader,
  apart: Map<string, Apart>,
): Promise<void> {
  const { key } = conversation;
  const before = fragments.get(key);
  const there = apart.get(key);
  apart.delete(key);
  const held = heldOf(project, key);
  const reading = there && reader.adopt(there, before, held) ||
    await reader.read(conversation, states[key], before, held);
  const own = reading?.logs[0];
  const told = held?.logs[own?.path ?? ""]?.heading.titles.told;
  // What told it may not be read again.
  if (own !== undefined && told !== undefined) own.state.heading.titles.told ??= told;
  if (reading !== undefined) readings.push(reading);
  // What stays as it is keeps its lines.
  else if (before !== undefined && held !== undefined) states[key] ??= held;
}

/** Keeps those earlier versions of a conversation of which no other holds all, under own names. */
function keepEarlier(
  fragments: Map<string, Fragment>,
  key: string,
  now: Fragment | undefined,
  old: Fragment | undefined,
): void {
  const earlier: Fragment[] = [];
  for (let number = 1; fragments.has(earlierKey(key, number)); number++) {
    earlier.push(fragments.get(earlierKey(key, number))!);
    fragments.delete(earlierKey(key, number));
  }
  if (old !== undefined) {
    const note = "*An earlier version: it has what the logs have no more.*";
    earlier.push({ ...old, head: `${old.head.replace(note, "").trimEnd()}\n\n${note}` });
  }
  if (earlier.length === 0) return;
  const [text = "", ...texts] = [now, ...earlier].map((one) => `${textOf([one?.body ?? ""])}\n`);
  const kept = earlier.filter((_, place) => {
    const own = texts[place]!;
    const isIn = (other: string, at: number) =>
      other.startsWith(own) && (other !== own || at < place);
    return !text.startsWith(own) && !texts.some(isIn);
  });
  for (const [place, { meta, head, body }] of kept.entries()) {
    const name = earlierKey(key, place + 1);
    fragments.set(name, { meta: { ...meta, key: name }, head, body });
  }
}

/** What is kept from before obeys today's rules. */
async function redacted(
  fragment: Fragment,
  scanner: SecretScanner | undefined,
): Promise<Fragment> {
  if (scanner === undefined) return fragment;
  await scanner.load();
  const { meta, head, body } = fragment;
  return {
    meta: { ...meta, key: await safeName(meta.key, scanner), title: scanner.redact(meta.title) },
    head: scanner.redact(head),
    body: scanner.redact(textOf([body])),
  };
}

/** What is remembered of a conversation, under names that obey today's rules. */
async function nameKept(
  { meta, logs, settled }: ConversationState,
  scanner: SecretScanner | undefined,
): Promise<ConversationState> {
  const name = async (path: string) => scanner === undefined ? path : await safeName(path, scanner);
  const named = Object.entries(logs).map(async ([path, log]) => [await name(path), log]);
  return {
    meta: { ...meta, key: await name(meta.key) },
    logs: Object.fromEntries(await Promise.all(named)),
    settled,
  };
}

/** A name for a project's files: readable, and its own. */
async function slugOf(cwd: string, taken: ReadonlySet<string>): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(cwd));
  const hash = Buffer.from(bytes).toString("hex");
  const name = cwd.split(/[/\\]/).findLast((part) => part !== "") ?? "root";
  const clean =
    name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").match(/^.{0,40}/u)![0];
  const short = `${clean || "project"}-${hash.slice(0, 8)}`;
  return taken.has(short) ? `${clean || "project"}-${hash}` : short;
}

function metasOf(fragments: readonly { readonly meta: Meta }[]): Meta[] {
  return fragments.map(({ meta }) => meta);
}

function byteLength(parts: readonly Part[]): number {
  return encodePieces(parts).reduce((sum, { length }) => sum + length, 0);
}
