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
  toRecord,
} from "../stages/errors.ts";
