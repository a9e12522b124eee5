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
  stateOf,
  systemFault,
  toRecord,
} from "../stages/errors.ts";
