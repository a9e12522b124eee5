/**
 * Every file that is generated from what the stages declare.
 *
 * @module
 */
import type { Stage } from "../../stages/contract.ts";
import { stagesPageOf } from "./docs.ts";
import { exampleFileOf } from "./example.ts";
import { schemaOf } from "./schema.ts";

/** Contents of the generated files, by path from the root of the project. */
export function docsFiles(stages: readonly Stage[]): Readonly<Record<string, string>> {
  return {
    "docs/stages.md": stagesPageOf(stages),
    "pipeline.example.toml": exampleFileOf(stages),
    "pipeline.schema.json": schemaOf(stages),
  };
}
