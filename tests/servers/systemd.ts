/**
 * A systemd that really runs, as the first process of namespaces of its own: nothing of it reaches
 * the machine, and what it started ends with it.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Home, Outcome } from "../commands/harness.ts";

const SYSTEMD = "/lib/systemd/systemd";

/** Where control groups are looked at, by whoever has mounted them there for itself. */
const CGROUPS = "/mnt";

/** Why there is none: the end of a test's name; empty where there is one. */
export const unlessSystemd: string = await whyNot();

/** Where the home is for all that runs there: `/tmp` is another one for many a service. */
export const INNER_HOME = "/srv/home";

/** Where the program is for all that runs there, wherever it is on this machine. */
const INNER_PROGRAM = "/srv/program";

const ROOT = dirname(dirname(import.meta.dirname!));

/** It, and a manager of root's own beside the machine's. */
export class Systemd implements AsyncDisposable {
  readonly #home: Home;
  readonly #child: Deno.ChildProcess;
  readonly #first: string;
  readonly #group: string;

  private constructor(home: Home, child: Deno.ChildProcess, first: string, group: string) {
    this.#home = home;
    this.#child = child;
    this.#first = first;
    this.#group = group;
  }

  /** Starts it, with the home as the one that the system's records give to root. */
  static async start(home: Home): Promise<Systemd> {
    const group = `keepsake-test-${crypto.randomUUID()}`;
    const [outer, inner] = [home.at("outer.sh"), home.at("inner.sh")];
    const program = join(dirname(home.path), "bin/keepsake");
    const words = await Deno.readTextFile(program);
    await Deno.writeTextFile(program, words.replaceAll(ROOT, INNER_PROGRAM));
    const fifo = home.at("ready");
    await Deno.writeTextFile(outer, intoGroup(group, `exec ${UNSHARE} bash ${inner}`));
    await Deno.writeTextFile(inner, firstProcess(dirname(home.path), home.cache));
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    using ready = await Deno.open(fifo, { read: true, write: true });
    const child = new Deno.Command("unshare", {
      args: ["--mount", "bash", outer],
      ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
    }).spawn();
    const ended = child.status.then(() => ready.write(new TextEncoder().encode("ended\n")));
    ended.catch(() => {}); // It outlives the pipe.
    let said = "";
    while (!/ready\n|ended\n/.test(said)) {
      const buffer = new Uint8Array(100);
      said += new TextDecoder().decode(buffer.subarray(0, await ready.read(buffer) ?? 0));
    }
    if (said.includes("ended")) throw new Error("systemd did not start");
    return new Systemd(home, child, said.split("\n")[0]!, group);
  }

  /** Runs lines of bash there, in which `keepsake` is the program. */
  async bash(script: string): Promise<Outcome> {
    await this.#home.write("script", `set -e\ncd ${INNER_HOME}\n${script}`);
    const words = `nsenter --target ${this.#first} --mount --pid --cgroup --uts --ipc`;
    const path = `/srv/bin:${Deno.env.get("PATH")}`;
    const env = { HOME: INNER_HOME, XDG_RUNTIME_DIR: "/run/user/0", PATH: path };
    return await this.#home.bash(`${words} bash ${INNER_HOME}/script`, { env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The first process takes all others of its namespace with it.
    Deno.kill(Number(this.#first), "SIGKILL");
    await this.#child.status;
    const leave = `find ${CGROUPS}/${this.#group} -depth -type d -exec rmdir {} +`;
    const script = `mount -t cgroup2 none ${CGROUPS}\n${leave}`;
    const { success } = await new Deno.Command("unshare", {
      args: ["--mount", "bash", "-ec", script],
    }).output();
    if (!success) throw new Error(`Cannot remove the control group "${this.#group}"`);
  }
}

const UNSHARE = "unshare --mount --pid --fork --cgroup --uts --ipc --kill-child";

function intoGroup(group: string, next: string): string {
  return `set -e
mount -t cgroup2 none ${CGROUPS}
mkdir ${CGROUPS}/${group}
echo $$ > ${CGROUPS}/${group}/cgroup.procs
${next}
`;
}

/**
 * Nothing of the machine can be written to, and none of its units is there: those that start a
 * machine empty `/tmp`, for one.
 */
function firstProcess(base: string, cache: string): string {
  const units = Object.entries({
    "system/sysinit.target": EMPTY,
    "system/basic.target": EMPTY,
    "user/basic.target": EMPTY,
    "system/test.target": `${EMPTY}Requires=manager.service ready.service\n`,
    "system/manager.service": `${EMPTY}[Service]
Type=notify
Delegate=yes
RuntimeDirectory=user/0
Environment=XDG_RUNTIME_DIR=/run/user/0 HOME=${INNER_HOME}
ExecStart=${SYSTEMD} --user --unit=basic.target
`,
    "system/ready.service": `${EMPTY}After=manager.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c "echo ready > ${INNER_HOME}/ready"
`,
  });
  const write = units.map(([path, text]) => `cat > /etc/systemd/${path} <<'END'\n${text}END`);
  // The processes of the machine are still shown here: the number is the one it goes by outside.
  return `set -e
read -r number rest < /proc/self/stat
echo $number > ${base}/home/ready
umount ${CGROUPS}
mount --bind ${cache} ${cache}
mkdir ${base}/program
mount --bind ${ROOT} ${base}/program
mount --rbind ${base} /srv
mount -o remount,bind,ro /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
grep -o ' /sys/fs/cgroup[^ ]*' /proc/self/mounts | sort -r | xargs -r -n 1 umount
mount --bind /sys /sys
mount -o remount,bind,ro /sys
mount -t cgroup2 none /sys/fs/cgroup
for path in ${OWN.join(" ")}; do
  if [ -d $path ]; then mount -t tmpfs -o mode=755 none $path; fi
done
chmod 1777 /tmp
mkdir /etc/systemd/system /etc/systemd/user
sed 's,^root:.*,root:x:0:0::${INNER_HOME}:/bin/sh,' /etc/passwd > /srv/passwd
mount --bind /srv/passwd /etc/passwd
${write.join("\n")}
exec env -i PATH="$PATH" container=keepsake ${SYSTEMD} --system --unit=test.target
`;
}

/** Empty at first, and gone afterwards. */
const OWN: readonly string[] = [
  "/tmp",
  "/var",
  "/run",
  "/etc/systemd",
  ...["system", "user", "system-generators", "user-generators", "system-environment-generators"]
    .map((name) => `/usr/lib/systemd/${name}`),
  ...["/usr/lib/systemd/user-environment-generators", "/usr/lib/tmpfiles.d"],
  ...["/usr/local/lib/systemd", "/usr/local/share/systemd", "/usr/share/systemd"],
];

const EMPTY = "[Unit]\nDefaultDependencies=no\n";

async function whyNot(): Promise<string> {
  if (!existsSync(SYSTEMD)) return " (ignored: systemd is not installed)";
  const mounts = await new Deno.Command("unshare", {
    args: ["--mount", "--pid", "--fork", "--cgroup", "mount", "-t", "cgroup2", "none", CGROUPS],
    stderr: "null",
  }).output().then(({ success }) => success, () => false);
  return mounts ? "" : " (ignored: control groups cannot be mounted here)";
}
