/**
 * The workers that tell somebody how runs go, for `plan`.
 *
 * @module
 */
import type { Grants } from "../../stages/contract.ts";
import type { Watch } from "../config/pipeline.ts";
import type { PlannedMessenger } from "../plan.ts";
import { findPrograms } from "../programs.ts";
import { permissionsOf } from "../worker/host.ts";
import { grantsFor, grantsForProgram } from "./channels.ts";

/** Who would be told, and what each of the workers that do so may touch. */
export function messengersOf({ alerts, command, heartbeat }: Watch): PlannedMessenger[] {
  return [
    ...alerts.map(({ address }) => messengerOf("alert", address)),
    ...(heartbeat === undefined ? [] : [messengerOf("heartbeat", heartbeat)]),
    ...(command === undefined ? [] : [programOf(command)]),
  ];
}

function messengerOf(use: "alert" | "heartbeat", address: string): PlannedMessenger {
  let grants: Grants;
  try {
    grants = grantsFor(address);
  } catch {
    // There is nothing to reach while no address stands there.
    return { use, location: address, permissions: permissionsOf({}) };
  }
  return { use, location: grants.net![0]!, permissions: permissionsOf(grants) };
}

function programOf([name = ""]: readonly string[]): PlannedMessenger {
  const program = findPrograms([name])[name] ?? name;
  return {
    use: "command",
    location: program,
    permissions: permissionsOf(grantsForProgram(program)),
  };
}
