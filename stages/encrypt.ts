/**
 * Encrypts archives with age, so that a destination needs no trust.
 *
 * @module
 */
import { defineTransform, options, recipients } from "./contract.ts";
import { open } from "./formats/age/open.ts";
import { seal } from "./formats/age/seal.ts";
import { unlockWith } from "./formats/age/unlock.ts";

export default defineTransform({
  name: "encrypt",
  summary: "Encrypts archives with age",
  description:
    "What stands below sees ciphertext only. Every recipient can open every archive alone, with keepsake or with stock age.",
  options: options({
    to: recipients(
      "Recipients (`age1…`, post-quantum `age1pq1…`), or files that hold one a line.",
      { example: ["~/.config/keepsake/recipients.txt"] },
    ),
  }),

  // Bytes come and go over the channel, and keys arrive with the call.
  permissions: () => ({}),
  prepare: () => Promise.all([import("node:crypto"), import("age-encryption")]),
  suffix: ".age",
  seals: true,

  run({ options: { to }, input, output, log }) {
    const postQuantum = to.filter((recipient) => recipient.startsWith("age1pq1"));
    if (postQuantum.length > 0 && postQuantum.length < to.length) {
      log("warn", "Some recipients are not post-quantum, so what is encrypted is not either");
    }
    return seal(input, to, output);
  },

  restore: ({ input, output, identities }) => open(input, unlockWith(identities), output),

  rewrap: async ({ options: { to }, input, output, identities }) =>
    (await import("./formats/age/rewrap.ts")).rewrap(input, unlockWith(identities), to, output),

  byHand: "age -d -i identity.txt",
});
