import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'

const keptPattern =
  /^(?:access-control-.*|cross-origin-.*|vary|connection|x-request-id|x-content-type-options|x-frame-options|referrer-policy|permissions-policy|strict-transport-security)$/

/**
 * Whether a header stays where a fault takes the place of an answer that was ready: those that a
 * browser needs to read the fault, and those that protect it. Any other may reveal what the answer
 * was.
 */
export function isKeptHeader(name: string): boolean {
  return keptPattern.test(name)
}

/** A fault in the place of an answer that was ready, with those of its headers that stay. */
export function faultAnswer<Value>(
  fault: Fault,
  requestId: string,
  headersBefore: Readonly<Record<string, Value>>,
): {
  readonly status: number
  readonly headers: Record<string, Value | string | number>
  readonly text: string
} {
  const { status, headers, body } = problemOf(fault, requestId)
  const text = JSON.stringify(body)
  const stays = Object.entries(headersBefore).filter(([name]) => isKeptHeader(name))
  const own = { ...headers, 'x-request-id': requestId, 'content-length': Buffer.byteLength(text) }
  return { status, headers: { ...Object.fromEntries(stays), ...own }, text }
}
