import type { FastifyReply } from 'fastify'
import { Refusal } from '../../core/refusal.ts'

/**
 * Aborts when the client has gone, or the server closes. Not `AbortSignal.any`: its signals stay
 * with one that lives as long as the server.
 */
export function clientEnd({ raw }: FastifyReply, closing: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const abort = (): void => {
    closing.removeEventListener('abort', abort)
    controller.abort()
  }
  if (closing.aborted || raw.closed) abort()
  else {
    closing.addEventListener('abort', abort)
    raw.once('close', abort)
  }
  return controller.signal
}

/** The refusal of a request whose client has gone: recorded, never sent. */
export function clientGone(): Refusal {
  return new Refusal('request_malformed', 'The client went away.', { reason: 'client gone' })
}
