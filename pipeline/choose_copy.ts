/**
 * Which snapshot somebody means. Pure: what there is goes in, one of them or an error comes out.
 *
 * @module
 */
import { BackupError } from "../stages/errors.ts";
import { isTorn, keyOf } from "./catalog/missing.ts";
import type { Copy, Lookup, Lost } from "./find_copies.ts";
import { LATEST } from "./names.ts";
import { shellWord } from "./shell.ts";

/** Where somebody wants to look. */
type Where = Pick<Lookup, "pipeline" | "from">;

/** The address at which to look; `undefined` for destinations of the pipeline. */
export function addressIn({ pipeline, from }: Where): string | undefined {
  return pipeline?.stages.some(({ id }) => id === from) ? undefined : from;
}

/** What to do where an address turns out to hold nothing. */
export const HINT_ADDRESS = "Name the very place that holds a folder for each snapshot id";

/**
 * The copy that a user means by `latest`, an id, a name or its beginning, or `id/name`. Pure.
 *
 * @param copies Oldest first; of those with one name, the first place comes first.
 * @param where Where they were looked for.
 * @param lost What was stored there and is gone: whoever finds nothing has to know of it.
 */
export function chooseCopy(
  copies: readonly Copy[],
  wanted: string,
  where: Where = { pipeline: undefined },
  lost: readonly Lost[] = [],
): Copy {
  const { from } = where;
  const address = addressIn(where);
  // Others may hold what this one does not.
  const hintAside = `Only "${from}" was asked: see "keepsake list" for what all destinations hold`;
  const ids = idsIn(copies);
  const list = ids.map((id) => `"${id}"`).join(", ");
  const missing = (state: string, hint: string) =>
    new BackupError("snapshot-missing", `Cannot find snapshot "${wanted}": ${state}`, { hint });
  if (copies.length === 0 && lost.length > 0) {
    throw missing(
      `everything that was stored in ${
        lost.map(({ destination }) => `"${destination}"`).join(", ")
      } is gone`,
      'See "keepsake verify" for what it was, or look for a copy elsewhere with --from',
    );
  }
  if (copies.length === 0) {
    throw missing(
      from === undefined ? "there are no snapshots" : `there are no snapshots at "${from}"`,
      from === undefined
        ? 'Make one with "keepsake run", or look elsewhere with --from'
        : address === undefined
        ? hintAside
        : HINT_ADDRESS,
    );
  }
  const { id, name } = requestOf(wanted, ids);
  const among = copies.filter(({ held }) => id === undefined || held.id === id);
  if (name === undefined) {
    if (id === undefined && ids.length > 1) {
      throw new BackupError(
        "usage",
        `Cannot tell which latest snapshot is meant: there are ${list}`,
        {
          hint: `Name one: "${ids[0]}" or "${ids[0]}/latest"`,
        },
      );
    }
    const nowhere = from === undefined
      ? `there is none of "${id}"`
      : `"${from}" has none of "${id}"`;
    const own = from === undefined || address !== undefined;
    return newest(among) ?? fail(missing(nowhere, own ? `Name one of ${list}` : hintAside));
  }
  const matching = among.filter(({ held }) =>
    held.name.startsWith(name) || endsSo(held.name, name)
  );
  const names = new Set(matching.map(({ held }) => keyOf(held)));
  if (names.size > 1) {
    throw new BackupError(
      "usage",
      `Cannot tell which snapshot "${wanted}" is: ${names.size} match`,
      {
        hint: `Write more of its name: ${[...names].slice(0, 3).join(", ")}`,
      },
    );
  }
  return wholeFirst(matching)[0] ??
    fail(missing(
      from === undefined ? "no destination holds one" : `"${from}" holds none`,
      from !== undefined && address === undefined
        ? hintAside
        : `See what there is with "keepsake list${
          address === undefined ? "" : ` --from ${shellWord(address)}`
        }"`,
    ));
}

/**
 * Refuses what a variable that is not set leaves of a name, which is no wish for the newest, and what
 * goes on behind the name.
 *
 * @throws {BackupError} `usage`.
 */
export function requireName(wanted: string): void {
  const [snapshot, name, ...path] = wanted.split("/");
  if (path.length > 0 && snapshot !== "" && name !== "") {
    const message = `Cannot find snapshot "${wanted}": its name ends at the second slash`;
    throw new BackupError("usage", message, {
      hint: `Write "${snapshot}/${name}"; what of it comes back is for "restore --path" to say`,
    });
  }
  if (wanted !== "" && !wanted.endsWith("/") && !wanted.startsWith("/")) return;
  const id = wanted.startsWith("/") ? "" : wanted;
  throw new BackupError("usage", `Cannot find snapshot "${wanted}": its name is empty`, {
    hint: `Write its name, or "${id}${LATEST}"`,
  });
}

/** Of which id, if one is said, and which one; without a name, the newest. */
export function requestOf(
  wanted: string,
  ids: readonly string[],
): { readonly id: string | undefined; readonly name: string | undefined } {
  const [id, name] = wanted.includes("/")
    ? wanted.split("/", 2) as [string, string]
    : ids.includes(wanted) && wanted !== LATEST
    ? [wanted, ""]
    : [undefined, wanted];
  return { id, name: name === LATEST || name === "" ? undefined : name };
}

/** The ids of their snapshots, each once. */
export function idsIn(copies: readonly Copy[]): string[] {
  return [...new Set(copies.map(({ held }) => held.id))];
}

/** A snapshot may be called by its hash as well. */
function endsSo(name: string, hash: string): boolean {
  return hash.length >= 4 && name.slice(-12).startsWith(hash);
}

function newest(copies: readonly Copy[]): Copy | undefined {
  const last = copies.at(-1);
  return last && wholeFirst(copies).find(({ held }) => held.name === last.held.name);
}

/** A place that has lost the archive is the last to ask. */
function wholeFirst(copies: readonly Copy[]): Copy[] {
  return copies.toSorted((a, b) => Number(isTorn(a.held)) - Number(isTorn(b.held)));
}

function fail(error: Error): never {
  throw error;
}
