/** Loads pipeline files that a test writes, as a user would have them: in a directory of their own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline, PipelineError } from "../../../pipeline/config/load.ts";
import type { Pipeline } from "../../../pipeline/config/pipeline.ts";

/** An age public key that is well formed. */
export const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/** What surrounds a file. */
export interface Setting {
  readonly environment?: Readonly<Record<string, string>>;
  readonly home?: string | undefined;
  /** Other files in its directory, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs the body with a fresh directory, and removes it. */
export async function inDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "keepsake-config-" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Loads what a file says; its home is `/home/user` unless said otherwise. */
export function load(content: string | Uint8Array, setting: Setting = {}): Promise<Pipeline> {
  return inDirectory(async (directory) => {
    const file = join(directory, "pipeline.toml");
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(file, bytes);
    for (const [name, text] of Object.entries(setting.files ?? {})) {
      await Deno.writeTextFile(join(directory, name), text);
    }
    const { environment = {} } = setting;
    const home = "home" in setting ? setting.home : "/home/user";
    return await loadPipeline(file, { environment, home });
  });
}

/** The error that loading a file ends in. */
export async function refusal(
  content: string | Uint8Array,
  setting: Setting = {},
): Promise<PipelineError> {
  try {
    await load(content, setting);
  } catch (error) {
    assert.ok(error instanceof PipelineError, String(error));
    for (const { path, message, hint } of error.problems) {
      assert.match(message, /^[A-Z][^\n]*[^\n.]$/, path);
      assert.match(hint, /^[A-Z][a-z]+ [^\n]*[^\n.]$/, `${path}: ${message}`);
    }
    return error;
  }
  assert.fail("The file was accepted");
}

/** Its problems, a line each: `2:5 stage[1].use: Unknown stage`. */
export async function problems(content: string, setting: Setting = {}): Promise<string[]> {
  const error = await refusal(content, setting);
  return error.problems.map(({ line, column, path, message }) =>
    `${line}:${column} ${path === "" ? "" : `${path}: `}${message}`
  );
}

/** A `[[stage]]` for each line: its name, then keys. */
export function stages(...lines: readonly string[]): string {
  return lines.map((line) => {
    const [use, ...keys] = line.split("; ");
    return ["[[stage]]", `use = "${use}"`, ...keys, ""].join("\n");
  }).join("\n");
}
