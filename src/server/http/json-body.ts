import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { parse } from 'secure-json-parse'
import { Refusal } from '../../core/refusal.ts'
import { jsonDepthMax } from '../../models/json-value.ts'
import { holdParsed } from './bytes-in-flight.ts'
import { type JsonShape, scanJson } from './scan-json.ts'

export const jsonMediaType = 'application/json; charset=utf-8'

/**
 * Bytes of a body that has turns of the event loop to itself: one in which it is parsed, and one in
 * which its request goes on. Of 8 MiB each takes some 30 ms, and four bodies that arrive together
 * would be one turn.
 */
const largeBody = 262_144

/** Makes JSON the one kind of body, read by `parseJsonBody`. */
export function acceptJson(app: FastifyInstance): void {
  const turns = new LargeTurns()
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    function parseBody({ raw, routeOptions }, body: Buffer, done) {
      const parse = (succeed: (parsed: unknown) => void): void => {
        let parsed: unknown
        try {
          parsed = readJsonBody(raw, body, routeOptions.bodyLimit ?? body.length)
        } catch (thrown) {
          done(thrown as Error)
          return
        }
        succeed(parsed)
      }
      if (body.length < largeBody) parse((parsed) => done(null, parsed))
      else turns.add(() => parse((parsed) => turns.add(() => done(null, parsed))))
    },
  )
}

/** Acts in their order, one in a turn of the event loop. */
class LargeTurns {
  readonly #waiting: (() => void)[] = []

  add(act: () => void): void {
    if (this.#waiting.push(act) === 1) setImmediate(() => this.#run())
  }

  #run(): void {
    const [act] = this.#waiting
    try {
      act?.()
    } finally {
      this.#waiting.shift()
      if (this.#waiting.length > 0) setImmediate(() => this.#run())
    }
  }
}

/** Deepest that a body may be nested: an input in a list in an object. */
const depthMax = jsonDepthMax + 2
/** A body may have one value for so many bytes of the largest one, and in any case so many. */
const bytesForValue = 8
const valuesLeast = 1_024
/** What V8 holds of a value, beside its text: of `{}` and of a member's name the most. */
const bytesPerValue = 40

/**
 * Reads the body of a request, whose bytes in flight are from then on what it became.
 *
 * @param bytesMax bytes of the largest body
 * @throws Refusal `input_invalid`; Fault `overloaded` where it does not fit the budget
 */
export function readJsonBody(request: IncomingMessage, body: Buffer, bytesMax: number): unknown {
  const { values } = checkShape(body, bytesMax)
  holdParsed(request, body.length + values * bytesPerValue)
  return parseJsonBody(body)
}

/**
 * Refuses what would become many times its size, or deeper than what walks through it may go,
 * before a parser makes anything of it.
 */
function checkShape(body: Buffer, bytesMax: number): JsonShape {
  const max = { depth: depthMax, values: Math.max(valuesLeast, Math.floor(bytesMax / bytesForValue)) }
  const shape = scanJson(body, max)
  if (shape.depth > max.depth) throw invalidBody('The body is nested too deeply', 'recursion')
  if (shape.values > max.values)
    throw invalidBody(`The body should have at most ${max.values} values`, 'too_many_values')
  return shape
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
