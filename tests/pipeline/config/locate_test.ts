import assert from "node:assert/strict";
import { locate } from "../../../pipeline/config/locate.ts";
import type { Path } from "../../../pipeline/config/problems.ts";

/** Where keys and values stand: `line:column`. */
async function places(text: string, ...paths: readonly Path[]): Promise<string[]> {
  const findings = paths.flatMap((path) =>
    (["key", "value"] as const).map((at) => ({ path, at, message: "" }))
  );
  const positions = (await locate(text, findings)).map(({ line, column }) => `${line}:${column}`);
  return paths.map((_, index) => `${positions[2 * index]} ${positions[2 * index + 1]}`);
}

const TEXT = `top = 1
[pipeline]
  name = "x"   # a comment
"quoted key" = 2

[[stage]]
use = "a"
list = [
  "one", # [not a bracket]
  'two',
]
text = """
[[stage]]
use = "no"
"""

[[ stage ]]
use = "b"
`;

const PATHS: readonly Path[] = [
  ["top"],
  ["pipeline"],
  ["pipeline", "name"],
  ["pipeline", "quoted key"],
  ["stage"],
  ["stage", 0, "use"],
  ["stage", 0, "list", 1],
  ["stage", 1],
  ["stage", 1, "use"],
];

Deno.test("keys and values are found in any way of writing them", async () => {
  assert.deepEqual(await places(TEXT, ...PATHS), [
    "1:1 1:7",
    "2:1 2:1",
    "3:3 3:10",
    "4:1 4:16",
    "6:1 6:1",
    "7:1 7:7",
    "10:3 10:3",
    "17:1 17:1",
    "18:1 18:7",
  ]);
});

Deno.test("line ends of Windows and characters of two units count as one", async () => {
  const windows = TEXT.replaceAll("\n", "\r\n");
  assert.deepEqual(await places(windows, ...PATHS), await places(TEXT, ...PATHS));
  assert.deepEqual(await places('a = ["🗄🗄", "x"]', ["a", 1]), ["1:12 1:12"]);
});

Deno.test("tables within a line are found, and dotted keys", async () => {
  assert.deepEqual(
    await places(
      'stage = [{ use = "a" }, { use = "b", x.y = 1 }]\npipeline.name = "n"\n',
      ["stage", 1],
      ["stage", 1, "use"],
      ["stage", 1, "x"],
      ["pipeline"],
      ["pipeline", "name"],
    ),
    ["1:25 1:25", "1:27 1:33", "1:38 1:38", "2:1 2:1", "2:1 2:17"],
  );
});

Deno.test("what is missing stands where the table around it starts", async () => {
  assert.deepEqual(
    await places(TEXT, ["stage", 1, "path"], ["stage", 2], ["nothing"], []),
    ["17:1 17:1", "6:1 6:1", "1:1 1:1", "1:1 1:1"],
  );
});

Deno.test("a text that is too long for the parser is looked through line by line", async () => {
  const long = `${TEXT.replace('[[stage]]\nuse = "no"', "some\ntext")}# ${"x".repeat(70_000)}\n`;
  assert.deepEqual(await places(long, ...PATHS), [
    "1:1 1:7",
    "2:1 2:1",
    "3:3 3:10",
    // No more than the table is known of a key in quotes, nor of what stands in a list.
    "2:1 2:1",
    "6:1 6:1",
    "7:1 7:7",
    "8:1 8:1",
    "17:1 17:1",
    "18:1 18:7",
  ]);
});
