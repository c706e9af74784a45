import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from './log.ts'

/** What every answer carries beside its request id. Pages add policies of their own. */
export const answerHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
}

/** Sets what every answer carries, before anything can refuse. */
export function setAnswerHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id).headers(answerHeaders)
}

/**
 * Sends a page. The policy loads what the page itself brings, and no other page may frame it. Only
 * a page has links and forms that a referrer policy is about.
 */
export function sendPage(
  reply: FastifyReply,
  html: string,
  policy: string,
  referrer: 'no-referrer' | 'same-origin' = 'no-referrer',
): FastifyReply {
  return reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('content-security-policy', `${policy}; base-uri 'none'; frame-ancestors 'none'`)
    .header('referrer-policy', referrer)
    .send(html)
}

/**
 * Writes the answers of one turn of the event loop one after the other, once all requests that
 * arrived with them have been worked through. The first write wakes the client, which costs more
 * than the request: the others find it awake. A lone request hardly waits, for its turn ends at
 * once; under load answers come sooner, because twice as many are made (docs/performance.md).
 */
export function coalesceAnswers(app: FastifyInstance, log: Log): void {
  app.addHook('onSend', function coalesce(request, reply, _payload, done) {
    setImmediate(function writeAnswer() {
      try {
        done()
      } catch (fault) {
        // The stack is empty: uncaught, it would end the process.
        log.error({ request_id: request.id, err: fault }, 'an answer could not be written')
        reply.raw.destroy()
      }
    })
  })
}
