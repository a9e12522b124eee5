/**
 * Every scheduler there is. Adding one adds a file and a line here.
 *
 * @module
 */
import { BackupError } from "../../pipeline/errors.ts";
import { cron } from "./cron.ts";
import type { Installer, Place, SchedulerName } from "./installer.ts";
import { launchd } from "./launchd.ts";
import { systemd } from "./systemd.ts";
import { taskScheduler } from "./task_scheduler.ts";

/** The best first. */
const INSTALLERS: readonly Installer[] = [systemd, launchd, taskScheduler, cron];

/**
 * The scheduler of that name, or the best that is present.
 *
 * @throws {BackupError} `usage` when there is none, or none for the machine where that is meant.
 */
export function chooseInstaller(name: SchedulerName | undefined, place: Place): Installer {
  if (name === undefined) {
    const [best] = presentInstallers(place);
    if (best !== undefined) return best;
    if (place.system) {
      throw forUsersAlone(
        "this machine has neither systemd nor launchd, and others serve users alone",
      );
    }
    throw new BackupError("usage", "Cannot schedule: this machine has no scheduler that is known", {
      hint: "Install cron, or have something of your own start keepsake run",
    });
  }
  const installer = INSTALLERS.find((installer) => installer.name === name)!;
  if (place.system && !installer.servesMachine) throw forUsersAlone(`${name} serves users alone`);
  if (installer.isPresent(place)) return installer;
  throw new BackupError("usage", `Cannot schedule with ${name}: this machine does not have it`, {
    hint: "Leave --with out to take what there is",
  });
}

/** Those in which something could be installed. */
export function presentInstallers(place: Place): readonly Installer[] {
  return INSTALLERS.filter((installer) =>
    installer.isPresent(place) && (installer.servesMachine || !place.system)
  );
}

function forUsersAlone(state: string): BackupError {
  return new BackupError("usage", `Cannot schedule for the machine: ${state}`, {
    hint: "Leave --system out: what root schedules is started as root, too",
  });
}
