/**
 * Brings the digests up to date: reads what is new in the logs, and writes the projects that changed.
 * It is long because it is the whole course of a run, from the first log to the totals.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { PrepareResult, Remark } from "../contract.ts";
import { Hashing } from "./hashing.ts";
import { type Apart, ConversationReader, type Reading } from "./conversation_reader.ts";
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
} from "./digest_file.ts";
import { renderManifest, sumUp, type Totals } from "./digest_manifest.ts";
import {
  type DigestOptions,
  INDEX,
  MANIFEST,
  renderingOf,
  type Sameness,
  sayNothingNew,
  selectionOf,
} from "./digest_settled.ts";
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
} from "./digest_state.ts";
import {
  type DigestContext,
  inBatches,
  type ReadApart,
  readingWith,
  scannerFor,
} from "./digest_team.ts";
import { guessFor, lookAhead, newestTime } from "./log_head.ts";
import { safeName } from "./log_names.ts";
import { bytesOf, type Conversation } from "./log_tree.ts";
import type { Pace } from "./pace.ts";
import type { SecretScanner } from "./secrets.ts";
import { Leader } from "./team.ts";
import { sayCount } from "./words.ts";

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

/** A project while it is brought up to date. */
interface Project {
  readonly cwd: string;
  readonly slug: string;
  readonly state: ProjectState | undefined;
  /** Whether its files hold what the state says. */
  readonly isTrusted: boolean;
  /** Keys of the conversations in its files. */
  readonly held: readonly string[];
  readonly due: Conversation[];
  /** Conversations that come from another project, which was a guess, by key. */
  readonly arriving: Map<string, Project>;
  /** Keys of those that stand in another project now. */
  readonly leaving: Set<string>;
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
    const projects = await this.#loadProjects(index);
    using leader = new Leader<Conversation, ReadApart>(this.#port, this.#context.signal);
    const scanner = await scannerFor(this.#options);
    await this.#assign(conversations, projects, index, isSameView, scanner);
    // What leaves a project is safe in another before.
    const inOrder = [...projects.values()].sort((a, b) =>
      Number(a.leaving.size > 0) - Number(b.leaving.size > 0)
    );
    const all = await Promise.all(inOrder.map(async (project) => ({
      project,
      known: await this.#knownOf(project, isSameView, scanner),
    })));
    const owners = new Map<string, string>();
    for (const { known } of all) takeOwners(known, owners);
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
    const fresh = all.flatMap(({ project: { due }, known }) =>
      due.filter(({ key }) => !Object.hasOwn(known, key))
    );
    for (const batch of inBatches(fresh)) leader.publish(batch);
    const left = new Set(fresh.map(({ key }) => key));
    let next = 0;
    const goOn = async () => {
      for (; next < all.length; next++) {
        const { project, known } = all[next]!;
        const { state, isTrusted, due, leaving } = project;
        if (due.some(({ key }) => left.has(key))) return;
        await this.#writes.at(-WRITES);
        const isSized = index?.selection === selectionOf(this.#options);
        const isDue = due.length > 0 || leaving.size > 0;
        if (state !== undefined && isTrusted && isSameView && isSized && !isDue) {
          states.push(state);
          continue;
        }
        if (leaving.size > 0) await Promise.all(this.#writes);
        const made = await this.#updateProject(project, known, reader, apart, isSameView, scanner);
        if (made.state.shown.length + made.state.leftOut.length === 0) {
          empty.push(withoutText(made.state));
          continue;
        }
        states.push(withoutText(made.state));
        if (made.isNew) written.push(`${project.slug}.md`);
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
  async #loadProjects(index: Index | undefined): Promise<Map<string, Project>> {
    const projects = new Map<string, Project>();
    const { to } = this.#options;
    for (const { name, isFile } of Deno.readDirSync(to)) {
      if (!isFile || !name.endsWith(".md") || name.startsWith("_")) continue;
      const slug = name.slice(0, -3);
      if (slug.includes(".")) continue; // One that was set aside, or somebody else's.
      const state = this.#store.readJson<ProjectState>(stateName(slug));
      const cwd = state?.cwd ?? readDigest(this.#store.read(name) ?? "").cwd;
      if (cwd === undefined) continue; // Somebody else's file.
      const metas = state === undefined ? this.#metasIn(slug) : [...state.shown, ...state.leftOut];
      const held = metas.map(({ key }) => key);
      let isTrusted = state !== undefined && index !== undefined;
      for (const file of [name, leftOutName(slug)]) {
        const look = this.#store.look(file);
        const mark = index?.files[file];
        if (look === undefined && mark === undefined) continue;
        isTrusted &&= look !== undefined && index !== undefined &&
          await this.#sameness.isSame(join(to, file), look, mark, index);
      }
      projects.set(cwd, { ...newProject(cwd, slug), state, isTrusted, held });
    }
    // What a digest held that is gone comes back from the logs that are still there.
    for (const { name } of Deno.readDirSync(join(to, STATE_FOLDER))) {
      const slug = name.slice(0, -".json".length);
      if (!name.endsWith(".json") || this.#store.look(`${slug}.md`) !== undefined) continue;
      const state = this.#store.readJson<ProjectState>(stateName(slug));
      if (state?.cwd === undefined || projects.has(state.cwd)) continue;
      const held = [...state.shown, ...state.leftOut].map(({ key }) => key);
      projects.set(state.cwd, { ...newProject(state.cwd, slug), state, held });
    }
    return projects;
  }

  /** Gives each conversation that is to be read to its project, the earliest first. */
  async #assign(
    conversations: readonly Conversation[],
    projects: Map<string, Project>,
    index: Index | undefined,
    isSameView: boolean,
    scanner: SecretScanner | undefined,
  ): Promise<void> {
    const { from, all, days } = this.#options;
    const isGuess = ({ cwd }: Project, key: string) =>
      cwd === (scanner?.redact(guessFor(key)) ?? guessFor(key));
    const homes = new Map<string, Project>();
    for (const project of projects.values()) {
      const known = Object.keys(project.state?.conversations ?? {});
      for (const key of new Set([...known, ...project.held])) {
        const other = homes.get(key);
        // In two after a run that was killed while it moved from one to the other.
        const isLeft = other !== undefined && isGuess(project, key);
        if (isLeft) project.leaving.add(key);
        else if (other !== undefined && isGuess(other, key)) other.leaving.add(key);
        if (!isLeft) homes.set(key, project);
      }
    }
    const found: {
      readonly conversation: Conversation;
      readonly cwd: string;
      readonly first: number;
      readonly isOwn: boolean;
      readonly from: Project | undefined;
    }[] = [];
    for (const conversation of conversations) {
      const home = homes.get(conversation.key);
      const known = home?.state?.conversations[conversation.key];
      if (home !== undefined && known !== undefined && home.isTrusted && isSameView) {
        if (index !== undefined && await this.#isUnchanged(conversation, known, index)) continue;
      }
      if (home === undefined && !all) {
        const newest = newestTime(from, conversation);
        if (newest !== undefined && newest < this.#now - days * DAY_MS) continue;
      }
      const beginning = lookAhead(from, conversation, this.#unreadable);
      const { first, isOwn } = beginning;
      const cwd = scanner?.redact(beginning.cwd) ?? beginning.cwd;
      const isMoving = home !== undefined && home.cwd !== cwd && !beginning.isGuess &&
        isGuess(home, conversation.key);
      const place = isMoving ? cwd : home?.cwd ?? cwd;
      found.push({ conversation, cwd: place, first, isOwn, from: isMoving ? home : undefined });
    }
    // Of those that begin with the same lines, the one that they are named after came first.
    found.sort((a, b) =>
      a.first - b.first || Number(b.isOwn) - Number(a.isOwn) ||
      (a.conversation.key < b.conversation.key ? -1 : 1)
    );
    const slugs = new Set([...projects.values()].map(({ slug }) => slug));
    for (const { conversation, cwd, from } of found) {
      let project = projects.get(cwd);
      if (project === undefined) {
        const slug = await slugOf(cwd, slugs);
        slugs.add(slug);
        project = newProject(cwd, slug);
        projects.set(cwd, project);
      }
      project.due.push(conversation);
      if (from === undefined) continue;
      project.arriving.set(conversation.key, from);
      from.leaving.add(conversation.key);
    }
  }

  /** What is known of a project's conversations, also of those that come from another. */
  async #knownOf(
    project: Project,
    isSameView: boolean,
    scanner: SecretScanner | undefined,
  ): Promise<Record<string, ConversationState>> {
    const { state, isTrusted, arriving, leaving } = project;
    const known = isTrusted && isSameView
      ? { ...state?.conversations }
      : await this.#keptOf(project, scanner);
    for (const [key, { state, isTrusted }] of arriving) {
      const there = isTrusted && isSameView ? state?.conversations[key] : undefined;
      if (there !== undefined) known[key] = there;
    }
    for (const key of leaving) delete known[key];
    return known;
  }

  /** What is known of conversations that the digest alone has, and that no view of it changes. */
  async #keptOf(
    { slug, state, isTrusted, due }: Project,
    scanner: SecretScanner | undefined,
  ): Promise<Record<string, ConversationState>> {
    const read = new Set(due.map(({ key }) => key));
    const swept = Object.entries(state?.conversations ?? {}).filter(([key]) => !read.has(key));
    if (state === undefined || swept.length === 0) return {};
    const metas = isTrusted ? [...state.shown, ...state.leftOut] : this.#metasIn(slug);
    const held = new Set(metas.map(({ key }) => key));
    const kept: Record<string, ConversationState> = {};
    for (const [, state] of swept.filter(([key]) => held.has(key))) {
      const named = await nameKept(withoutWords(state), scanner);
      if (!read.has(named.meta.key)) kept[named.meta.key] = named;
    }
    return kept;
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

  async #updateProject(
    { cwd, slug, state, due, isTrusted, arriving, leaving }: Project,
    known: Readonly<Record<string, ConversationState>>,
    reader: ConversationReader,
    apart: Map<string, Apart>,
    isSameView: boolean,
    scanner: SecretScanner | undefined,
  ): Promise<{ readonly state: ProjectState; readonly isNew: boolean }> {
    const before = this.#store.read(`${slug}.md`);
    const hidden = this.#store.read(leftOutName(slug));
    const fragments = new Map<string, Fragment>();
    const touched: string[] = [];
    for (const [name, text] of [[leftOutName(slug), hidden], [`${slug}.md`, before]] as const) {
      if (text === undefined) continue;
      const digest = readDigest(text);
      if (!isTrusted && !isAllRead(digest)) touched.push(name);
      for (const fragment of digest.fragments) {
        const kept = isSameView ? fragment : await redacted(fragment, scanner);
        fragments.set(kept.meta.key, kept);
      }
    }
    for (const [key, { slug }] of arriving) {
      for (const name of [leftOutName(slug), `${slug}.md`]) {
        for (const fragment of readDigest(this.#store.read(name) ?? "").fragments) {
          if (!isVersionOf(fragment.meta.key, key)) continue;
          const kept = isSameView ? fragment : await redacted(fragment, scanner);
          fragments.set(kept.meta.key, kept);
        }
      }
    }
    for (const left of leaving) {
      for (const key of [...fragments.keys()]) {
        if (isVersionOf(key, left)) fragments.delete(key);
      }
    }
    const states = { ...known };
    const readings: Reading[] = [];
    for (const conversation of due) {
      const { key } = conversation;
      const before = fragments.get(key);
      const there = apart.get(key);
      apart.delete(key);
      const held = (arriving.get(key)?.state ?? state)?.conversations[key];
      const reading = there && reader.adopt(there, before, held) ||
        await reader.read(conversation, states[key], before, held);
      if (reading !== undefined) readings.push(reading);
    }
    for (const reading of readings) {
      const { fragment, state } = reader.render(reading, readings);
      const { key } = fragment.meta;
      const old = fragments.get(key);
      // What was said once stays, also when its log was cut short or written anew.
      if (old !== undefined && reading.replaces) keepOld(fragments, old);
      if (fragment.body.length > 0 || old === undefined) fragments.set(key, fragment);
      states[key] = state;
      if (fragment.body.length === 0) fragments.delete(key);
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
      const names = [...new Set([...pending, ...written])].sort();
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
  const [arriving, leaving] = [new Map<string, Project>(), new Set<string>()];
  const none = { state: undefined, isTrusted: false, held: [] };
  return { cwd, slug, ...none, due: [], arriving, leaving };
}

/** Gives an earlier version of a conversation a name of its own. */
function keepOld(fragments: Map<string, Fragment>, { meta, head, body }: Fragment): void {
  let number = 1;
  while (fragments.has(earlierKey(meta.key, number))) number++;
  const key = earlierKey(meta.key, number);
  const note = "*An earlier version: it has what the logs have no more.*";
  fragments.set(key, { meta: { ...meta, key }, head: `${head}\n\n${note}`, body });
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

function takeOwners(
  conversations: ProjectState["conversations"],
  owners: Map<string, string>,
): void {
  for (const { logs } of Object.values(conversations)) {
    for (const [path, { uuids }] of Object.entries(logs)) {
      if (uuids !== "") { for (const uuid of uuids.split(" ")) owners.set(uuid, path); }
    }
  }
}

/** A name for a project's files: readable, and its own. */
async function slugOf(cwd: string, taken: ReadonlySet<string>): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(cwd));
  const hash = Buffer.from(bytes).toString("hex");
  const name = cwd.split(/[/\\]/).findLast((part) => part !== "") ?? "root";
  const clean = name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  const short = `${clean || "project"}-${hash.slice(0, 8)}`;
  return taken.has(short) ? `${clean || "project"}-${hash}` : short;
}

function metasOf(fragments: readonly { readonly meta: Meta }[]): Meta[] {
  return fragments.map(({ meta }) => meta);
}

function byteLength(parts: readonly Part[]): number {
  return encodePieces(parts).reduce((sum, { length }) => sum + length, 0);
}
