import { Fault, type FaultCode, faults } from './fault.ts'
import { type InputError, Refusal, type RefusalCode, refusals } from './refusal.ts'

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

/** A problem with the status and headers it is answered with. */
export interface ProblemAnswer {
  readonly status: number
  /** Lower-case names; the content type among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Problem
}

/** The media type of every refusal and fault (RFC 9457). */
export const problemMediaType = 'application/problem+json'

/** The answer to a refusal or a fault. A fault's own message stays behind: the client reads a fixed sentence. */
export function problemOf(thrown: Refusal | Fault, requestId: string): ProblemAnswer {
  const isRefusal = thrown instanceof Refusal
  const title = isRefusal ? refusals[thrown.code].title : faults[thrown.code].title
  const body: Problem = {
    type: `urn:modelward:problem:${thrown.code}`,
    title,
    status: thrown.status,
    detail: isRefusal ? thrown.message : faults[thrown.code].detail,
    code: thrown.code,
    request_id: requestId,
    ...(isRefusal && thrown.errors !== undefined ? { errors: thrown.errors } : {}),
  }
  return { status: thrown.status, headers: headersOf(thrown), body }
}

function headersOf(thrown: Refusal | Fault): Readonly<Record<string, string>> {
  const contentType = { 'content-type': problemMediaType }
  if (thrown instanceof Refusal) return { ...thrown.headers, ...contentType }
  const seconds = faults[thrown.code].retryAfterSeconds
  return seconds === null ? contentType : { 'retry-after': String(seconds), ...contentType }
}

/** Whatever was thrown, as a refusal or a fault: anything unknown is `internal`, with the thrown thing as its cause. */
export function classify(thrown: unknown): Refusal | Fault {
  if (thrown instanceof Refusal || thrown instanceof Fault) return thrown
  return new Fault('internal', thrown instanceof Error ? thrown.message : 'a non-error was thrown', {
    cause: thrown,
  })
}
