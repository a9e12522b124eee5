/** Schedules of a systemd that really runs, of the machine's manager and of a user's own. */
import assert from "node:assert/strict";
import { Home } from "../commands/harness.ts";
import { Systemd, unlessSystemd } from "./systemd.ts";

const BACKUPS = ".local/share/keepsake/backups";

/** What somebody else keeps from everybody. */
const PRIVATE = `keepsake init --yes
  mkdir -p .claude/projects/-tmp-a
  echo '{"type":"user"}' > .claude/projects/-tmp-a/1.jsonl
  chmod -R go= .claude
  chown -R nobody .claude`;

/** How the next lines tell what they find. */
const FAILED = `|| echo "status $?" > ended`;

for (const scope of ["--system", ""]) {
  const manager = scope === "" ? "a user's own manager" : "the machine's manager";
  Deno.test({
    name: `${manager} makes the backup that proves its unit, and the next ones${unlessSystemd}`,
    ignore: unlessSystemd !== "",
    async fn() {
      await using home = await Home.make();
      await using systemd = await Systemd.start(home);
      const control = scope === "" ? "systemctl --user" : "systemctl";
      const { status, stderr } = await systemd.bash(`${PRIVATE}
        keepsake schedule install ${scope} --with systemd --at '30 4 * * *'
        ${control} is-active keepsake-claude.timer > timer
        ${control} list-units --all --plain --no-legend 'keepsake*' > units
        find /run -name '*trial*' > left
        ls ${BACKUPS}/claude > proved
        keepsake list --json > list
        echo more >> .claude/projects/-tmp-a/1.jsonl
        ${control} start keepsake-claude.service
        ls ${BACKUPS}/claude > started
        echo more >> .claude/projects/-tmp-a/1.jsonl
        keepsake schedule run-now ${scope} --with systemd
        ls ${BACKUPS}/claude > again
        keepsake schedule remove ${scope} --with systemd
        ${control} list-units --all --plain --no-legend 'keepsake*' > removed`);
      assert.equal(status, 0, stderr);
      const read = (name: string) => Deno.readTextFile(home.at(name));
      assert.match(stderr, /^Scheduled "claude" with systemd: next at \S+ 04:30$/m);
      assert.equal(await read("timer"), "active\n");
      assert.match(await read("units"), /^keepsake-claude\.timer .*waiting/m);
      assert.doesNotMatch(await read("units"), /trial/);
      assert.equal(await read("left"), "");
      assert.equal(JSON.parse(await read("list"))[0].files, 1, "it reads what belongs to others");
      const counts = ["proved", "started", "again"].map(async (name) =>
        (await read(name)).trim().split("\n").length
      );
      assert.deepEqual(await Promise.all(counts), [2, 4, 6]);
      assert.equal(await read("removed"), "");
    },
  });
}

Deno.test({
  name: `what only the unit forbids is not scheduled, and an old schedule stays${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stderr } = await systemd.bash(`${PRIVATE}
      keepsake schedule install --system --with systemd 2> /dev/null
      file=.config/keepsake/pipeline.toml
      cp $file first
      mount -t tmpfs none /usr/local
      sed 's,^path = .*,path = "/usr/local/backups",' first > $file
      keepsake run --quiet
      echo more >> .claude/projects/-tmp-a/1.jsonl
      keepsake schedule install --system --with systemd --at '1 1 * * *' ${FAILED}
      grep -q 'status 2' ended
      mount -t tmpfs none /mnt
      mkdir -m 700 /mnt/theirs
      sed 's,^path = .*,path = "/mnt/theirs",' first > $file
      keepsake run --quiet
      echo more >> .claude/projects/-tmp-a/1.jsonl
      chown -R nobody /mnt/theirs
      rm ended
      keepsake schedule install --system --with systemd --at '1 1 * * *' ${FAILED}
      grep -q 'status 2' ended
      find /run -name '*trial*' > left
      systemctl list-units --all --plain --no-legend 'keepsake*' > units
      grep OnCalendar /etc/systemd/system/keepsake-claude.timer > timer`);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /"\/usr\/local\/backups\/.*": the file system is read-only$/m);
    assert.match(stderr, /"\/mnt\/theirs\/.*": permission denied$/m);
    const refused =
      /^Nothing was scheduled: the backup ended with status 2 where systemd starts it$/mg;
    assert.equal(stderr.match(refused)?.length, 2);
    assert.equal(await Deno.readTextFile(home.at("left")), "");
    assert.doesNotMatch(await Deno.readTextFile(home.at("units")), /trial/);
    assert.equal(await Deno.readTextFile(home.at("timer")), "OnCalendar=*-*-* 03:00:00\n");
  },
});

Deno.test({
  name: `a backup that systemd ends, or cannot start, proves nothing${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stderr } = await systemd.bash(`${PRIVATE}
      mkdir -p /run/systemd/system/keepsake-claude.trial.service.d
      printf '[Service]\\nTimeoutStartSec=1ms\\n' \\
        > /run/systemd/system/keepsake-claude.trial.service.d/x.conf
      keepsake schedule install --system --with systemd ${FAILED}
      test ! -e /etc/systemd/system/keepsake-claude.service
      kill -KILL $(systemctl show manager.service --property=MainPID --value)
      XDG_RUNTIME_DIR=/run/nowhere keepsake schedule install --with systemd ${FAILED}2`);
    assert.equal(status, 0, stderr);
    assert.match(
      stderr,
      /^Error: Cannot schedule with systemd: systemd could not run keepsake-claude\.trial\.service to its end: its result is "timeout"/m,
    );
    assert.match(stderr, /^Error: Cannot schedule with systemd: systemctl daemon-reload ended /m);
    assert.equal(await Deno.readTextFile(home.at("ended")), "status 3\n");
    assert.equal(await Deno.readTextFile(home.at("ended2")), "status 3\n");
  },
});

Deno.test({
  name: `who interrupts the proof ends the backup too, and leaves nothing of it${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stderr } = await systemd.bash(`${PRIVATE}
      mkdir -p /run/systemd/system/keepsake-claude.trial.service.d
      printf '[Service]\\nExecStartPre=/bin/sleep 600\\n' \\
        > /run/systemd/system/keepsake-claude.trial.service.d/x.conf
      keepsake schedule install --system --with systemd &
      state() { systemctl show keepsake-claude.trial.service --property=SubState --value; }
      for attempt in $(seq 2000); do [ "$(state)" = start-pre ] && break; done
      kill -TERM $!
      wait $! ${FAILED}
      state > state
      find /run -name '*trial*' -not -name '*.d' > left
      ls /etc/systemd/system > units`);
    assert.equal(status, 0, stderr);
    const read = (name: string) => Deno.readTextFile(home.at(name));
    assert.equal(await read("ended"), "status 143\n");
    assert.equal(await read("state"), "dead\n");
    assert.equal(await read("left"), "");
    assert.doesNotMatch(await read("units"), /keepsake/);
  },
});

Deno.test({
  name: `what the machine's manager stores in /var/tmp is there afterwards${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stdout, stderr } = await systemd.bash(`${PRIVATE}
      mkdir -m 1777 /var/tmp
      sed -i 's,^path = .*,path = "/var/tmp/backups",' .config/keepsake/pipeline.toml
      keepsake schedule install --system --with systemd
      ls /var/tmp/backups`);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, "claude\n");
  },
});

Deno.test({
  name: `a schedule replaces the one that another scheduler has of the file${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stdout, stderr } = await systemd.bash(`${PRIVATE}
      mkdir -p -m 1730 /var/spool/cron/crontabs
      keepsake schedule install --with cron 2> /dev/null
      keepsake schedule install
      crontab -l || true
      keepsake schedule install --with cron
      find .config/systemd -type f`);
    assert.equal(status, 0, stderr);
    const replaced = (name: string) =>
      stderr.includes(
        `Note: That replaces "claude", under which ${name} started this file until now\n`,
      );
    assert.deepEqual([replaced("cron"), replaced("systemd")], [true, true], stderr);
    assert.equal(stdout, "");
  },
});

Deno.test({
  name:
    `a schedule of the machine beside a user's own is told of, and the other way round${unlessSystemd}`,
  ignore: unlessSystemd !== "",
  async fn() {
    await using home = await Home.make();
    await using systemd = await Systemd.start(home);
    const { status, stderr } = await systemd.bash(`${PRIVATE}
      keepsake schedule install --with systemd
      keepsake schedule install --system --with systemd 2>&1 | grep 'for you' > system || true
      keepsake schedule install --with systemd 2>&1 | grep 'for the machine' > own || true`);
    assert.equal(stderr.includes("Note: systemd starts this file for"), false);
    const told = (whom: string, flag: string) =>
      `Note: systemd starts this file for ${whom}, too: unless both are meant, take that away with keepsake schedule remove${flag}\n`;
    assert.equal(status, 0, stderr);
    assert.equal(await Deno.readTextFile(home.at("system")), told("you", ""));
    assert.equal(await Deno.readTextFile(home.at("own")), told("the machine", " --system"));
  },
});
