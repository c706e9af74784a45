import { looksLikeKey } from '../../core/key-shape.ts'
import type { RequestHead } from '../../core/request-head.ts'
import type { Scheme } from '../scheme.ts'

/** Longest request id that is recorded, in characters; a longer one is cut. */
const idLengthMax = 128
const idPattern = /^[\w.:/+=@-]+$/
/** Ids that we make, and Fastify does: a client has no say in them. */
const ownPattern = /^(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|req-[0-9a-z]+)$/

/**
 * A request id as it may be recorded; null for any other text. A client sends what it likes as its
 * `X-Request-Id`, and some frameworks adopt it: a key sent there by mistake must not get into the
 * ledger.
 */
export function recordedId(
  text: string | undefined,
  schemes: readonly Scheme[],
  head: RequestHead,
): string | null {
  if (text === undefined || text === '') return null
  if (ownPattern.test(text)) return text
  const id = text.slice(0, idLengthMax)
  if (!idPattern.test(id)) return null
  // A key that begins in what is recorded may end behind it. No more is looked at: a header of
  // 16 KiB would cost a stranger nothing and this process 9 ms.
  if (looksLikeKey(text.slice(0, 2 * idLengthMax))) return null
  for (const scheme of schemes)
    for (const key of scheme.read(head)) if (key !== '' && text.includes(key)) return null
  return id
}
