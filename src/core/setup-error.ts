import { type Copied, knowCopies } from './runtime/copies.ts'

/** Why a deployment could not be opened: the command line prints it, scripts compare it. */
export type SetupErrorCode =
  | 'config_invalid'
  | 'data_missing'
  | 'data_unwritable'
  | 'data_unreadable'
  | 'data_in_use'
  | 'data_locked'
  | 'data_newer'
  | 'data_older'
  | 'data_moved'
  | 'data_corrupt'
  | 'pepper_missing'
  | 'pepper_unreadable'
  | 'pepper_mismatch'
  | 'signing_key_mismatch'
  | 'model_unreadable'
  | 'thread_missing'
  | 'peer_missing'
  | 'database_unreachable'
  | 'database_unsuitable'
  | 'database_foreign'
  | 'redis_unreachable'
  | 'redis_unsuitable'
  | 'address_in_use'
  | 'address_unavailable'
  | 'runtime_unsuitable'

/**
 * Something keeps a deployment from opening. The message is for the operator and contains no
 * secret.
 */
export class SetupError extends Error {
  static {
    knowCopies(SetupError, 'setup_error', couldKeep)
  }

  readonly code: SetupErrorCode

  constructor(code: SetupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SetupError'
    this.code = code
  }
}

/** Whether a setup error may have these properties. A newer version may have another code. */
function couldKeep({ message, code }: Copied): boolean {
  return typeof message === 'string' && typeof code === 'string' && /^[a-z_]+$/.test(code)
}
