import { looksLikeKey } from '../core/key-shape.ts'
import type { RequestHead } from '../core/request-head.ts'
import type { Scheme } from './scheme.ts'

/** Longest request id that is recorded, in characters; a longer one is cut. */
const idLengthMax = 128
/** What ids are made of. A text with spaces is none. */
const idPattern = /^[\w.:/+=@-]+$/
/** Ids that we make, and Fastify does: whoever calls has no say in them. */
const ownPattern = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|req-[0-9a-z]+)$/

/**
 * A request id as it may be recorded; null for whatever is not one. A client sends what it likes as its `X-Request-Id`, and some
 * frameworks take it for their own: a key, sent there by mistake, must not get into the ledger.
 */
export function recordedId(
  text: string | undefined,
  schemes: readonly Scheme[],
  head: RequestHead,
): string | null {
  if (text === undefined || text === '') return null
  if (ownPattern.test(text)) return text
  if (looksLikeKey(text)) return null
  for (const scheme of schemes)
    for (const key of scheme.read(head)) if (key !== '' && text.includes(key)) return null
  const id = text.slice(0, idLengthMax)
  return idPattern.test(id) ? id : null
}

/** A method as it may be recorded: where a request is made by a program and not read from a wire it can be any text. */
export function recordedMethod(method: string | undefined): string | null {
  return method !== undefined && /^[A-Z][A-Z-]{0,19}$/.test(method) ? method : null
}
