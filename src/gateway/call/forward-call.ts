import { findRequestSpan } from '../../guard/exchange/request-span.ts'
import { requestHeaders } from './answer-headers.ts'
import type { BegunAnswer } from './begin-attempt.ts'
import type { CallDeps } from './call-deps.ts'
import { findAnswer } from './find-answer.ts'
import type { IncomingCall } from './incoming-call.ts'
import { OpenCall } from './open-call.ts'
import { passPieces } from './pass-pieces.ts'
import { passWhole } from './pass-whole.ts'
import { admitCall, reserveCall } from './prepare-call.ts'
import { beginAttemptSpan, headersIn } from './trace-attempt.ts'

/**
 * The way of a call, from its body to its end. Resolves when it has begun to wait for an upstream,
 * and ends by itself.
 *
 * @param take told once the gateway answers the request itself: until then what is thrown is
 *   answered by the server
 * @throws what `admitCall`, `beginKeeping` and `reserveCall` throw
 */
export async function forwardCall(deps: CallDeps, incoming: IncomingCall, take: () => void): Promise<void> {
  const admitted = await admitCall(deps, incoming)
  const keeper = await incoming.beginKeeping?.()
  if (keeper === 'answered') return
  const prepared = await reserveCall(deps, incoming, admitted).catch(async (thrown: unknown) => {
    await keeper?.release()
    throw thrown
  })
  take()
  const call = new OpenCall(deps, { ...incoming, keeper }, prepared)
  // The client has gone meanwhile: no upstream is asked.
  if (call.isOver) return
  try {
    ask(call)
  } catch (thrown) {
    call.fail(thrown)
  }
}

function ask(call: OpenCall): void {
  const { deps, incoming, prepared, first } = call
  const headers = requestHeaders(incoming)
  const finding = findAnswer({
    takePlace: call.takePlace,
    to: prepared.to,
    firstByteBy: deps.monotonic() + first.upstream.settings.timeouts.firstByteMs,
    log: (text, fields) => deps.log(text, { ...fields, request_id: incoming.exchange.id }),
    beginSpan: (destination) =>
      beginAttemptSpan(findRequestSpan(incoming.request), incoming.route.method, destination),
    requestFor: (destination, span) => ({
      method: incoming.route.method,
      path: call.routeAt(destination).path,
      headers: headersIn(span, headers),
      body: prepared.bytesFor(destination),
    }),
  })
  call.asks(finding)
  finding.answer.then(
    (answer) => pass(call, answer),
    (fault: unknown) => call.fail(fault),
  )
}

/** A stream is what its content type says it is, not what the request hoped for. */
function pass(call: OpenCall, answer: BegunAnswer): void {
  try {
    call.begin(answer)
    if (isStream(answer)) passPieces(call, answer)
    else passWhole(call, answer)
  } catch (thrown) {
    call.fail(thrown)
  }
}

function isStream({ status, headers }: BegunAnswer): boolean {
  const type = headers['content-type']
  return (
    status < 300 && typeof type === 'string' && /^(?:text\/event-stream|application\/x-ndjson)\b/i.test(type)
  )
}
