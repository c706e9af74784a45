import type { Fault } from '../../core/fault.ts'
import { readContent } from '../answer/read-content.ts'
import { readUsage } from '../answer/read-usage.ts'
import { passedHeaders } from './answer-headers.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import { faultOf } from './find-answer.ts'
import type { OpenCall } from './open-call.ts'
import { passPieces } from './pass-pieces.ts'

const nothing = { contentEvents: 0, contentBytes: 0 }

/**
 * Holds a whole answer until it is settled and recorded. One that is too large for memory goes out
 * in pieces.
 */
export function passWhole(call: OpenCall, answer: BegunAnswer): void {
  const { incoming, prepared, deps } = call
  const { form } = incoming.route
  const pieces: Buffer[] = []
  let bytes = 0
  let isPassedOn = false

  answer.read({
    onPiece(piece) {
      pieces.push(piece)
      bytes += piece.length
      if (bytes <= deps.answerMax && incoming.hold(bytes)) return
      isPassedOn = true
      answer.attempt.pause()
      passPieces(call, answer, pieces)
    },
    onEnd() {
      if (!isPassedOn) leave(Buffer.concat(pieces, bytes))
    },
    onError(error) {
      if (!isPassedOn) call.fail(faultOf(error))
    },
  })

  function leave(body: Buffer): void {
    const isReadable = form !== undefined && answer.headers['content-encoding'] === undefined
    const said = isReadable ? readUsage(form, body) : undefined
    const isRefused = answer.status >= 400
    const unread = { contentEvents: 0, contentBytes: bytes }
    const content = isReadable && said === undefined ? readContent(form, body) : unread
    call.delivered = () => ({ said, ...(isRefused ? nothing : content) })
    const passed = isRefused ? withoutCredential(answer, body) : body
    void call.end({ charge: isRefused ? 'said' : 'delivered' }, (fault) => write(passed, fault))
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

/** An upstream's error may repeat what it was sent; all else of it goes on as it came. */
function withoutCredential({ upstream }: BegunAnswer, body: Buffer): Buffer {
  const text = body.toString()
  const left = upstream.redact(text)
  return left === text ? body : Buffer.from(left)
}
