/**
 * Finds the key of an age file with the identities at hand, or says which ones it takes.
 *
 * @module
 */
import { StageError } from "../../errors.ts";
import { damaged, type Unlock } from "./open.ts";

/**
 * Tries the identities, in order.
 *
 * The answer throws a {@linkcode StageError}: `identity-wrong` when none fits, or there is none;
 * `snapshot-damaged` when the header is not what age made.
 */
export function unlockWith(identities: readonly string[]): Unlock {
  return async (header) => {
    const { Decrypter } = await import("age-encryption");
    const decrypter = new Decrypter();
    for (const [index, identity] of identities.entries()) {
      try {
        decrypter.addIdentity(identity);
      } catch { // The cause repeats the secret.
        throw new StageError("identity-wrong", `Cannot use identity ${index + 1}: it is misspelt`, {
          hint: "Copy it anew from where you keep its copy",
        });
      }
    }
    let kinds: string[] | undefined;
    // Asked last, so only when no identity fits, and after the header was found well formed.
    decrypter.addIdentity({
      unwrapFileKey(stanzas) {
        kinds = stanzas.map(({ args }) => args[0] ?? "");
        return null;
      },
    });
    try {
      return await decrypter.decryptHeader(header);
    } catch (cause) {
      if (kinds === undefined || kinds.length === 0) throw damaged("its header is damaged", cause);
      throw new StageError("identity-wrong", `Cannot decrypt the file: ${stateOf(identities)}`, {
        hint: hintFor(kinds, identities.length > 0),
      });
    }
  };
}

function stateOf({ length }: readonly string[]): string {
  if (length === 0) return "there is no identity at hand";
  return length === 1 ? "the identity does not fit" : `none of ${length} identities fits`;
}

/** By the types of the file's stanzas (https://c2sp.org/age#native-recipient-types). */
function hintFor(kinds: readonly string[], tried: boolean): string {
  const prefixes = [
    ...(kinds.includes("X25519") ? ["AGE-SECRET-KEY-1"] : []),
    ...(kinds.includes("mlkem768x25519") ? ["AGE-SECRET-KEY-PQ-1"] : []),
  ];
  if (prefixes.length > 0) {
    const name = `Name the file of its identity (${prefixes.join(" or ")}…) with --identity FILE`;
    // A stanza that is damaged looks like one for somebody else.
    return tried ? `${name}; if that was it, use another copy: this one is damaged` : name;
  }
  if (kinds.includes("scrypt")) return "Decrypt it with stock age, which asks for its passphrase";
  if (kinds.some((kind) => kind.startsWith("ssh-"))) {
    return "Decrypt it with stock age and the SSH key: age -d -i KEY FILE";
  }
  return "Decrypt it with stock age and the plugin that it was made with";
}
