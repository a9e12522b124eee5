import { deepEqual } from "node:assert/strict";
import { basename } from "node:path";
import { findRoots } from "../../../../stages/formats/roots.ts";
import { idleExcludes } from "../../../../stages/formats/snapshot/idle_excludes.ts";
import { archiveOf, selectionOf, SourceTree } from "./source_tree.ts";

/** What to write in the place of each that matches nothing; `null`: something else is said. */
function hints(paths: readonly string[], patterns: readonly string[]) {
  return Object.fromEntries(
    patterns.flatMap((pattern) =>
      idleExcludes([pattern], findRoots(paths, [])).map(({ reason }) => {
        return [pattern, /so write "(.*)"$/.exec(reason)?.[1] ?? null];
      })
    ),
  );
}

Deno.test("patterns that were written as paths are told with what to write in their place", () => {
  using tree = new SourceTree({ "src/a/1": "x", "other/b": "x", "file": "x" });
  const [src, other, file] = ["src", "other", "file"].map((name) => tree.at(name)) as [
    string,
    string,
    string,
  ];
  deepEqual(
    hints([src, other, file], [
      ...[
        "~/src/a",
        "$HOME/src/a",
        "${HOME}/src/a",
        "${X:-~}/a",
        "./a",
        `${src}/a`,
        `!${src}/a`,
        `${src}/**/b`,
        `${other}/b/`,
        src,
        `${src}/`,
      ],
      ...[
        "src/a",
        "/src/a",
        "/src",
        "src/",
        "src",
        "a",
        "/a",
        "a/1",
        "*.swp",
        "~$*",
        "~",
        "$HOME",
        "a$/b",
        "**/src",
      ],
      ...[`${tree.path}/else`, `${src}x/a`, "", "!", "/", "#", "."],
    ]),
    {
      "~/src/a": null,
      "$HOME/src/a": null,
      "${HOME}/src/a": null,
      "${X:-~}/a": null,
      "./a": "/a",
      [`${src}/a`]: "/a",
      [`!${src}/a`]: "!/a",
      [`${src}/**/b`]: "/**/b",
      [`${other}/b/`]: "/b/",
      [src]: null,
      [`${src}/`]: null,
      "src/a": "/a",
    },
  );
});

Deno.test({
  name: "a pattern under whose first name there is something means what it says",
  ignore: Deno.build.os === "windows", // There no name has a colon in it.
  fn() {
    using tree = new SourceTree({ "src/src/a": "x", "src/~/a": "x" });
    const src = tree.at("src");
    deepEqual(hints([src], ["src/a", "~/a"]), {});
    tree.write(`src${tree.path}/src/a`, "x");
    deepEqual(hints([src], [`${src}/a`]), {});
    deepEqual(hints(["/"], ["/nothing-is-called-so/a"]), {});
  },
});

Deno.test("what is told of a pattern is true: what it was to leave out is in the archive", async () => {
  using tree = new SourceTree({ "src/a": "x", "src/b": "x" });
  const root = tree.at("src");
  for (const pattern of ["./a", `${root}/a`, `${basename(root)}/a`, "~/src/a"]) {
    const { entries, notes } = await archiveOf(selectionOf([root], { exclude: [pattern] }));
    deepEqual(entries.map(({ path }) => path), ["src", "src/a", "src/b"]);
    deepEqual(notes.map(({ path }) => path), [root]);
  }
  const { entries, notes } = await archiveOf(selectionOf([root], { exclude: ["/a"] }));
  deepEqual(entries.map(({ path }) => path), ["src", "src/b"]);
  deepEqual(notes, []);
});
