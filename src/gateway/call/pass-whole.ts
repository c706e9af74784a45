import type { Fault } from '../../core/fault.ts'
import { addHeaderUsage, contentOfAll } from '../answer/add-header-usage.ts'
import { readContent } from '../answer/read-content.ts'
import { readUsage } from '../answer/read-usage.ts'
import { passedHeaders } from './answer-headers.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import { faultOf } from './find-answer.ts'
import type { OpenCall } from './open-call.ts'
import { passPieces, reasonOf } from './pass-pieces.ts'

const nothing = { contentEvents: 0, contentBytes: 0 }

/**
 * Holds a whole answer until it is settled and recorded. One that is too large for memory goes out
 * in pieces.
 */
export function passWhole(call: OpenCall, answer: BegunAnswer): void {
  const { incoming, prepared, deps } = call
  const pieces: Buffer[] = []
  let bytes = 0

  call.read(answer, {
    onPiece(piece) {
      pieces.push(piece)
      bytes += piece.length
      if (bytes <= deps.answerMax && incoming.hold(prepared.copyBytes + bytes)) return
      answer.hold()
      passPieces(call, answer, pieces)
    },
    onEnd() {
      const body = Buffer.concat(pieces, bytes)
      // Held once from here on, however long its record takes.
      pieces.length = 0
      leave(body)
    },
    onError: (error) => call.fail(faultOf(error), reasonOf(error)),
  })

  function leave(body: Buffer): void {
    const isRefused = answer.status >= 400
    const received = receivedOf(call, answer, body)
    call.delivered = () => received
    const passed = isRefused ? withoutCredential(answer, body) : body
    const { keeper } = incoming
    const kept = isRefused
      ? undefined
      : keeper?.keep({ status: answer.status, headers: passedHeaders(answer), body })
    if (kept === undefined) end(passed, isRefused)
    else
      kept.then(
        () => end(passed, isRefused),
        (fault: unknown) => call.fail(fault),
      )
  }

  function end(passed: Buffer, isRefused: boolean): void {
    const isAborted = incoming.response.closed
    void call.end({ charge: isRefused ? 'said' : 'delivered', isAborted }, (fault) => write(passed, fault))
  }

  function write(body: Buffer, fault: Fault | undefined): void {
    const { response } = incoming
    if (fault !== undefined) {
      call.answerProblem(fault)
      return
    }
    if (response.closed) return
    response
      .writeHead(answer.status, {
        ...incoming.headers,
        ...prepared.limitHeaders,
        ...passedHeaders(answer),
        'content-length': body.length,
      })
      .end(body)
  }
}

/** What a whole answer says of its usage, and what there is to estimate it by where it does not. */
function receivedOf(call: OpenCall, answer: BegunAnswer, body: Buffer): ReturnType<OpenCall['delivered']> {
  const { incoming, prepared } = call
  const { form } = incoming.route
  const { answers } = prepared
  const { usageHeaders } = answer.upstream.preset
  const isReadable = form !== undefined && answer.headers['content-encoding'] === undefined
  const inBody = isReadable ? readUsage(form, body) : undefined
  const said =
    form === undefined || usageHeaders === undefined
      ? inBody
      : addHeaderUsage(inBody, answer.headers, usageHeaders, answers)
  if (answer.status >= 400 || said?.completion !== undefined) return { said, ...nothing }
  // A page, say, has its text nowhere that is known.
  const isText = isReadable && isJson(answer)
  const sent = isText ? readContent(form, body) : { contentEvents: 0, contentBytes: body.length }
  const content =
    usageHeaders === undefined ? sent : contentOfAll(sent, answer.headers, usageHeaders, answers)
  return { said, ...content }
}

/** Unless its upstream says that it is something else. */
function isJson({ headers }: BegunAnswer): boolean {
  return /json/i.test(String(headers['content-type'] ?? 'json'))
}

/** An upstream's error may repeat what it was sent; all else of it goes on as it came. */
function withoutCredential({ upstream }: BegunAnswer, body: Buffer): Buffer {
  const text = body.toString()
  const left = upstream.redact(text)
  return left === text ? body : Buffer.from(left)
}
