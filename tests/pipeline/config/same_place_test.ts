import { equal } from "node:assert/strict";
import { join } from "node:path";
import { loadPipeline, PipelineError } from "../../../pipeline/config/load.ts";

Deno.test("two stages that write to one place under two names are refused", async () => {
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "keepsake-places-" }));
  try {
    await Deno.mkdir(join(home, "dl#1"));
    await Deno.symlink(join(home, "dl#1"), join(home, "dlink"));
    await Deno.mkdir(join(home, "x.git"));
    await Deno.symlink(join(home, "x.git"), join(home, "y.git"));
    const git = (remote: string) => `use = "git"\nremote = "${remote}"`;
    const local = (path: string) => `use = "local"\npath = "${join(home, path)}"`;
    const s3 = (rest: string) => `use = "s3"\nbucket = "backups"\n${rest}`;
    const endpoint = 'endpoint = "https://s3.example"';
    const same = [
      [local("dl#1"), local("dlink"), join(home, "dl#1")],
      [local("dl#1/later"), local("dlink/later"), join(home, "dl#1/later")],
      [git(`${home}/x.git`), git(`file://${home}/x.git/`), `${home}/x.git#main`],
      [git(`${home}/x.git`), git(`${home}/y.git`), `${home}/x.git#main`],
      [git(`${home}/none`), git(`file://${home}/none`), undefined],
      [
        git("https://h.example/x.git"),
        git("https://h.example/x.git/"),
        "https://h.example/x.git#main",
      ],
      [s3(""), s3('region = "eu-west-1"'), "s3://backups/"],
      [s3(endpoint), s3(`${endpoint}\naddressing = "host"`), undefined],
    ] as const;
    for (const [one, other, place] of same) {
      const message = await placesProblem(home, one, other);
      const begins = 'Destination "b" would keep snapshot "snapshot" at the same place as "a"';
      equal(message?.startsWith(begins), true, `${one} and ${other}: ${message}`);
      if (place !== undefined) equal(message?.slice(begins.length), `: both are "${place}"`);
    }
    for (const use of ["digest", "preserve"]) {
      const writing = (to: string) => `use = "${use}"\nfrom = "${home}"\nto = "${join(home, to)}"`;
      const message = await placesProblem(home, writing("dl#1"), writing("dlink"));
      const both = `as "a": both are "${join(home, "dl#1")}"`;
      const told = `Stage "b" would write to the same directory ${both}`;
      equal(message?.split("; ").includes(told), true, message);
    }
    const different = [
      [local("dl#1"), local("dl")],
      [git(`${home}/x.git`), `${git(`${home}/y.git`)}\nbranch = "other"`],
      [git("https://h.example/x.git"), git("https://h.example/y.git")],
      [s3(""), s3(endpoint)],
      [s3(""), s3('prefix = "a"')],
    ] as const;
    for (const [one, other] of different) {
      equal(await placesProblem(home, one, other), undefined, `${one} and ${other}`);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

/** What is said of two destinations. */
async function placesProblem(
  home: string,
  one: string,
  other: string,
): Promise<string | undefined> {
  const file = join(home, "pipeline.toml");
  const lines = [
    ...["[pipeline]", `state = ${JSON.stringify(join(home, "state"))}`],
    ...["[[stage]]", 'use = "snapshot"', 'paths = ["/data"]'],
    ...["[[stage]]", 'id = "a"', "plaintext = true", one],
    ...["[[stage]]", 'id = "b"', "plaintext = true", other],
  ];
  await Deno.writeTextFile(file, lines.join("\n"));
  try {
    await loadPipeline(file, { environment: {}, home });
    return undefined;
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return error.problems.map(({ message }) => message).join("; ");
  }
}
