import type { FaultCode } from './fault.ts'
import type { InputError, RefusalCode } from './refusal.ts'

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

interface ProblemParts extends Omit<Problem, 'type' | 'errors'> {
  readonly errors: Problem['errors'] | undefined
}

/** A problem of these parts, its members in their order. Its type is named after its code. */
export function problemBody({ code, title, status, detail, errors, request_id }: ProblemParts): Problem {
  const type = `urn:modelward:problem:${code}`
  return { type, title, status, detail, code, request_id, ...(errors && { errors }) }
}
