import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { jsonDepthMax } from '../../models/json-value.ts'
import { holdParsed } from './bytes-in-flight.ts'
import { clientGone } from './client-end.ts'
import { gatherBody } from './gather-body.ts'
import { invalidBody, parseJsonText } from './json-text.ts'
import { parseLargeJson, pieceBytes } from './large-json.ts'
import { JsonScan, type JsonShape, scanJson } from './scan-json.ts'
import { StepTurns } from './step-turns.ts'

export const jsonMediaType = 'application/json; charset=utf-8'

/** Bytes of a body that is read in steps, each in a turn of the event loop. */
export const largeBody = 262_144

/**
 * Makes JSON the one kind of body, read by `parseJsonBody`, and a large one by `readLargeJsonBody`.
 */
export function acceptJson(app: FastifyInstance): void {
  const turns = new StepTurns()
  const { bodyLimit = 0 } = app.initialConfig
  const valueBytesMax = Math.max(bodyLimit, largeBody)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', function parseBody(request, payload, done) {
    const { raw, routeOptions } = request
    gatherBody(request, payload, (error, body) => {
      if (body === undefined) {
        done(error)
        return
      }
      const bytesMax = routeOptions.bodyLimit ?? body.length
      if (body.length >= largeBody) {
        turns.add(whileConnected(raw, readLargeJsonBody(raw, body, { bytesMax, valueBytesMax })), done)
        return
      }
      let parsed: unknown
      try {
        parsed = readJsonBody(raw, body, bytesMax)
      } catch (thrown) {
        done(thrown as Error)
        return
      }
      done(null, parsed)
    })
  })
}

/** Deepest that a body may be nested: an input in a list in an object. */
const depthMax = jsonDepthMax + 2
/** A body may have one value for so many bytes of the largest one, and in any case so many. */
const bytesForValue = 8
const valuesLeast = 1_024
/** What V8 holds of a value, beside its text: of a member whose name is a number the most. */
const bytesPerValue = 72

/**
 * Reads the body of a request, whose bytes in flight are from then on what it became. An empty body
 * is undefined.
 *
 * @param bytesMax bytes of the largest body
 * @throws Refusal `input_invalid`; Fault `overloaded` where it does not fit the budget
 */
export function readJsonBody(request: IncomingMessage, body: Buffer, bytesMax: number): unknown {
  const max = shapeMax(bytesMax)
  const shape = scanJson(body, max)
  checkShape(shape, max)
  holdParsed(request, body.length + shape.values * bytesPerValue)
  return parseJsonBody(body)
}

interface LargeBodyBounds {
  /** Bytes of the largest body. */
  readonly bytesMax: number
  /** Bytes of the largest value of a list. */
  readonly valueBytesMax: number
}

/** The same for a large body, in steps of a few milliseconds. */
function* readLargeJsonBody(
  request: IncomingMessage,
  body: Buffer,
  { bytesMax, valueBytesMax }: LargeBodyBounds,
): Generator<void, unknown> {
  const max = shapeMax(bytesMax)
  const scan = new JsonScan(body, max, pieceBytes)
  while (scan.readOn(pieceBytes)) yield
  checkShape(scan.shape, max)
  holdParsed(request, body.length + scan.shape.values * bytesPerValue)
  checkText(body)
  const parsed = yield* parseLargeJson(body, scan, valueBytesMax)
  // The request goes on in a turn of its own.
  yield
  return parsed
}

/**
 * The steps until the client has gone. Nothing of what it sent is held in the budget then: bodies
 * of clients that hang up would be parsed all the same, all at once.
 */
function* whileConnected(
  { socket }: IncomingMessage,
  steps: Iterator<void, unknown>,
): Generator<void, unknown> {
  for (;;) {
    if (socket.destroyed) throw clientGone()
    const { done, value } = steps.next()
    if (done === true) return value
    yield
  }
}

function shapeMax(bytesMax: number): JsonShape {
  return { depth: depthMax, values: Math.max(valuesLeast, Math.floor(bytesMax / bytesForValue)) }
}

/**
 * Refuses what would become many times its size, or deeper than what walks through it may go,
 * before a parser makes anything of it.
 */
function checkShape(shape: JsonShape, max: JsonShape): void {
  if (shape.depth > max.depth) throw invalidBody('The body is nested too deeply', 'recursion')
  if (shape.values > max.values)
    throw invalidBody(`The body should have at most ${max.values} values`, 'too_many_values')
}

/** @throws Refusal `input_invalid` for bytes that are not UTF-8; see also `parseJsonText` */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  checkText(body)
  return parseJsonText(body.toString('utf8'))
}

function checkText(body: Buffer): void {
  if (!isUtf8(body)) throw invalidBody('The body is not UTF-8 text', 'unicode_invalid')
}
