import { Fault, faults } from './fault.ts'
import { type Problem, problemBody, problemMediaType, Refusal, refusals } from './refusal.ts'

/** A problem with the status and headers it is answered with. */
export interface ProblemAnswer {
  readonly status: number
  /** Lower-case names; the content type among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Problem
}

/** What the client reads of a fault: never its message. */
export function sentenceOf({ code, detail }: Fault): string {
  return detail ?? faults[code].detail
}

/** The answer to a refusal or a fault. A fault's message is not in it. */
export function problemOf(thrown: Refusal | Fault, requestId: string): ProblemAnswer {
  const { code, status } = thrown
  const isRefusal = thrown instanceof Refusal
  const body = problemBody({
    code,
    title: isRefusal ? refusals[thrown.code].title : faults[thrown.code].title,
    status,
    detail: isRefusal ? thrown.message : sentenceOf(thrown),
    errors: isRefusal ? thrown.errors : undefined,
    request_id: requestId,
  })
  return { status, headers: headersOf(thrown), body }
}

function headersOf(thrown: Refusal | Fault): Readonly<Record<string, string>> {
  const contentType = { 'content-type': problemMediaType }
  if (thrown instanceof Refusal) return { ...thrown.headers, ...contentType }
  const seconds = thrown.retryAfterSeconds ?? faults[thrown.code].retryAfterSeconds
  return seconds === null ? contentType : { 'retry-after': String(seconds), ...contentType }
}

/**
 * A thrown value as a refusal or a fault: an unknown one is `internal`, with that value as its
 * cause.
 */
export function classify(thrown: unknown): Refusal | Fault {
  if (thrown instanceof Refusal || thrown instanceof Fault) return thrown
  return new Fault('internal', thrown instanceof Error ? thrown.message : 'a non-error was thrown', {
    cause: thrown,
  })
}

/**
 * What was thrown, as an error to hand to a framework. Fastify and Express take `undefined` as
 * permission to continue, and Express the words `route` and `router` as well: a check that threw
 * one of them would open the route that it guards.
 */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : classify(thrown)
}
