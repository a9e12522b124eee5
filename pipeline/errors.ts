/**
 * The failures that commands raise and report.
 *
 * @module
 */
export {
  BackupError,
  type FailureCode,
  type FailureRecord,
  FAILURES,
  isDenied,
  stateOf,
  systemFault,
  toRecord,
} from "../stages/errors.ts";
