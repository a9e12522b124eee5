/**
 * Stops a snapshot that every destination below already holds.
 *
 * @module
 */
import { defineGate, options } from "./contract.ts";

export default defineGate({
  name: "hash-gate",
  summary: "Stops a snapshot that every destination below already holds",
  description:
    "Compares the hash of what would be stored with the newest snapshot at each destination below. " +
    "A destination that missed the last run gets its copy although nothing changed; the others are left in peace.",
  options: options({}),

  permissions: () => ({}),

  run({ contentHash, destinations }) {
    // Only the newest counts: content that went A, B, A must be stored again to be the latest.
    const lacking = destinations.filter(({ newest }) =>
      newest === undefined || !contentHash.startsWith(newest)
    );
    return Promise.resolve({ pass: lacking.map(({ id }) => id) });
  },
});
