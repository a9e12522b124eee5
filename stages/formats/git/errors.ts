/**
 * What git's complaints come to, in words and codes of our own.
 *
 * @module
 */
import { StageError, type StageFailureCode } from "../../errors.ts";
import type { Remote } from "./remote.ts";

interface Complaint {
  readonly sign: RegExp;
  readonly code: StageFailureCode;
  readonly state: string;
  readonly hint: string;
}

/** The first whose sign is found counts. */
const COMPLAINTS: readonly Complaint[] = [
  {
    sign: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known/,
    code: "destination-refused",
    state: "the key of its host is not the known one",
    hint: "Compare the host's key, and add it to known_hosts, or name a file with ssh_known_hosts",
  },
  {
    sign: /Permission denied \(|Too many authentication failures|no mutual signature/,
    code: "destination-refused",
    state: "it takes none of the ssh keys at hand",
    hint: "Add the public key there, start the ssh agent, or name a key with ssh_key",
  },
  {
    sign: /could not read (Username|Password)|terminal prompts disabled/,
    code: "destination-refused",
    state: "it asks for a user name and a password",
    hint: "Say with credentials where they are",
  },
  {
    sign: /Authentication failed|returned error: 40[13]|HTTP (Basic: )?Access denied/i,
    code: "destination-refused",
    state: "it does not take the credentials",
    hint: "Check user name and password, and whether they may write there",
  },
  {
    sign:
      /[Rr]epository .*not found|does not (appear to be a git repository|exist)|not found: did you|returned error: 404/,
    code: "destination-refused",
    state: "there is no such repository, or it is not shown to you",
    hint:
      "Correct the address, or the rights to it; for a first backup, make an empty repository there",
  },
  {
    sign: /dubious ownership/,
    code: "destination-refused",
    state: "its directory belongs to somebody else",
    hint: "Make its directory your own; to read it alone, copy it with cp -R and name the copy",
  },
  {
    sign: /unable to update url base from redirection|redirect|returned error: 30\d/i,
    code: "destination-refused",
    state: "it answers with another address",
    hint: "Write the address that it really has",
  },
  {
    sign: /transport '.*' not allowed|strange (host|path)name/,
    code: "destination-refused",
    state: "git does not allow such an address",
    hint: "Use an address of ssh, of https, or an absolute path",
  },
  {
    sign: /server certificate verification failed|SSL certificate problem|certificate subject name/,
    code: "destination-refused",
    state: "its certificate does not hold",
    hint: "Check the address and this machine's certificates; somebody may be listening",
  },
  {
    sign: /does not support this repository's hash algorithm|mismatched algorithms/,
    code: "destination-refused",
    state: "it does not name its objects by SHA-1",
    hint: "Use a repository that names its objects by SHA-1, which is the default",
  },
  {
    sign: /No space left on device|disk quota exceeded|[Qq]uota/,
    code: "storage-full",
    state: "a disk is full, here or there",
    hint: "Free some space there, or on the disk of the state directory",
  },
  {
    sign: /Could not resolve host|Temporary failure in name resolution|Name or service not known/,
    code: "destination-unreachable",
    state: "its host is not known",
    hint: "Check the address and this machine's network",
  },
  {
    sign: /Connection refused|Failed to connect|No route to host|Network is unreachable/,
    code: "destination-unreachable",
    state: "nothing answers there",
    hint: "Try again later, or check the address and this machine's network",
  },
];

/** The error for what git said of a remote. */
export function explainGit(said: string, { address }: Remote, command: string): StageError {
  const action = `Cannot reach "${address}"`;
  const known = COMPLAINTS.find(({ sign }) => sign.test(said));
  if (known !== undefined) {
    return new StageError(known.code, `${action}: ${known.state}`, {
      hint: known.hint,
      cause: new Error(shown(said)),
    });
  }
  const error = new StageError(
    "destination-unreachable",
    `${action}: git ${command} ended with "${shown(said)}"`,
    { hint: "Try again later; if it stays so, try the address with git itself" },
  );
  return LOCAL_REGEXP.test(command) ? doubt(error) : doubtWhere(error, said);
}

/** Commands that look into the clone alone. */
const LOCAL_REGEXP = /^(fast-import|ls-tree|cat-file|rev-parse|rev-list|merge-base)$/;

/** What git says, here or there, of objects that are not what they were. */
const DAMAGE_REGEXP =
  /inflate|corrupt|bad (packed )?object|unresolved delta|unknown object type|pack-objects died|unable to (read|unpack)|did not receive expected|missing (necessary|blob|tree|commit)/i;

const doubtful = new WeakSet<StageError>();

/** Whether a failure may come from a clone that is damaged: nothing in it is needed. */
export function isDoubtful(error: unknown): boolean {
  return error instanceof StageError && doubtful.has(error);
}

/** Remembers that it is doubtful, where git's own words say so. */
export function doubtWhere(error: StageError, said: string): StageError {
  return DAMAGE_REGEXP.test(said) ? doubt(error) : error;
}

function doubt(error: StageError): StageError {
  doubtful.add(error);
  return error;
}

/** The last lines of what git said, without what may be secret or move a cursor. */
export function shown(said: string): string {
  const lines = said.split(/[\r\n]+/)
    .map((line) => line.replace(/\/\/[^/@\s]*@/g, "//"))
    // deno-lint-ignore no-control-regex -- A server may send any.
    .map((line) => line.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, " ").trim())
    .filter((line) => line !== "" && !/^\w[\w ]+:\s+\d+% \(/.test(line));
  const telling = lines.filter((line) => /^(fatal|error|remote|ssh|!)/.test(line));
  const text = (telling.length > 0 ? telling : lines).slice(-3).join("; ");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
