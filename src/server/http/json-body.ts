import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { parse } from 'secure-json-parse'
import { Refusal } from '../../core/refusal.ts'

export const jsonMediaType = 'application/json; charset=utf-8'

/** Makes JSON the one kind of body, read by `parseJsonBody`. */
export function acceptJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    function parseBody(_request, body: Buffer, done) {
      try {
        done(null, parseJsonBody(body))
      } catch (refusal) {
        done(refusal as Refusal)
      }
    },
  )
}

/**
 * Reads a body. `__proto__` and `constructor.prototype` are refused, so that no later code can trip
 * over them. An empty body is undefined.
 *
 * @throws Refusal `input_invalid` for text that is not JSON, or not UTF-8, or has such a member; it
 *   is not repeated
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  if (!isUtf8(body)) throw invalidBody('The body is not UTF-8 text', 'unicode_invalid')
  const text = body.toString('utf8')
  try {
    return parse(text, { protoAction: 'error', constructorAction: 'error' })
  } catch {
    throw isJson(text)
      ? invalidBody(
          'No member may be called `__proto__`, or `prototype` in a `constructor`',
          'name_forbidden',
        )
      : invalidBody('The body is not valid JSON', 'json_invalid')
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function invalidBody(msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc: ['body'], msg, type }] })
}
