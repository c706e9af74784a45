import type { Fault } from '../../core/fault.ts'
import { classify } from '../../core/problem.ts'
import { Refusal, type RefusalCode } from '../../core/refusal.ts'

/** Fastify's own errors that are the client's doing. Whatever is not here is ours. */
const codes: Readonly<Record<string, RefusalCode>> = {
  FST_ERR_BAD_URL: 'request_malformed',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request_malformed',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: 'media_type_unsupported',
  // The client went away while it sent the body.
  ECONNRESET: 'request_malformed',
}

/** Whatever a request ran into, as a refusal or a fault. */
export function classifyError(error: unknown): Refusal | Fault {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    const code = codes[error.code]
    if (code !== undefined) return new Refusal(code, undefined, { reason: error.code })
  }
  return classify(error)
}
