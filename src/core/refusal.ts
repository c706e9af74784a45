import type { FaultCode } from './fault.ts'
import { type Copied, knowCopies } from './runtime/copies.ts'

/** One row of the closed table of refusals. */
export interface RefusalRow {
  readonly status: number
  readonly title: string
  /** What the client reads by default: FastAPI's words if it has some. */
  readonly detail: string
}

/** The code of a refusal: what programs compare. */
export type RefusalCode =
  | 'request_malformed'
  | 'key_ambiguous'
  | 'key_missing'
  | 'key_invalid'
  | 'key_disabled'
  | 'key_not_yet_valid'
  | 'key_expired'
  | 'key_revoked'
  | 'address_denied'
  | 'scope_missing'
  | 'forbidden'
  | 'route_closed'
  | 'not_found'
  | 'job_not_found'
  | 'delivery_not_found'
  | 'model_not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'key_conflict'
  | 'idempotency_in_flight'
  | 'body_too_large'
  | 'media_type_unsupported'
  | 'input_invalid'
  | 'idempotency_mismatch'
  | 'rate_limited'
  | 'quota_exhausted'
  | 'concurrency_limited'
  | 'storage_exhausted'
  | 'too_many_bad_keys'
  | 'headers_too_large'

/**
 * Every refusal: the caller's error, in public words. Codes and statuses are a contract: see
 * `docs/reference/errors.md`.
 */
export const refusals: Readonly<Record<RefusalCode, RefusalRow>> = {
  request_malformed: row(400, 'Malformed request', 'The request is not valid HTTP.'),
  key_ambiguous: row(400, 'Ambiguous API key', 'The API key was sent more than once, or in two places.'),
  key_missing: row(401, 'API key required', 'Not authenticated'),
  key_invalid: row(403, 'Invalid API key', 'Invalid API key'),
  key_disabled: row(403, 'API key disabled', 'This API key is disabled.'),
  key_not_yet_valid: row(403, 'API key not yet valid', 'This API key is not valid yet.'),
  key_expired: row(403, 'API key expired', 'This API key has expired.'),
  key_revoked: row(403, 'API key revoked', 'This API key has been revoked.'),
  address_denied: row(403, 'Address not allowed', 'This API key may not be used from this address.'),
  scope_missing: row(403, 'Scope missing', 'This API key lacks a scope that this route asks for.'),
  forbidden: row(403, 'Forbidden', 'Forbidden'),
  route_closed: row(403, 'Route closed', 'This route manages the model server, and is closed.'),
  not_found: row(404, 'Not found', 'Not Found'),
  job_not_found: row(
    404,
    'Job not found',
    'No job has this id: it is mistyped, has expired with its result, or belongs to another owner; list the jobs to find it.',
  ),
  delivery_not_found: row(
    404,
    'Delivery not found',
    'No delivery of a webhook has this id: it is mistyped, was deleted with its job, or belongs to another owner; list the deliveries to find it.',
  ),
  model_not_found: row(
    404,
    'Model not found',
    'No model of this name is served, or this API key may not use it.',
  ),
  method_not_allowed: row(405, 'Method not allowed', 'Method Not Allowed'),
  request_timeout: row(408, 'Request timeout', 'The request did not arrive in time.'),
  key_conflict: row(409, 'Conflict', 'The key is not in a state that allows this change.'),
  idempotency_in_flight: row(
    409,
    'Request in flight',
    'A request with this Idempotency-Key is still under way.',
  ),
  body_too_large: row(413, 'Body too large', 'The request body is larger than this server accepts.'),
  media_type_unsupported: row(415, 'Media type not supported', 'Send the body as application/json.'),
  input_invalid: row(422, 'Invalid input', 'The input does not fit what this route takes.'),
  idempotency_mismatch: row(
    422,
    'Idempotency-Key reused',
    'This Idempotency-Key was used before with a different request.',
  ),
  rate_limited: row(429, 'Rate limited', 'Too many requests for a limit of this API key.'),
  quota_exhausted: row(429, 'Quota exhausted', 'A quota of this API key is used up.'),
  concurrency_limited: row(
    429,
    'Too many at once',
    'This API key has as many requests under way as it may have.',
  ),
  storage_exhausted: row(
    429,
    'Storage exhausted',
    'The jobs, results and stored answers of this owner take up as many bytes as they may.',
  ),
  too_many_bad_keys: row(429, 'Too many bad keys', 'Too many wrong API keys came from this address.'),
  headers_too_large: row(
    431,
    'Header fields too large',
    'The request header is larger than this server accepts.',
  ),
}

/** One fault of an input, placed as FastAPI places it: `["body","text"]`, `["query","limit"]`. */
export interface InputError {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

/** What a refusal may carry beside its code and its sentence. */
export interface RefusalOptions {
  /** Headers that go with the answer, such as `WWW-Authenticate` or `Allow`; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** What is wrong with the input, with `input_invalid`. Never holds the input itself. */
  readonly errors?: readonly InputError[]
  /**
   * Another status than the table's: 401 for `key_invalid`, in a deployment with
   * `invalidKeyStatus: 401`.
   */
  readonly status?: 401
  /** Why, for the log and the record alone; never shown to the client. */
  readonly reason?: string
}

/**
 * A refusal, to return in a verdict or to throw in a handler or a check:
 * `throw new Refusal('forbidden', 'beta only')`. The client reads `detail`.
 */
export class Refusal extends Error {
  static {
    knowCopies(Refusal, 'refusal', couldRefuse)
  }

  readonly code: RefusalCode
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly errors: readonly InputError[] | undefined
  readonly reason: string | undefined

  constructor(code: RefusalCode, detail?: string, options: RefusalOptions = {}) {
    super(detail ?? refusals[code].detail)
    this.name = 'Refusal'
    this.code = code
    this.status = options.status ?? refusals[code].status
    this.headers = options.headers ?? {}
    this.errors = options.errors
    this.reason = options.reason
  }

  /**
   * This refusal as a complete answer. Hono calls this on a thrown error, and prints an error
   * without it to the console as a failure. If a guard runs before the route, the guard answers,
   * because it knows more of the request.
   */
  getResponse(): Response {
    const { code, status, message: detail, errors } = this
    const id = crypto.randomUUID()
    const { title } = refusals[code]
    const body = problemBody({ code, title, status, detail, errors, request_id: id })
    const headers = { ...this.headers, 'content-type': problemMediaType, 'x-request-id': id }
    return new Response(JSON.stringify(body), { status, headers })
  }
}

/** Whether a refusal may have these properties; its status is the code's, or 401. */
function couldRefuse({ message, code, status, headers, errors, reason }: Copied): boolean {
  return (
    typeof message === 'string' &&
    typeof code === 'string' &&
    Object.hasOwn(refusals, code) &&
    (status === refusals[code as RefusalCode].status || status === 401) &&
    isRecordOfTexts(headers) &&
    (errors === undefined || Array.isArray(errors)) &&
    (reason === undefined || typeof reason === 'string')
  )
}

function isRecordOfTexts(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  )
}

function row(status: number, title: string, detail: string): RefusalRow {
  return { status, title, detail }
}

/** The one body of every refusal and fault (RFC 9457, `application/problem+json`). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: RefusalCode | FaultCode
  readonly request_id: string
  readonly errors?: readonly InputError[]
}

/** The media type of every refusal and fault (RFC 9457). */
export const problemMediaType = 'application/problem+json'

interface ProblemFields extends Omit<Problem, 'type' | 'errors'> {
  readonly errors: Problem['errors'] | undefined
}

/** A problem of these fields, in this order. Its type is named after its code. */
export function problemBody({ code, title, status, detail, errors, request_id }: ProblemFields): Problem {
  const type = `urn:modelward:problem:${code}`
  return { type, title, status, detail, code, request_id, ...(errors && { errors }) }
}
