import { isUtf8 } from 'node:buffer'
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../../core/refusal.ts'

export const jsonMediaType = 'application/json; charset=utf-8'

/**
 * Makes JSON the one kind of body. Text that is not JSON, or not UTF-8, is `input_invalid` and not
 * repeated; `__proto__` and `constructor.prototype` are refused, so that no later code can trip
 * over them. An empty body is undefined.
 */
export function acceptJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    function parseBody(request, body: Buffer, done) {
      if (body.length === 0) done(null, undefined)
      else if (!isUtf8(body)) done(invalidBody('The body is not UTF-8 text', 'unicode_invalid'))
      else
        void parse(request, body.toString('utf8'), function takeValue(error, value) {
          if (error) done(invalidBody('The body is not valid JSON', 'json_invalid'))
          else done(null, value)
        })
    },
  )
}

function invalidBody(msg: string, type: string): Refusal {
  return new Refusal('input_invalid', undefined, { errors: [{ loc: ['body'], msg, type }] })
}
