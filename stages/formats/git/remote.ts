/**
 * Which remotes and branches git is ever given: lists of what may be, never of what may not. What is
 * not of one of these forms is refused before git sees it, because git takes some addresses for
 * options (`--upload-pack=…`), for programs to run (`ext::…`) or for options of ssh (`-oProxy…`).
 *
 * @module
 */
import { resolve } from "node:path";

/** Where a repository is. */
export interface Remote {
  readonly protocol: "ssh" | "https" | "http" | "file";
  /** As git is given it. No user name or password of `https` is ever in it. */
  readonly address: string;
}

const HOST = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])`;
const PORT = String.raw`(?::[1-9][0-9]{0,4})?`;
const USER = String.raw`(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?`;
/** One part of a path: not empty, not `..`, and nothing that looks like an option. */
const PART = String.raw`(?!\.\.?(?:/|$))[A-Za-z0-9_.~+@=,%][A-Za-z0-9_.~+@=,%-]*`;
const PATH = String.raw`(?:/${PART})+/?`;
const LOOPBACK = String.raw`(?:127\.0\.0\.1|\[::1\]|localhost)`;

const HTTPS = `https://${HOST}${PORT}${PATH}`;
/** Unencrypted only where it does not leave the machine. */
const HTTP = `http://${LOOPBACK}${PORT}${PATH}`;
const SSH = `ssh://${USER}${HOST}${PORT}${PATH}`;
/** As scp writes it; a host of one letter would be a drive. */
const SCP = `${USER}[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]:/?${PART}(?:/${PART})*/?`;
/** A directory on this machine, by its absolute path. */
const LOCAL = String
  .raw`(?:file://)?(?:[A-Za-z]:)?(?:/(?!\.\.?(?:/|$))[^\u0000-\u001f\u007f/\\:'"\u0060$;|&<>*?-][^\u0000-\u001f\u007f/\\:'"\u0060$;|&<>*?]*)+/?`;

/** What a `remote` may be. */
export const REMOTE_REGEXP = new RegExp(`^(?:${HTTPS}|${HTTP}|${SSH}|${SCP}|${LOCAL})$`);

/** What a `branch` may be: narrower than `git check-ref-format`, which takes `-x`. */
export const BRANCH_REGEXP =
  /^(?!HEAD$)(?!.*(?:\.\.|\/\/|\/\.|\.\/|\.lock(?:\/|$)|\/-|[./]$))[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}$/;

/** Reads a remote; `undefined` for what is none. */
export function parseRemote(written: string): Remote | undefined {
  if (written.length > 2000 || !REMOTE_REGEXP.test(written)) return undefined;
  const protocol = /^(https|http|ssh|file):\/\//.exec(written)?.[1] as Remote["protocol"];
  if (protocol === "file") return { protocol, address: written.slice("file://".length) };
  if (protocol !== undefined) return { protocol, address: written };
  return { protocol: new RegExp(`^${LOCAL}$`).test(written) ? "file" : "ssh", address: written };
}

/** The directory that a remote is; `undefined` for one that is not on this machine. */
export function directoryOf(remote: string): string | undefined {
  const parsed = parseRemote(remote);
  return parsed?.protocol === "file" ? resolve(parsed.address) : undefined;
}

/**
 * Reads an address of a repository as a command line has it, perhaps with `#branch` at its end:
 * anything that can be nothing else (`ssh://…`, `me@host:…`, `file://…`), anything that ends in
 * `.git`, and anything at all after `git+`.
 */
export function parseAddress(address: string): { remote: string; branch: string } | undefined {
  const [, prefix = "", place = "", branch = "main"] =
    /^(git\+)?(.*?)(?:#([^#]*))?$/.exec(address) ??
      [];
  const sure = prefix !== "" || /^(ssh|file):\/\/|^[^/\\:]+@[^/\\:]+:|\.git\/?$/.test(place);
  if (!sure || !BRANCH_REGEXP.test(branch)) return undefined;
  const isPath = !/^[a-z]+:\/\//.test(place) && /^[^:]*[/\\]|^\.{1,2}$/.test(place);
  const remote = isPath ? resolve(place) : place;
  return parseRemote(remote) === undefined ? undefined : { remote, branch };
}

/** Where a branch of a repository is, in one word that {@linkcode parseAddress} reads again. */
export function addressOf(remote: string, branch: string): string {
  const address = parseRemote(remote)?.address ?? remote;
  const sure = /^ssh:|^[^/]+@|\.git\/?$/.test(address);
  return `${sure ? "" : "git+"}${address}#${branch}`;
}
