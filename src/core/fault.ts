import { type Copied, knowCopies } from './runtime/copies.ts'

/** One row of the closed table of faults. */
export interface FaultRow {
  readonly status: number
  readonly title: string
  /** What the client sees; what happened is only in the log. */
  readonly detail: string
  /** Seconds after which to try again; null if that makes no sense. */
  readonly retryAfterSeconds: number | null
}

/** The code of a fault. */
export type FaultCode =
  | 'internal'
  | 'model_failed'
  | 'store_unavailable'
  | 'limiter_unavailable'
  | 'ledger_unavailable'
  | 'overloaded'
  | 'model_timeout'
  | 'upstream_failed'
  | 'upstream_unavailable'
  | 'upstream_timeout'

/**
 * Every fault: our error, or a dependency's. An outage is never a 401 or 403, which would make a
 * client throw a good key away (OWASP ASVS 5.0, 16.5.3). See `docs/reference/errors.md`.
 */
export const faults: Readonly<Record<FaultCode, FaultRow>> = {
  internal: row(500, 'Internal error', 'Something went wrong on our side.', null),
  model_failed: row(502, 'Model failed', 'The model failed on this input.', null),
  upstream_failed: row(502, 'Upstream failed', 'The model server failed on this request.', null),
  store_unavailable: row(503, 'Key store unavailable', 'The key store cannot be reached.', 1),
  limiter_unavailable: row(503, 'Limiter unavailable', 'Limits cannot be counted just now.', 1),
  ledger_unavailable: row(503, 'Ledger unavailable', 'Requests cannot be recorded just now.', 1),
  upstream_unavailable: row(503, 'Upstream unavailable', 'The model server cannot be reached.', 1),
  overloaded: row(503, 'Overloaded', 'Too much is waiting to be answered just now.', 1),
  model_timeout: row(504, 'Model timeout', 'The model did not answer in time.', null),
  upstream_timeout: row(504, 'Upstream timeout', 'The model server did not answer in time.', null),
}

/** What a fault may say beside its message. */
export interface FaultOptions extends ErrorOptions {
  /**
   * A sentence for the client in place of the table's. Only where the same request would fail in
   * the same way again, such as at a bound, which it names: a job is not retried then.
   */
  readonly detail?: string
  /** Whole seconds after which to try again, in place of the table's; where the wait is known. */
  readonly retryAfterSeconds?: number
}

/**
 * Something broke. Message and cause are for the log; the client gets the table's fixed sentence,
 * or the fault's own `detail`.
 */
export class Fault extends Error {
  static {
    knowCopies(Fault, 'fault', couldFail)
  }

  readonly code: FaultCode
  readonly status: number
  declare readonly detail?: string
  declare readonly retryAfterSeconds?: number

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options)
    this.name = 'Fault'
    this.code = code
    this.status = faults[code].status
    if (options.detail !== undefined) this.detail = options.detail
    if (options.retryAfterSeconds !== undefined) this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Whether a fault may have these properties. */
function couldFail({ message, code, status, detail = '', retryAfterSeconds = 1 }: Copied): boolean {
  return (
    typeof message === 'string' &&
    typeof detail === 'string' &&
    typeof retryAfterSeconds === 'number' &&
    typeof code === 'string' &&
    Object.hasOwn(faults, code) &&
    status === faults[code as FaultCode].status
  )
}

function row(status: number, title: string, detail: string, retryAfterSeconds: number | null): FaultRow {
  return { status, title, detail, retryAfterSeconds }
}
