import type { FastifyInstance } from 'fastify'
import type { Log } from './log.ts'

/**
 * Holds each answer until the requests that arrived with it have been worked through, so that those of one turn of the event
 * loop are written one after the other. The first write wakes the reader on the other side, and that costs more than the
 * request: those that follow find it awake. A lone request hardly waits, because the end of its turn comes at once; under load it
 * is answered sooner, because twice as many are (docs/performance.md). The record that must be durable before its answer
 * will wait in the same place.
 */
export function coalesceAnswers(app: FastifyInstance, log: Log): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    setImmediate(() => {
      try {
        done()
      } catch (fault) {
        // Nobody is left on the stack to catch it: it would end the process.
        log.error({ request_id: request.id, err: fault }, 'an answer could not be written')
        reply.raw.destroy()
      }
    })
  })
}
