/**
 * The pipeline file that `init` writes.
 *
 * @module
 */
import { escapeData } from "./json.ts";

/** What differs from machine to machine. Paths are as the file has them. */
export interface Template {
  readonly source: string;
  readonly destination: string;
  readonly identity: string;
  readonly recipients: string;
  readonly compress: "zstd" | "gzip";
}

/** Claude Code's folder where nobody said otherwise. */
export const USUAL_SOURCE = "~/.claude";

/** Writes a pipeline file that works, with what a person needs to go on from there. */
export function renderPipeline(template: Template): string {
  const { source, destination, identity, recipients, compress } = template;
  const isUsual = source === USUAL_SOURCE;
  // Written out where the environment of a nightly run would lack it.
  const named = isUsual ? "" : `paths = [${quote(source)}]\n`;
  return `# What keepsake does, stage by stage: each acts on what those above it made.
# "keepsake plan" shows what this comes to, "keepsake help snapshot" explains a stage,
# and "keepsake run" makes a backup. In paths, ~ and \${NAME} expand.

[pipeline]
name = "claude"
# The secret that opens the backups. What reads them back needs it: list, restore, verify, drill,
# prune and rekey; "schedule install" sees that it is there. "run" needs it for drill_every alone.
# Losing it loses the backups: keep a copy of it elsewhere.
identity = ${quote(identity)}

# Turns all that Claude Code keeps into one archive: its folder, and what its settings and links
# lead to. Credentials and caches stay out; "keepsake plan" tells what, and why.
[[stage]]
use = "snapshot"
id = "claude"
claude = true
${named}# More of what is to be kept, and what is to be left out, in the manner of .gitignore:
# paths = [${isUsual ? "" : `${quote(source)}, `}"~/notes"]
# exclude = ["*.swp", ".git/"]
# Databases that a program has open are copied as they are at one moment:
# sqlite = ["~/notes/notes.db"]
compress = "${compress}"

# Ends the run here when every destination below has all of it already.
[[stage]]
use = "hash-gate"

# Below this line there is ciphertext alone. A file of recipients holds one a line;
# whoever has the identity of any of them can open the backups.
[[stage]]
use = "encrypt"
to = [${quote(recipients)}]

# Keeps the archives in a directory.
[[stage]]
use = "local"
path = ${quote(destination)}

# One copy on the same disk is not enough. A second place, such as a disk that is plugged in:
# [[stage]]
# use = "local"
# id = "usb"
# path = "/mnt/usb/keepsake"
`;
}

/** A basic string of TOML, which reads what JSON escapes the same. */
function quote(text: string): string {
  return escapeData(JSON.stringify(text));
}
