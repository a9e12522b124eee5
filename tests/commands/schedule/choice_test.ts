import assert from "node:assert/strict";
import { chooseInstaller, presentInstallers } from "../../../commands/schedule/mod.ts";
import { placeWith } from "./hostile.ts";

const names = (programs: Readonly<Record<string, string>>) =>
  presentInstallers(placeWith(programs)).map(({ name }) => name);

Deno.test("a machine has the schedulers of which it has the program, the best first", () => {
  const [launchctl, schtasks, crontab] = ["/bin/launchctl", "C:\\schtasks.exe", "/usr/bin/crontab"];
  assert.deepEqual(names({ crontab, schtasks, launchctl }), ["launchd", "task-scheduler", "cron"]);
  assert.deepEqual(names({ crontab }), ["cron"]);
  assert.deepEqual(names({}), []);
  const both = placeWith({ crontab, launchctl });
  assert.equal(chooseInstaller(undefined, both).name, "launchd");
  assert.equal(chooseInstaller("cron", both).name, "cron");
});

Deno.test("systemctl alone is no systemd: it is there in containers, too", async () => {
  const runs = await Deno.stat("/run/systemd/system").then(() => true, () => false);
  assert.deepEqual(names({ systemctl: "/usr/bin/systemctl" }), runs ? ["systemd"] : []);
});

Deno.test("a scheduler that is not there is refused, and so is a machine without any", () => {
  assert.throws(() => chooseInstaller("launchd", placeWith({ crontab: "/usr/bin/crontab" })), {
    code: "usage",
    message: "Cannot schedule with launchd: this machine does not have it",
  });
  assert.throws(() => chooseInstaller(undefined, placeWith()), {
    code: "usage",
    message: /no sch/,
  });
});

Deno.test("what serves users alone is not taken for the machine", () => {
  const [launchctl, schtasks, crontab] = ["/bin/launchctl", "C:\\schtasks.exe", "/usr/bin/crontab"];
  const machine = (programs: Readonly<Record<string, string>>) => ({
    ...placeWith(programs),
    system: true,
  });
  const all = machine({ crontab, schtasks, launchctl });
  assert.deepEqual(presentInstallers(all).map(({ name }) => name), ["launchd"]);
  assert.equal(chooseInstaller(undefined, all).name, "launchd");
  for (const name of ["cron", "task-scheduler"] as const) {
    assert.throws(() => chooseInstaller(name, all), {
      code: "usage",
      message: `Cannot schedule for the machine: ${name} serves users alone`,
    });
  }
  assert.throws(() => chooseInstaller(undefined, machine({ crontab })), {
    code: "usage",
    message:
      "Cannot schedule for the machine: this machine has neither systemd nor launchd, and others serve users alone",
  });
});
