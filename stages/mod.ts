/**
 * Every built-in stage. Adding one adds a file, a line here and a test.
 *
 * Loaded on demand: a worker imports the one stage it runs, so no stage pays for the dependencies
 * of another, nor needs the permissions they ask for when imported.
 *
 * @module
 */
import type { Stage } from "./contract.ts";

export const stages: Readonly<Record<string, () => Promise<{ default: Stage }>>> = {
  "digest": () => import("./digest.ts"),
  "preserve": () => import("./preserve.ts"),
  "snapshot": () => import("./snapshot.ts"),
  "hash-gate": () => import("./hash_gate.ts"),
  "encrypt": () => import("./encrypt.ts"),
  "local": () => import("./local.ts"),
  "s3": () => import("./s3.ts"),
  "git": () => import("./git.ts"),
};
