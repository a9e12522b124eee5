/** Schedules in a real crontab, which only the test sees, and a real cron daemon. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { findProgram } from "../../commands/schedule/place.ts";
import { Catalog } from "../../pipeline/catalog.ts";
import { acquireLock } from "../../pipeline/lock.ts";
import { Home } from "../commands/harness.ts";

const SLOW = Deno.env.get("KEEPSAKE_SLOW") === "1";

/** Where mounts and processes are those of a test alone, and with it gone. */
const APART = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"] as const;

const cron = findProgram("cron") !== undefined && await hasNamespaces();
const unlessCron = cron ? "" : " (ignored: cron is not installed, or nothing can be mounted here)";

const crontab = findProgram("crontab") !== undefined;
const unlessCrontab = crontab ? "" : " (ignored: crontab is not installed)";

/** What a table holds besides. */
const OTHERS = "MAILTO=someone\n# mine\n5 4 * * *  true %x\n";

/**
 * A home that is furnished, with a file that says the same whatever `HOME` is: schedulers go by the
 * one in the system's records.
 *
 * @param change What else the file is to say.
 */
async function furnished(change = (text: string, _home: Home) => text): Promise<Home> {
  const home = await Home.make();
  await home.furnish();
  const path = home.at(".config/keepsake/pipeline.toml");
  const text = await Deno.readTextFile(path);
  const state = `[pipeline]\nstate = "${home.at(".local/state/keepsake")}"`;
  const absolute = text.replace("claude = true", 'paths = ["~/.claude"]')
    .replaceAll('"~/', `"${home.path}/`).replace("[pipeline]", state);
  await Deno.writeTextFile(path, change(absolute, home));
  return home;
}

/**
 * Lines that make the home in the system's records this one, as far as they are seen here: a backup
 * that cron would start remembers there who is told of it.
 */
const OWN_RECORD =
  `sed "s,^$(id -un):\\(.*\\):[^:]*:[^:]*$,$(id -un):\\1:$HOME:/bin/sh," /etc/passwd > passwd
  mount --bind passwd /etc/passwd`;

/** Runs lines of bash where the crontabs are in memory, and not this machine's own. */
async function withTable(home: Home, script: string) {
  await home.write(
    "script",
    `set -e
    mount -t tmpfs none /var/spool/cron/crontabs
    chmod 1730 /var/spool/cron/crontabs
    printf '${OTHERS.replaceAll("%", "%%").replaceAll("\n", "\\n")}' | crontab -
    ${script}`,
  );
  return await home.bash(`unshare ${APART.join(" ")} bash ${home.at("script")}`);
}

Deno.test({
  name: `a schedule is proved, written once, shown and taken away, and the rest stays${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished((text) =>
      text.replace("[pipeline]", '[pipeline]\nalert = ["env:HOOK"]')
    );
    const { status, stdout, stderr } = await withTable(
      home,
      `${OWN_RECORD}
      printf '# \\344 is not UTF-8\\n' > strange
      cat strange | crontab -
      keepsake schedule install --with cron --skip-key-check
      keepsake schedule remove
      crontab -l | cmp - strange
      printf '${OTHERS.replaceAll("%", "%%").replaceAll("\n", "\\n")}' | crontab -
      keepsake schedule install --with cron --at '0 3 * * *'
      keepsake schedule install --with cron --at '30 4 * * *'
      crontab -l > installed
      keepsake status > status
      keepsake schedule show
      keepsake schedule run-now
      keepsake schedule remove
      crontab -l > removed
      keepsake schedule remove`,
    );
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^Note: cron starts it without your HOOK: put that address in a file, /m);
    assert.match(stderr, /^Note: No cron daemon is running here: nothing will start until one is/m);
    // Of three installations, the first found something to write.
    const unwritten = stderr.match(/^Note: local had everything already, so nothing was written/gm);
    assert.equal(unwritten?.length, 2);
    const shown = await Deno.readTextFile(home.at("status"));
    assert.match(shown, /^Next run: \S+ 04:30, .+, by cron$/m);
    const installed = await Deno.readTextFile(home.at("installed"));
    assert.ok(installed.startsWith(OTHERS));
    assert.equal(installed.split("keepsake claude: begin").length, 2);
    assert.match(installed, /^30 4 \* \* \* .* run --config .*pipeline\.toml --quiet$/m);
    assert.equal(stdout.trimEnd(), installed.slice(OTHERS.length).trimEnd());
    assert.equal(await Deno.readTextFile(home.at("removed")), OTHERS);
    assert.match(stderr, /^Warning: "encrypt" encrypts for one recipient: /m);
    assert.match(stderr, /Scheduled "claude" with cron: next at \d{4}-\d\d-\d\d 04:30$/m);
    assert.match(
      stderr,
      /^claude: nothing had changed .*\n.*\n(.*\n)?Done in .*\nThe backup ended well/m,
    );
    assert.match(stderr, /Nothing was scheduled for "claude"\n$/);
    const backups = await home.list(".local/share/keepsake/backups");
    assert.equal(backups.length, 2, "the proof is a backup");
    const pointers = await home.list(".local/state/keepsake/.files");
    assert.equal(pointers.length, 1, "nothing is noted in the home of whoever runs this test");
  },
});

Deno.test({
  name: `what is trusted by TLS here is trusted by what is scheduled${unlessCrontab}`,
  ignore: !crontab,
  async fn() {
    await using home = await furnished();
    const file = home.at(".config/keepsake/pipeline.toml");
    const print = async (env: Readonly<Record<string, string>>) => {
      const words = ["schedule", "install", "--with", "cron", "--print", "--config", file];
      const { status, stdout, stderr } = await home.keepsake(words, { env });
      return { status, said: stdout + stderr };
    };
    const env = { NODE_EXTRA_CA_CERTS: "/etc/company.pem", SSL_CERT_FILE: "/etc/all.pem" };
    // A pipeline that speaks with no server has no use for it, also where it keeps a log.
    assert.doesNotMatch((await print(env)).said, /company/);
    const own = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, own.replace("[pipeline]", '[pipeline]\nlog = "/var/log/x"'));
    assert.doesNotMatch((await print(env)).said, /company/);
    const text = await Deno.readTextFile(file);
    const heartbeat = '[pipeline]\nheartbeat = "https://hc.example.org/abc"';
    await Deno.writeTextFile(file, text.replace("[pipeline]", heartbeat));
    const { said } = await print(env);
    assert.match(said, /NODE_EXTRA_CA_CERTS=\S*\/etc\/company\.pem/);
    assert.doesNotMatch(said, /all\.pem/);
    const { said: system } = await print({ ...env, DENO_TLS_CA_STORE: "system, mozilla" });
    assert.match(system, /DENO_TLS_CA_STORE=\S*system,mozilla/);
    assert.match(system, /SSL_CERT_FILE=\S*\/etc\/all\.pem/);
    const relative = await print({ DENO_CERT: "company.pem" });
    assert.equal(relative.status, 3);
    assert.match(
      relative.said,
      /Cannot schedule with DENO_CERT="company\.pem": it is no absolute path/,
    );
  },
});

Deno.test({
  name:
    `what cron starts makes the directories that it needs, where the file says, spaces and all${unlessCrontab}`,
  ignore: !crontab,
  async fn() {
    await using home = await furnished((text, home) =>
      text.replace(/^state = .*$/m, `state = "${home.at("a state/of mine")}"\nlog = "~/a log"`)
        .replace(home.at(".local/share/keepsake/backups"), home.at("a disk/back ups"))
    );
    const file = home.at("my files/the pipeline.toml");
    await Deno.mkdir(home.at("my files"));
    await Deno.rename(home.at(".config/keepsake/pipeline.toml"), file);
    const words = ["schedule", "install", "--with", "cron", "--at", "5 4 * * *", "--print"];
    const { status, stdout, stderr } = await home.keepsake([...words, "--config", file]);
    assert.equal(status, 0, stderr);
    const [, line = ""] = /^5 4 \* \* \* (.*)$/m.exec(stdout) ?? [];
    const command = line.replaceAll("\\%", "%");
    const before = await home.list(".");
    const started = await new Deno.Command("/bin/sh", {
      args: ["-c", command],
      ...{ cwd: home.path, clearEnv: true },
      env: { HOME: home.path, LOGNAME: "someone", SHELL: "/bin/sh", PATH: "/usr/bin:/bin" },
    }).output();
    const decoder = new TextDecoder();
    assert.deepEqual(
      [started.code, decoder.decode(started.stdout), decoder.decode(started.stderr)],
      [0, "", ""],
    );
    // Which file has its state where is noted in the usual place, and nothing else is there.
    const isNote = (path: string) => path.startsWith(".local/state/keepsake/.files/");
    const made = (await home.list(".")).filter((path) => !before.includes(path) && !isNote(path));
    assert.deepEqual(
      [...new Set(made.map((path) => path.split("/").slice(0, 2).join("/")))],
      ["a disk/back ups", "a log/claude.log", "a state/of mine"],
    );
    assert.equal((await home.list("a disk/back ups/claude")).length, 2);
  },
});

Deno.test({
  name: `what would fail where cron starts it is not scheduled${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished();
    // A file in place of the destination.
    await home.write(".local/share/keepsake/backups", "");
    const { status, stderr } = await withTable(
      home,
      `keepsake schedule install --with cron || echo "status $?" > ended
      crontab -l > table
      test "$(cat ended)" = "status 2"`,
    );
    assert.equal(status, 0, stderr);
    assert.match(stderr, /is a file\n/);
    assert.match(
      stderr,
      /Nothing was scheduled: the backup ended with status 2 where cron starts it/,
    );
    assert.equal(await Deno.readTextFile(home.at("table")), OTHERS);
  },
});

Deno.test({
  name:
    `a file that means something else without this shell's variables is not scheduled${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished((text, home) =>
      text.replace(home.at(".claude"), "${ELSEWHERE:-~/.claude}")
    );
    await home.write("elsewhere/notes.md", "mine\n");
    const words = ["schedule", "install", "--with", "cron"];
    const env = { ELSEWHERE: home.at("elsewhere") };
    const { status, stderr } = await home.keepsake(words, { env });
    assert.equal(status, 3);
    assert.match(
      stderr,
      /cron starts it without your ELSEWHERE and HOME, and other paths would be meant by paths of "claude" \(\S+elsewhere here, \S+\.claude there\)$/m,
    );
    assert.match(stderr, /Write the paths themselves into \S+$/m);
    const now = await home.keepsake(["schedule", "run-now", "--with", "cron"], { env });
    assert.deepEqual([now.status, now.stderr.split("\n")[0]], [3, stderr.split("\n").at(-3)]);
    const printed = await home.keepsake([...words, "--print"], { env });
    assert.deepEqual([printed.status, printed.stdout.includes(" run --config ")], [0, true]);
    assert.match(
      printed.stderr,
      /^Warning: Cannot schedule "claude": .* meant by paths of "claude"/,
    );
  },
});

Deno.test({
  name:
    `so is one that would tell elsewhere, or not know the secrets that may be stored${unlessCron}`,
  ignore: !cron,
  async fn() {
    const keys = {
      log: '"~/log"',
      metrics: '"~/metrics.prom"',
      known_secrets: '"~/known.txt"',
      heartbeat: '"file:~/beat"',
      alert: '["file:~/hook"]',
      command: '["~/tell"]',
    };
    for (const [key, value] of Object.entries(keys)) {
      await using home = await furnished((text) =>
        text.replace("[pipeline]", `[pipeline]\n${key} = ${value}`)
      );
      const { status, stderr } = await home.keepsake(["schedule", "install", "--with", "cron"]);
      assert.equal(status, 3, key);
      const meant = RegExp(
        `^Error: .* without your HOME, .* be meant by ${key} \\(\\S+ here, `,
        "m",
      );
      assert.match(stderr, meant);
    }
  },
});

Deno.test({
  name:
    `install asks for the identity first, unless told not to, and says what that risks${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished();
    const identity = home.at(".config/keepsake/identity.txt");
    await Deno.rename(identity, home.at("elsewhere.txt"));
    const { status, stderr } = await withTable(
      home,
      `keepsake schedule install --with cron || echo "status $?" > ended
      test "$(cat ended)" = "status 3"
      test -z "$(crontab -l | grep keepsake)"
      keepsake keygen --output ${home.at("other/other.txt")} 2> /dev/null
      keepsake schedule install --with cron --identity other/other.txt || echo "status $?" > ended
      test -z "$(crontab -l | grep keepsake)"
      keepsake schedule install --with cron --identity elsewhere.txt
      keepsake schedule remove
      keepsake schedule install --with cron --skip-key-check
      crontab -l | grep -q 'keepsake claude: begin'`,
    );
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /^Error: Cannot read the identity .*identity\.txt": there is no such file$/m,
    );
    assert.match(
      stderr,
      /^ {2}.*; --skip-key-check goes on without knowing whether it can be opened$/m,
    );
    assert.match(stderr, /^Error: Cannot open what "encrypt" encrypts with "other\/other\.txt": /m);
    assert.match(stderr, /^The identity at hand opens what will be encrypted$/m);
    assert.match(stderr, /^Warning: nobody has looked whether the identity is there /m);
  },
});

Deno.test({
  name: `a schedule is that of the file it starts, and of no other of its name${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished();
    const { status, stdout, stderr } = await withTable(
      home,
      `first=.config/keepsake/pipeline.toml
      cp $first second.toml
      keepsake schedule install --with cron --skip-key-check 2> /dev/null
      crontab -l > one
      keepsake schedule install --with cron --skip-key-check --config second.toml || echo "status $?"
      keepsake schedule remove --config second.toml
      keepsake status --config second.toml | grep '^Next run'
      crontab -l | cmp - one
      ln -s $first link.toml
      keepsake status --config link.toml | grep '^Next run'
      echo "# its name is another"
      sed -i '/^name = /d; s/^state = /name = "other"\\n&/' $first
      keepsake schedule install --with cron --skip-key-check 2> renamed
      crontab -l | grep -c 'keepsake .*: begin'
      echo "# it was moved"
      mv $first second.toml
      keepsake status --config second.toml | grep '^Next run'
      keepsake schedule show --config second.toml | grep -c ' run --config '
      keepsake schedule install --with cron --skip-key-check --config second.toml 2> /dev/null
      crontab -l | grep -c 'keepsake .*: begin'
      keepsake status --config second.toml | grep '^Next run'
      echo "# it is gone"
      rm second.toml
      keepsake schedule show --config second.toml | grep -c ' run --config '
      keepsake schedule remove --config second.toml
      crontab -l > removed`,
    );
    assert.equal(status, 0, stderr);
    const first = home.at(".config/keepsake/pipeline.toml");
    assert.match(
      stderr,
      /^Error: Cannot schedule "claude" of "\S+second\.toml": cron has a schedule of that name, which starts "\S+pipeline\.toml"$/m,
    );
    assert.match(stderr, /schedule remove --config \S+\/pipeline\.toml$/m);
    assert.match(
      stderr,
      /^Another "claude" stays scheduled with cron: it starts \S+pipeline\.toml$/m,
    );
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => line.replace(/ \d{4}-.* 03:00, .+, /, " AT THREE, ")), [
      "status 3",
      `Next run: none of this file: cron starts ${first}`,
      "Next run: AT THREE, by cron",
      "# its name is another",
      "1",
      "# it was moved",
      `Next run: none of this file: cron starts ${first}, which is gone`,
      "3",
      "1",
      "Next run: AT THREE, by cron",
      "# it is gone",
      "3",
    ]);
    assert.match(
      await Deno.readTextFile(home.at("renamed")),
      /^Note: That replaces "claude", under which cron started this file until now$/m,
    );
    assert.match(stderr, /^Warning: going by its path alone\. Cannot .*second\.toml/m);
    assert.match(stderr, /^"\S+second\.toml" is no longer scheduled with cron$/m);
    assert.equal(await Deno.readTextFile(home.at("removed")), OTHERS);
  },
});

Deno.test({
  name:
    `lines of ours that lost their marks are told of, and what is of Windows is found${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished();
    const { status, stderr } = await withTable(
      home,
      `keepsake schedule install --with cron --skip-key-check 2> /dev/null
      crontab -l | sed 's/$/${"\r"}/' | crontab -
      keepsake schedule remove
      crontab -l > left
      cat /var/spool/cron/crontabs/* > kept
      keepsake schedule install --with cron --skip-key-check 2> /dev/null
      crontab -l | grep -v '^# end of' | crontab -
      keepsake schedule remove`,
    );
    assert.equal(status, 0, stderr);
    assert.ok((await Deno.readTextFile(home.at("kept"))).endsWith(OTHERS.replaceAll("\n", "\r\n")));
    assert.doesNotMatch(await Deno.readTextFile(home.at("left")), /keepsake/);
    assert.match(
      stderr,
      /^Warning: 3 lines of cron start \S+pipeline\.toml outside what keepsake marks as its own, and are left: take them out with crontab -e$/m,
    );
  },
});

Deno.test({
  name: `what a crontab sets above counts for the proof, or is refused${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished();
    const { status, stdout, stderr } = await withTable(
      home,
      `attempt() {
        echo "# $1"
        echo "$1" | crontab -
        keepsake schedule install --with cron --skip-key-check 2>&1 | grep -e '^Error' -e sets -e '^Scheduled'
        crontab -l | grep -c 'keepsake .*: begin' || true
      }
      attempt SHELL=/bin/false
      attempt SHELL=/nowhere
      attempt HOME=/nonexistent
      attempt CRON_TZ=Asia/Kathmandu
      attempt "PATH=''"
      attempt "PATH=/usr/local/bin:/usr/bin:/bin"`,
    );
    assert.equal(status, 0, stderr);
    const cannot = 'Error: Cannot schedule "claude" with cron: your crontab sets';
    const lines = stdout.replace(/next at .*$/gm, "next").replace(/means \S+ here/, "means X here");
    assert.deepEqual(lines.trimEnd().split("\n"), [
      ...["# SHELL=/bin/false", "Your crontab sets this above it: SHELL=/bin/false", "0"],
      ...["# SHELL=/nowhere", `${cannot} SHELL to "/nowhere", which does not exist`, "0"],
      ...["# HOME=/nonexistent", `${cannot} HOME to "/nonexistent", and "~" means X here`, "0"],
      "# CRON_TZ=Asia/Kathmandu",
      `${cannot} CRON_TZ to "Asia/Kathmandu", and times are meant in the zone of this machine`,
      "0",
      ...["# PATH=''", 'Scheduled "claude" with cron: next', "1"],
      ...["# PATH=/usr/local/bin:/usr/bin:/bin", 'Scheduled "claude" with cron: next', "1"],
    ]);
  },
});

Deno.test("flags that are for install are refused elsewhere, and times that are none", async () => {
  await using home = await furnished();
  for (
    const words of [["--at", "0 3 * * *"], ["--print"], ["--identity", "x"], ["--skip-key-check"]]
  ) {
    const shown = await home.keepsake(["schedule", "show", ...words]);
    assert.equal(shown.status, 3);
    const said = `Error: Cannot use "${words[0]}" with show: it is for install\n`;
    assert.equal(shown.stderr.startsWith(said), true, shown.stderr);
  }
  const daily = await home.keepsake(["run", "--if-missed", "daily"]);
  assert.equal(daily.status, 3);
  assert.match(daily.stderr, /Cannot use "daily" as a time/);
});

Deno.test("run --if-missed does nothing when a run has begun since it was due", async () => {
  await using home = await furnished();
  const run = () => home.keepsake(["run", "--if-missed", "0 0 1 1 *", "--json"]);
  // A trial is no backup.
  assert.equal((await home.keepsake(["run", "--dry-run", "--quiet"])).status, 0);
  const [first, second] = [await run(), await run()];
  assert.equal(JSON.parse(first.stdout).ok, true);
  assert.deepEqual({ ...second, stdout: "" }, { status: 0, stdout: "", stderr: "" });
  const { started, ...report } = JSON.parse(second.stdout);
  assert.equal(new Date(started).toISOString(), started);
  assert.deepEqual(report, {
    ...{ ok: true, run: null, dry_run: false, finished: started, stages: [], snapshots: [] },
    message: "Nothing was missed",
  });
});

Deno.test("run --if-missed does not repeat what an error ended, and makes up for what was interrupted", async () => {
  await using home = await furnished();
  const run = () => home.keepsake(["run", "--if-missed", "0 0 1 1 *", "--quiet"]);
  await Deno.rename(home.at(".claude"), home.at("elsewhere"));
  const [first, second] = [await run(), await run()];
  assert.match(first.stderr, /^Error: Cannot back up .*: it does not exist$/m);
  assert.deepEqual(second, { status: 0, stdout: "", stderr: "" });
  await Deno.rename(home.at("elsewhere"), home.at(".claude"));
  const catalog = Catalog.open(home.at(".local/state/keepsake/claude"), () => {}, new Date());
  const failure = { code: "interrupted", message: "x", hint: undefined } as const;
  catalog.runs.abandon(1, new Date(), failure);
  catalog[Symbol.dispose]();
  assert.deepEqual(await run(), { status: 0, stdout: "", stderr: "" });
  assert.equal((await home.keepsake(["status", "--json"])).stdout.includes('"run": 2'), true);
});

Deno.test("run --if-missed leaves a run that is under way alone, without an error", async () => {
  await using home = await furnished();
  const state = home.at(".local/state/keepsake/claude");
  await Deno.mkdir(state, { recursive: true, mode: 0o700 });
  const lock = await acquireLock(join(state, "lock"));
  const missed = await home.keepsake(["run", "--if-missed", "0 0 1 1 *", "--quiet"]);
  const asked = await home.keepsake(["run", "--if-missed", "0 0 1 1 *", "--json"]);
  const due = await home.keepsake(["run", "--quiet"]);
  lock[Symbol.dispose]();
  assert.deepEqual(missed, { status: 0, stdout: "", stderr: "" });
  assert.equal(asked.status, 0);
  assert.equal(JSON.parse(asked.stdout).message, "Another run of this pipeline is under way");
  assert.equal(due.status, 11);
});

// The daemon looks once a minute.
if (SLOW) {
  Deno.test({
    name: `what init makes is backed up by cron itself within two minutes${unlessCron}`,
    ignore: !cron,
    async fn() {
      await using home = await Home.make();
      const { status, stderr } = await withTable(
        home,
        `${OWN_RECORD}
        crontab -r
        mkdir -p .claude/projects/-tmp-a
        echo 'Be kind.' > .claude/CLAUDE.md
        keepsake init --yes
        keepsake schedule install --at '* * * * *' --with cron
        ls .local/share/keepsake/backups/claude > proved
        echo changed > .claude/CLAUDE.md
        env -i PATH="$PATH" cron -f & daemon=$!
        trap "kill $daemon" EXIT
        for second in $(seq 120); do
          sleep 1
          [ $(ls .local/share/keepsake/backups/claude | wc -l) = 4 ] && break
        done
        keepsake list --json > list
        keepsake restore --to back`,
      );
      assert.equal(status, 0, stderr);
      assert.match(stderr, /^Scheduled "claude" with cron: next at /m);
      assert.match(stderr, /^Note: No cron daemon is running here: /m);
      const proved = await Deno.readTextFile(home.at("proved"));
      assert.equal(proved.trim().split("\n").length, 2, "an archive and its manifest");
      assert.equal(JSON.parse(await Deno.readTextFile(home.at("list"))).length, 2);
      assert.equal(await Deno.readTextFile(home.at("back/.claude/CLAUDE.md")), "changed\n");
    },
  });
}

Deno.test({
  name: `a folder of Claude Code's that cron would not find is not scheduled${unlessCron}`,
  ignore: !cron,
  async fn() {
    await using home = await furnished((text) => text.replace(/^paths = .*$/m, "claude = true"));
    await home.write(".claude-mem/claude-mem.db", "");
    const env = { CLAUDE_CONFIG_DIR: home.at(".claude") };
    const words = ["schedule", "install", "--with", "cron"];
    const { status, stderr } = await home.keepsake(words, { env });
    assert.equal(status, 3);
    assert.match(
      stderr,
      /without your HOME and CLAUDE_CONFIG_DIR, and .* by claude = true of "claude" \(\S+/,
    );
    assert.match(
      stderr,
      /Write the paths .* for claude = true, .* write paths = \["\S+\.claude"\] and sqlite = \["\S+claude-mem\.db"\] in/,
    );
  },
});

async function hasNamespaces(): Promise<boolean> {
  const command = new Deno.Command("unshare", {
    args: [...APART, "mount", "-t", "tmpfs", "none", "/mnt"],
    stderr: "null",
  });
  return await command.output().then(({ success }) => success, () => false);
}
