/**
 * Every built-in stage. Adding one adds a file, a line here and a test.
 *
 * Loaded on demand: a worker imports the one stage it runs, so no stage pays for the dependencies
 * of another, nor needs the permissions they ask for when imported.
 *
 * @module
 */
import type { Stage } from "./contract.ts";

/**
 * A stage's file, by its address: what plain imports name is read in full before anything runs,
 * with all that it may ever load.
 */
function at(file: string): () => Promise<{ readonly default: Stage }> {
  return () => import(new URL(file, import.meta.url).href);
}

export const stages: Readonly<Record<string, () => Promise<{ default: Stage }>>> = {
  "digest": at("./digest.ts"),
  "preserve": at("./preserve.ts"),
  "snapshot": at("./snapshot.ts"),
  "hash-gate": at("./hash_gate.ts"),
  "encrypt": at("./encrypt.ts"),
  "local": at("./local.ts"),
  "s3": at("./s3.ts"),
  "git": at("./git.ts"),
};

/** The transform that nearly all that is stored went through: a restore loads it before it knows. */
export const USUAL_TRANSFORM = "encrypt";
