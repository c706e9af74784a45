import type { Fault } from '../../core/fault.ts'
import { GatheredBytes } from '../../core/gathered-bytes.ts'
import { passedHeaders } from './answer-headers.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import { faultOf } from './find-answer.ts'
import type { OpenCall } from './open-call.ts'
import { passPieces, reasonOf } from './pass-pieces.ts'
import { readDelivered } from './received-answer.ts'

/**
 * Holds a whole answer until it is settled and recorded. One that is too large for memory goes out
 * in pieces.
 */
export function passWhole(call: OpenCall, answer: BegunAnswer): void {
  const { incoming, prepared, deps } = call
  const gathered = new GatheredBytes()

  call.read(answer, {
    onPiece(piece) {
      gathered.add(piece)
      if (gathered.length <= deps.answerMax && incoming.hold(prepared.copyBytes + gathered.length)) return
      answer.hold()
      passPieces(call, answer, gathered.take())
    },
    onEnd: () => leave(gathered.take()),
    onError: (error) => call.fail(faultOf(error), reasonOf(error)),
  })

  function leave(body: Buffer): void {
    const isRefused = answer.status >= 400
    const answered = { form: incoming.route.form, answers: prepared.answers }
    const received = readDelivered(answered, answer, body)
    call.delivered = () => received
    const passed = isRefused ? withoutCredential(answer, body) : body
    const { keeper } = incoming
    // One that is kept as 202 would be taken for a job.
    const isKept = !isRefused && answer.status !== 202
    const kept = isKept
      ? keeper?.keep({ status: answer.status, headers: passedHeaders(answer), body })
      : undefined
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

/** An upstream's error may repeat what it was sent; all else of it goes on as it came. */
function withoutCredential({ upstream }: BegunAnswer, body: Buffer): Buffer {
  const text = body.toString()
  const left = upstream.redact(text)
  return left === text ? body : Buffer.from(left)
}
